"""The command line as manifests record it."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

_WHERE = "--output"
_LEFT_OUT = ("--overwrite",)


def recorded_command(arguments: Sequence[str] | None = None) -> str:
    """What was asked for, without where: the same on every machine and from every folder.

    The output and the folders of inputs are left out, so that the same request gives the same
    manifest.

    Args:
        arguments: of the command; by default this process's.
    """
    words, given = ["vpr-edge"], iter(sys.argv[1:] if arguments is None else arguments)
    for word in given:
        if word == _WHERE:
            next(given, None)
        elif not word.startswith(f"{_WHERE}=") and word not in _LEFT_OUT:
            option, equals, value = word.rpartition("=")
            words.append(f"{option}{equals}{Path(value).name or value}")
    return shlex.join(words)
