"""Temporary folders that do not outlive the process that made them, even when it is killed."""

import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves is left to the system there.
    fcntl = None  # type: ignore[assignment]

PREFIX = "vpr-edge-"
_LOCK, _WORK = ".lock", "work"


class ScratchFolder:
    """A folder among the system's temporary ones; a context that yields its path.

    It is removed at the end of the context, when the object goes, or at the exit of the process;
    what processes that were killed left is removed when the next one is made.

    Attributes:
        path: of the folder.
    """

    def __init__(self, what: str) -> None:
        """Make the folder; `what` is part of its name."""
        _sweep()
        self._outer = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{what}-")
        outer = Path(self._outer.name)
        if fcntl is not None:
            lock = os.open(outer / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            weakref.finalize(self, os.close, lock)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.path = outer / _WORK
        self.path.mkdir()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self._outer.cleanup()


def _sweep() -> None:
    """Remove the folders whose locks nobody holds."""
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            # Of another user: it cannot be opened, or the folder not be changed.
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (folder / _WORK).is_dir() and folder.stat().st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
