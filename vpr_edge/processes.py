"""Programs that are run (compilers, emulators, the oracle) and that end when their caller does.

Each runs in a process group with a shell that waits for its standard input to end: when the block
is left, and just so when this process is killed, whatever is left of the group is killed with it,
the compiler behind a compiler's driver too. (PR_SET_PDEATHSIG would reach the driver alone.)
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from vpr_edge.scratch import ScratchFolder

_WATCHER = ("/bin/sh", "-c", "read _; kill -KILL 0")


@contextmanager
def process_group() -> Iterator[int | None]:
    """Yield the group to start processes in (`process_group=`); None where there are none.

    Ctrl-C does not reach a group of its own: it ends the block, and that the group.
    """
    if not os.path.exists(_WATCHER[0]):
        yield None
        return
    watcher = subprocess.Popen(
        _WATCHER,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        yield watcher.pid
    finally:
        assert watcher.stdin
        watcher.stdin.close()
        watcher.wait()


def run(command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
    """`subprocess.run` with the output captured, for a program that must not outlive this one.

    Its temporary files go when it ends, too.

    Args:
        command: the program and its arguments.
        options: of `subprocess.run`.

    Raises:
        OSError, subprocess.TimeoutExpired: as there.
    """
    if "input" not in options:
        options = {"stdin": subprocess.DEVNULL} | options
    with ExitStack() as stack:
        folder = stack.enter_context(ScratchFolder("run"))
        environment = dict(options.pop("env", os.environ)) | {"TMPDIR": str(folder)}
        group = stack.enter_context(process_group())
        return subprocess.run(
            command,
            capture_output=True,
            env=environment,
            process_group=group,
            check=False,
            **options,
        )
