"""What became of an export: its files against their SHA-256, its golden vectors, its tools."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any, Literal

from vpr_edge import __version__
from vpr_edge.errors import DataError, ToolMissingError
from vpr_edge.files import sha256
from vpr_edge.firmware_bridge.compile.host import FLAGS, host_compiler
from vpr_edge.output_checks import MANIFEST, read_manifest
from vpr_edge.processes import run as run_program
from vpr_edge.scratch import ScratchFolder

SELFTEST_SECONDS = 300.0
"""For the compiler, and for the self-test; a large network on a slow machine takes seconds."""
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")

_MAIN = """\
#include <stdint.h>
#include <stdio.h>

#include "{name}.h"
#include "{name}_selftest.h"

static uint8_t memory[{macro}_ARENA_SIZE + {macro}_ARENA_ALIGNMENT];

int main(void)
{{
    const uintptr_t start = (uintptr_t)memory + {macro}_ARENA_ALIGNMENT - 1;
    void *arena = memory + (start - start % {macro}_ARENA_ALIGNMENT - (uintptr_t)memory);
    printf("%ld\\n", {name}_selftest(arena, {macro}_ARENA_SIZE));
    return 0;
}}
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked into.

    Attributes:
        verdict: "right"; "wrong" where the export is not what it was; "note" for what is only to
            be known: a file that was added, another version, a check that could not be made.
        subject: the file, or what else it is about.
        sentence: what was found.
    """

    verdict: Literal["right", "wrong", "note"]
    subject: str
    sentence: str


def verify(folder: Path, run: bool = True) -> tuple[Finding, ...]:
    """Check an export again.

    Args:
        folder: that vpr-edge wrote.
        run: whether C in it is compiled and run, if it has golden vectors.

    Raises:
        DataError: the folder has no manifest of ours.
    """
    papers = read_manifest(folder)
    if papers is None:
        raise DataError(
            f"{folder} has no {MANIFEST} that says vpr-edge made it; give the folder that an "
            "export wrote."
        )
    found = [*_files(folder, papers["files"]), *_versions(papers)]
    for path in sorted(folder.rglob(MANIFEST)):
        inner = read_manifest(path.parent) or {}
        if run and isinstance(inner.get("golden"), Mapping):
            found.append(_selftest(path.parent, inner))
    return tuple(found)


def _files(folder: Path, listed: Mapping[str, Any]) -> Iterator[Finding]:
    here = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    for name, entry in listed.items():
        wanted = entry.get("sha256") if isinstance(entry, Mapping) else None
        if name not in here:
            yield Finding("wrong", name, "is missing")
        elif sha256(here[name]) != wanted:
            yield Finding("wrong", name, "was changed: it has another SHA-256")
        else:
            yield Finding("right", name, "is as it was written")
    for name in here.keys() - listed.keys():
        yield Finding("note", name, "was added")


def _versions(papers: Mapping[str, Any]) -> Iterator[Finding]:
    golden = papers.get("golden")
    oracle = golden.get("oracle", "") if isinstance(golden, Mapping) else ""
    for made_by in (papers.get("tool", ""), oracle):
        name, _, version = str(made_by).partition(" ")
        now = _installed(name)
        if version and version != now:
            yield Finding(
                "note", name, f"was {version} when this was made, and is {now or 'absent'} here"
            )


def _installed(name: str) -> str | None:
    try:
        return __version__ if name == "vpr-edge" else metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _selftest(folder: Path, papers: Mapping[str, Any]) -> Finding:
    """Compile the C of a folder and run its golden vectors."""
    name, subject = str(papers.get("name", "")), "golden vectors"
    sources = [folder / file for file in papers["files"] if re.fullmatch(r"(src/)?\w+\.c", file)]
    if papers.get("backend", "portable") != "portable":
        return Finding("note", subject, "were not run: the C calls a library of your firmware")
    if not _IDENTIFIER.fullmatch(name) or not all(path.is_file() for path in sources):
        return Finding("wrong", subject, "cannot be run: C of the export is missing")
    try:
        compiler = host_compiler()
    except ToolMissingError as error:
        return Finding("note", subject, f"were not run: {error}")
    with ScratchFolder("verify") as scratch:
        program = scratch / "selftest"
        main = scratch / "main.c"
        main.write_text(_MAIN.format(name=name, macro=name.upper()))
        include = f"-I{sources[0].parent.resolve()}"
        inputs = [str(path.resolve()) for path in (main, *sources)]
        try:
            built = run_program(
                [*compiler, *FLAGS, include, *inputs, "-o", str(program), "-lm"],
                timeout=SELFTEST_SECONDS,
            )
            if built.returncode:
                return Finding("wrong", subject, "cannot be run: the C does not compile")
            done = run_program([str(program)], timeout=SELFTEST_SECONDS, cwd=scratch, text=True)
        except TimeoutExpired:
            return Finding("wrong", subject, f"did not end within {SELFTEST_SECONDS:g} s")
    count = papers["golden"].get("vectors")
    if done.returncode or done.stdout.strip() != "0":
        different = done.stdout.strip() or f"exit status {done.returncode}"
        return Finding("wrong", subject, f"differ in output bytes ({different})")
    return Finding("right", subject, f"({count}) come out to the last bit")
