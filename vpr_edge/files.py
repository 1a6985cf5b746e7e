"""Writing results so that an output either exists whole or not at all."""

import errno
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vpr_edge.errors import OutputError


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full; free some space or choose another --output"
        else:
            reason = f"{error.strerror or error}; choose another --output"
        raise OutputError(f"{target} could not be written: {reason}.") from error


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; pass --overwrite or choose another --output.")


@contextmanager
def atomic_file(target: Path, overwrite: bool = True) -> Iterator[Path]:
    """Yield a scratch path beside `target`; move it there when the block succeeds.

    Args:
        target: the file to write; its parent folder is made.
        overwrite: whether a file that exists may be replaced.

    Raises:
        OutputError: the file exists and `overwrite` is false, or writing failed (full disk).
    """
    _refuse_existing(target, overwrite)
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
        try:
            yield scratch / target.name
            (scratch / target.name).replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def atomic_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a scratch folder beside `target`; it becomes `target` when the block succeeds.

    Args:
        target: the folder to write.
        overwrite: whether a folder that exists may be replaced (whole, not merged).

    Raises:
        OutputError: the folder exists and `overwrite` is false, or writing failed (full disk).
    """
    _refuse_existing(target, overwrite)
    with _explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".writing-{target.name}-", dir=target.parent))
        scratch.chmod(0o755)
        try:
            yield scratch
            if target.is_dir():
                shutil.rmtree(target)
            elif target.exists():
                target.unlink()
            scratch.replace(target)
        except OutputError as error:
            # An inner file could not be written: name the place where it was to be.
            raise OutputError(str(error).replace(str(scratch), str(target))) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a closing newline."""
    path.write_text(json.dumps(value, indent=2) + "\n")
