"""The one writer of every command: an output exists whole or not at all, and nothing is lost.

A folder that is written ends with `manifest.json`, which marks it as ours and lists its files. One
that is replaced keeps whatever that list does not have, or has with another SHA-256: what a user
added or changed.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from vpr_edge import __version__
from vpr_edge.errors import OutputError
from vpr_edge.output_checks import MANIFEST, check_file, check_folder, read_manifest
from vpr_edge.swap import claimed, locked, swap


@contextmanager
def atomic_file(target: Path, overwrite: bool = True) -> Iterator[Path]:
    """Yield a scratch path beside `target`; move it there when the block succeeds.

    Args:
        target: the file to write; its parent folder is made.
        overwrite: whether a file that exists may be replaced, if it is of this kind.

    Raises:
        OutputError: the file exists and is to be kept, another process writes it, or writing
            failed (full disk).
    """
    check_file(target, overwrite)
    real = target.resolve()
    with _explained(target), claimed(real) as scratch:
        check_file(target, overwrite)
        yield scratch / real.name
        (scratch / real.name).replace(real)


@contextmanager
def atomic_folder(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a scratch folder beside `target`; it becomes `target` when the block succeeds.

    The block may write `manifest.json`; its list of files is made here.

    Args:
        target: the folder to write.
        overwrite: whether a folder that vpr-edge wrote may be replaced; files in it that are not
            ours are kept, as NAME.kept where a new file has their name.

    Raises:
        OutputError: the folder exists and is to be kept, another process writes it, or writing
            failed (full disk).
    """
    check_folder(target, overwrite)
    real = target.resolve()
    with _explained(target), claimed(real) as scratch:
        check_folder(target, overwrite)
        try:
            yield scratch
        except OutputError as error:
            # An inner file could not be written: name the place where it was to be.
            raise OutputError(str(error).replace(str(scratch), str(target))) from error
        _mark(scratch)
        if not real.is_dir():
            scratch.rename(real)
            return
        _keep_users_files(real, scratch)
        old = swap(scratch, real)
        # Once more, for what was put there meanwhile.
        _keep_users_files(old, real)


@contextmanager
def sole_writer(target: Path, wait: bool = False) -> Iterator[None]:
    """Let no other process write an output meanwhile, as while it is read, changed and written.

    Args:
        target: the output; its parent folder is made.
        wait: for another process that writes it, instead of refusing.

    Raises:
        OutputError: another process writes it, or its folder cannot be written.
    """
    real = target.resolve()
    with ExitStack() as stack:
        with _explained(target):
            real.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(real, wait))
        yield


def file_list(folder: Path) -> dict[str, dict[str, Any]]:
    """SHA-256 and bytes of every file in a folder but its manifest, by its path there."""
    return {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with a closing newline."""
    path.write_text(json.dumps(value, indent=2) + "\n")


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


def _mark(folder: Path) -> None:
    """Write the list of files into the manifest, or a manifest of nothing else."""
    path = folder / MANIFEST
    papers = json.loads(path.read_text()) if path.is_file() else {}
    tool = {"tool": f"vpr-edge {__version__}"}
    write_json(path, tool | papers | {"files": file_list(folder)})


def _keep_users_files(old: Path, new: Path) -> None:
    """Bring what is not ours from an old folder into the new one, by links: both stay whole.

    Doing it twice changes nothing.
    """
    listed = (read_manifest(old) or {"files": {}})["files"]
    for parent, folders, files in os.walk(old):
        inside = Path(parent).relative_to(old)
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in (*files, *links):
            path = inside / name
            if path != Path(MANIFEST) and not _is_ours(old / path, listed.get(path.as_posix())):
                _bring(old / path, new, path)
        if not files and not folders and not _has_listed(inside, listed):
            _free_place(None, new, inside).mkdir(parents=True, exist_ok=True)


def _is_ours(path: Path, entry: Any) -> bool:
    """Whether a file still is what the manifest's entry says."""
    return (
        isinstance(entry, Mapping)
        and not path.is_symlink()
        and path.is_file()
        and entry.get("bytes") == path.stat().st_size
        and entry.get("sha256") == sha256(path)
    )


def _has_listed(folder: Path, listed: Mapping[str, Any]) -> bool:
    return any(folder in Path(name).parents for name in listed)


def _bring(source: Path, new: Path, path: Path) -> None:
    place = _free_place(source, new, path)
    if os.path.lexists(place):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:
        # The file system has no hard links.
        shutil.copy2(source, place, follow_symlinks=False)


def _free_place(source: Path | None, new: Path, path: Path) -> Path:
    """Where a user's file, or with None a folder, goes: to `path`, or beside what is new there."""
    place = new
    for part in path.parts[:-1] if source else path.parts:
        place /= part
        while os.path.lexists(place) and not place.is_dir():
            place = place.with_name(f"{place.name}.kept")
    if source:
        place /= path.name
        while os.path.lexists(place) and not _same(source, place):
            place = place.with_name(f"{place.name}.kept")
    return place


def _same(one: Path, other: Path) -> bool:
    """Whether two names are of one file, or of a file and the copy that was brought of it."""
    a, b = one.lstat(), other.lstat()
    copied = (a.st_mode, a.st_size, a.st_mtime_ns) == (b.st_mode, b.st_size, b.st_mtime_ns)
    return os.path.samestat(a, b) or copied
