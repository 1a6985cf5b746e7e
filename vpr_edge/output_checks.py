"""What `--overwrite` may replace: files and folders that vpr-edge wrote, and nothing else.

Asked before any work is done, so that a refusal costs nobody an hour of training.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vpr_edge.errors import OutputError

MANIFEST = "manifest.json"
"""Marks a folder as ours and lists its files; every folder that is written has one."""
_REPOSITORIES = (".git", ".hg", ".svn")
_MOUNTS = Path("/proc/self/mountinfo")
# How a file of each kind begins, as a regular expression of its first bytes.
_BEGINNINGS = {
    ".safetensors": rb".{8}\{",
    ".png": rb"\x89PNG\r\n",
    ".parquet": rb"PAR1",
    ".json": rb'\{\s*"rows"',
    ".html": rb"(?i)\s*<!doctype html.*<title>vpr-edge",
    ".md": rb"# vpr-edge",
    ".csv": rb"artefact,device,",
}
_LONGEST_BEGINNING = 512


def check_file(target: Path, overwrite: bool, kind: str = "", instead: str = "--overwrite") -> None:
    """Refuse a file that may not be written.

    Args:
        target: the file.
        overwrite: whether a file that exists may be replaced.
        kind: suffix of what is to be written, such as ".png", where `target` may have another;
            what is replaced must be of that kind.
        instead: the options that let a file that exists be written to.

    Raises:
        OutputError: something is there that is to be kept: a folder, a device, a file of another
            kind, or any file if `overwrite` is false.
    """
    if not target.exists():
        return
    if target.is_dir():
        raise OutputError(f"{target} is a folder; choose a file's name as --output.")
    if not target.is_file():
        raise OutputError(f"{target} is no ordinary file; choose another --output.")
    if not overwrite:
        raise OutputError(f"{target} exists already; pass {instead} or choose another --output.")
    if begins := _BEGINNINGS.get(kind or target.suffix):
        with target.open("rb") as stream:
            found = stream.read(_LONGEST_BEGINNING)
        # An empty file holds nothing that could be lost.
        if found and not re.match(begins, found, re.DOTALL):
            raise OutputError(
                f"{target} exists already and is no {(kind or target.suffix)[1:]} file that "
                "vpr-edge wrote; choose another --output."
            )


def check_folder(target: Path, overwrite: bool) -> None:
    """Refuse a folder that may not be written.

    Args:
        target: the folder.
        overwrite: whether a folder that vpr-edge wrote may be replaced.

    Raises:
        OutputError: something is there that is to be kept: a file, a folder without a manifest of
            ours, one that holds more than outputs can (a home, a repository, the working
            directory, a mount point), or any folder if `overwrite` is false.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"{target} is a file; choose a folder's name as --output.")
    if reason := _protected(target.resolve()):
        raise OutputError(f"{target} is {reason} and is never replaced; choose another --output.")
    if read_manifest(target) is None:
        raise OutputError(
            f"{target} exists already and has no {MANIFEST} that says vpr-edge made it; choose "
            "another --output, or remove it yourself."
        )
    if not overwrite:
        raise OutputError(f"{target} exists already; pass --overwrite or choose another --output.")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest that marks a folder as ours; None where there is none."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("files"), Mapping):
        return None
    return found if str(found.get("tool", "")).startswith("vpr-edge ") else None


def _protected(folder: Path) -> str:
    """What a folder is that no command replaces, whatever it holds; "" for the others."""
    here, home = Path.cwd(), Path.home()
    if folder == Path(folder.anchor):
        return "the root of the file system"
    if folder == here or folder in here.parents:
        return "the working directory or above it"
    if folder == home.resolve() or folder in home.resolve().parents:
        return "a home or above it"
    if any((folder / name).exists() for name in _REPOSITORIES):
        return "the root of a repository"
    if os.path.ismount(folder) or any(p == folder or folder in p.parents for p in _mounts()):
        return "a mount point or above one"
    return ""


def _mounts() -> list[Path]:
    """The mount points of this process, those of bind mounts too; none where Linux is not."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    # The fifth field of a line, with blanks and the like as octal escapes (proc(5)).
    fields = (line.split(" ")[4] for line in lines if line.count(" ") > 4)
    return [Path(re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), field)) for field in fields]
