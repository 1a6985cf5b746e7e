"""One writer at a time for an output, and a swap that a kill at any moment leaves whole.

Beside an output `NAME` stand, while it is written, `.writing-vpr-edge-NAME.lock`, held by flock,
and the folder `.writing-vpr-edge-NAME` with `new` (what is being written) and, where the system
cannot exchange two names in one step, for an instant `old` (what was there). A process that dies
lets go of its lock, so whatever stands under a lock that can be had is left over: the next writer
in that folder puts `old` back where nothing took its place, and removes the rest.
"""

import ctypes
import errno
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vpr_edge.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows: two processes at once are not told apart there.
    fcntl = None  # type: ignore[assignment]

PREFIX = ".writing-vpr-edge-"
_LOCK = ".lock"
# Another writer may hold a lock for the moment in which it sweeps; a writer of the same output
# holds it longer.
_TRIES, _PAUSE_S = 20, 0.05
_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_held: dict[Path, int] = {}


@contextmanager
def claimed(target: Path) -> Iterator[Path]:
    """Yield the empty folder in which `target`, a resolved path, is made; nobody else writes it.

    Raises:
        OutputError: another process writes `target`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target):
        _sweep(target)
        work = _work(target)
        try:
            (work / "new").mkdir(parents=True)
            yield work / "new"
        finally:
            _recover(target)


@contextmanager
def locked(target: Path, wait: bool = False) -> Iterator[None]:
    """Hold the lock of `target`, a resolved path; within one process it may be held twice.

    Args:
        target: what is to be written; its parent folder exists.
        wait: whether to wait for as long as another process holds it.

    Raises:
        OutputError: another process writes `target`, and `wait` is false.
    """
    if fcntl is None or _held.get(target):
        yield
        return
    path = target.with_name(f"{PREFIX}{target.name}{_LOCK}")
    descriptor = _acquire(path, target, _TRIES, wait)
    _held[target] = 1
    try:
        yield
    finally:
        # Removed while it is held: who waits for it finds another file, or none, in its place.
        del _held[target]
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def swap(new: Path, target: Path) -> Path:
    """Put the folder `new` in the place of the folder `target`.

    Returns:
        Where that folder is now, to be removed.
    """
    if _exchange(new, target):
        return new
    old = new.with_name("old")
    target.rename(old)
    new.rename(target)
    return old


def _acquire(path: Path, target: Path, tries: int, wait: bool = False) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError as error:
            tries -= 1
            if tries <= 0:
                os.close(descriptor)
                raise OutputError(
                    f"another vpr-edge is writing {target}; wait for it, or choose another "
                    "--output."
                ) from error
            time.sleep(_PAUSE_S)
        except FileNotFoundError:
            pass  # its holder removed it; another must be made
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return descriptor
            os.close(descriptor)
            raise
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _sweep(target: Path) -> None:
    """Mend and remove what writers that were killed left in the folder of `target`."""
    _recover(target)
    names = {
        entry.name.removeprefix(PREFIX).removesuffix(_LOCK)
        for entry in os.scandir(target.parent)
        if entry.name.startswith(PREFIX)
    }
    for other in sorted(target.with_name(name) for name in names - {target.name, ""}):
        if _held.get(other) or fcntl is None:
            continue
        lock = target.with_name(f"{PREFIX}{other.name}{_LOCK}")
        with suppress(OSError, OutputError):
            descriptor = _acquire(lock, other, 1)
            try:
                _recover(other)
                lock.unlink()
            finally:
                os.close(descriptor)


def _work(target: Path) -> Path:
    return target.with_name(f"{PREFIX}{target.name}")


def _recover(target: Path) -> None:
    """Put back what was renamed aside, if nothing took its place, and remove the rest."""
    work = _work(target)
    if not os.path.lexists(target) and os.path.lexists(work / "old"):
        (work / "old").rename(target)
    shutil.rmtree(work, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (Linux's renameat2); False where that is not to be had."""
    if not sys.platform.startswith("linux"):
        return False
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    paths = (os.fsencode(one), os.fsencode(other))
    done = function(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_RENAME_EXCHANGE))
    return bool(done == 0)
