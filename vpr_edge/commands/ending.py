"""How errors and interruptions end a command."""

import sys
from collections.abc import Callable
from typing import Any

import click

from vpr_edge.errors import VprEdgeError
from vpr_edge.escapes import for_terminal
from vpr_edge.extras import install_extra

USER_ERROR = 2
INTERRUPTED = 130
LEARNING = ("torch", "lightning_fabric", "tensorboard")
"""The packages of the extra [train]."""


def say(text: str) -> None:
    """A sentence on the standard error stream, whatever names from files stand in it."""
    click.echo(f"vpr-edge: {for_terminal(text)}", err=True)


def run_command(command: Callable[..., Any]) -> None:
    """Run the command line: what a user can mend is one sentence and exit 2, Ctrl-C is exit 130.

    That is every `VprEdgeError`, and a missing package of the extra [train].
    """
    try:
        command(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(USER_ERROR)
    except VprEdgeError as error:
        say(str(error))
        sys.exit(USER_ERROR)
    except ModuleNotFoundError as error:
        if error.name not in LEARNING:
            raise
        say(
            f"this command needs the package {error.name}, which is not installed; "
            f"{install_extra('train')}"
        )
        sys.exit(USER_ERROR)
    except (click.Abort, KeyboardInterrupt):
        say("interrupted; what was finished is kept.")
        sys.exit(INTERRUPTED)
