"""Nothing of the user's is lost: what --overwrite refuses, keeps, and leaves when it is killed."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vpr_edge.benchmarks.results import KeptRun, Results, Run, read_results, results_writer
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import OutputError
from vpr_edge.files import atomic_file, atomic_folder, file_list, sole_writer
from vpr_edge.output_checks import check_file, check_folder, read_manifest

posix = pytest.mark.skipif(os.name != "posix", reason="kills and flock are POSIX's")


def write(folder: Path, files: dict[str, str], overwrite: bool = False) -> None:
    with atomic_folder(folder, overwrite) as scratch:
        for name, text in files.items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "path, reason",
    [
        ("/", "root of the file system"),
        (".", "working directory"),
        ("..", "working directory"),
        ("~", "home"),
        ("/proc", "mount point"),
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_folders_that_hold_more_than_outputs_are_refused(
    path: str, reason: str, overwrite: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The home must be no parent of the working directory, or that would be the reason.
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    folder = Path(path).expanduser()
    if not folder.is_dir() or (reason == "mount point" and not os.path.ismount(folder)):
        pytest.skip(f"{folder} is none here")
    with pytest.raises(OutputError, match=rf"{reason}.*never replaced; choose another --output"):
        check_folder(folder, overwrite)


def test_a_repository_is_refused_even_with_a_manifest_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "out", {"model.c": "ours"})
    (tmp_path / "out" / ".git").mkdir()
    with pytest.raises(OutputError, match="root of a repository"):
        check_folder(tmp_path / "out", True)


@pytest.mark.parametrize(
    "manifest", [None, "", "[]", '{"files": []}', '{"files": {}, "tool": "npm"}', "[" * 10**5]
)
def test_a_folder_that_we_did_not_make_is_refused(tmp_path: Path, manifest: str | None) -> None:
    folder = tmp_path / "src"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years")
    if manifest is not None:
        (folder / "manifest.json").write_text(manifest)
    with pytest.raises(OutputError, match=r"no manifest\.json that says vpr-edge made it"):
        write(folder, {"model.c": "new"}, overwrite=True)
    assert read(folder) == {"thesis.tex": "years"}
    assert names(tmp_path) == ["src"]


def test_a_file_is_not_replaced_by_a_folder_nor_a_folder_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(OutputError, match="is a file; choose a folder's name"):
        write(tmp_path / "notes", {"model.c": "new"}, overwrite=True)
    write(tmp_path / "out", {"a": "1"})
    with pytest.raises(OutputError, match="is a folder; choose a file's name"):
        check_file(tmp_path / "out", True)


@pytest.mark.parametrize(
    "kind", [".safetensors", ".png", ".json", ".html", ".md", ".csv", ".parquet"]
)
def test_a_file_of_another_kind_is_not_replaced(tmp_path: Path, kind: str) -> None:
    for name in ("diary", f"diary{kind}"):
        (tmp_path / name).write_text("Dear diary, ...")
        with pytest.raises(OutputError, match=rf"no {kind[1:]} file that vpr-edge wrote"):
            check_file(tmp_path / name, True, kind)
    with (
        pytest.raises(OutputError, match="that vpr-edge wrote"),
        atomic_file(tmp_path / f"diary{kind}"),
    ):
        pass


@posix
def test_a_device_is_not_replaced() -> None:
    with pytest.raises(OutputError, match="no ordinary file"):
        check_file(Path("/dev/null"), True)


def test_what_the_user_added_and_changed_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {"model.c": "1", "model.h": "1", "gone.c": "1", "edited.c": "1", "src/a.c": "1"})
    (out / "notes.txt").write_text("mine")
    (out / "src" / "mine").mkdir()
    (out / "src" / "mine" / "b.c").write_text("mine")
    (out / "src" / "empty").mkdir()
    (out / "model.h").write_text("changed by hand")
    (out / "edited.c").write_text("changed by hand")
    (out / "new.c").write_text("mine, of a name that the next version writes")
    (out / "folder").mkdir()
    (out / "folder" / "c").write_text("mine")
    (out / "link").symlink_to("notes.txt")
    for again in range(3):
        files = {"model.c": "2", "model.h": "2", "new.c": "2", "src/a.c": "2", "folder": "2"}
        write(out, files, overwrite=True)
        assert read(out) == files | {
            "notes.txt": "mine",
            "link": "mine",
            "src/mine/b.c": "mine",
            "model.h.kept": "changed by hand",
            "edited.c": "changed by hand",
            "new.c.kept": "mine, of a name that the next version writes",
            "folder.kept/c": "mine",
        }, again
        assert (out / "src" / "empty").is_dir()
        assert (out / "link").is_symlink()
        assert names(tmp_path) == ["out"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "disk" / "out", {"a": "1"})
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    write(tmp_path / "out", {"a": "2"}, overwrite=True)
    assert (tmp_path / "out").is_symlink()
    assert read(tmp_path / "disk" / "out") == {"a": "2"}


def test_every_folder_lists_its_files_with_their_sha256(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as scratch:
        (scratch / "deep").mkdir()
        (scratch / "deep" / "a").write_text("abc")
        (scratch / "manifest.json").write_text('{"tool": "vpr-edge 0", "macs": 5}')
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert found["macs"] == 5 and found["files"] == file_list(tmp_path / "out")
    assert found["files"]["deep/a"]["sha256"].startswith("ba7816bf")


# Writes a folder anew, and is killed just before its n-th step on the file system.
_WRITER = textwrap.dedent(
    """
    import os, sys, signal
    import vpr_edge.swap
    from pathlib import Path
    from vpr_edge.files import atomic_folder

    target, exchange = Path(sys.argv[1]), sys.argv[4]
    at, number = map(int, sys.argv[2:4])
    if exchange == "no":  # as on a system that has no renameat2
        vpr_edge.swap._exchange = lambda one, other: False
    STEPS = ("open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "ctypes.dlsym")
    steps = 0

    def watch(event, arguments):
        global steps
        if event in STEPS and "writing-vpr-edge" in str(arguments) or event == "ctypes.dlsym":
            steps += 1
            if steps == at:
                os.kill(os.getpid(), number)

    sys.addaudithook(watch)
    with atomic_folder(target, overwrite=True) as scratch:
        for name in ("a", "b", "c"):
            (scratch / name).write_text("new")
    print(steps)
    """
)


def _whole(out: Path) -> bool:
    texts = {text for name, text in read(out).items() if name != "notes.txt"}
    listed = (read_manifest(out) or {})["files"]
    return texts in ({"old"}, {"new"}) and file_list(out) == listed | {
        "notes.txt": file_list(out)["notes.txt"]
    }


def _killed_writer(out: Path, at: int, number: int, exchange: str) -> "subprocess.CompletedProcess":
    command = [sys.executable, "-c", _WRITER, str(out), str(at), str(number), exchange]
    return subprocess.run(command, capture_output=True, text=True)


@posix
@pytest.mark.parametrize("exchange", ["yes", "no"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_leaves_nothing(
    tmp_path: Path, exchange: str, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    write(out, {name: "old" for name in ("a", "b", "c")})
    (out / "notes.txt").write_text("mine")
    steps = int(_killed_writer(out, 0, number, exchange).stdout)
    # All of them take long; every third, and those around the swap, which come last.
    for at in sorted({*range(1, steps, max(1, steps // 6)), *range(max(1, steps - 9), steps + 1)}):
        write(out, {name: "old" for name in ("a", "b", "c")}, overwrite=True)
        done = _killed_writer(out, at, number, exchange)
        assert done.returncode != 0
        if exchange == "yes":
            assert _whole(out)
        with pytest.raises(ZeroDivisionError), atomic_folder(out, overwrite=True):
            raise ZeroDivisionError  # a run that fails mends, too
        assert _whole(out)
        assert (out / "notes.txt").read_text() == "mine"
        assert names(tmp_path) == ["out"]


@posix
def test_another_output_s_leftovers_are_swept(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a": "old"})
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert _killed_writer(tmp_path / "out", 6, signal.SIGKILL, "yes").returncode < 0
    assert len(names(tmp_path)) == 3
    with atomic_file(tmp_path / "other.txt") as scratch:
        scratch.write_text("x")
    assert names(tmp_path) == ["other.txt", "out"]


@posix
def test_a_second_writer_is_refused_and_the_first_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, {"a": "old"})
    with atomic_folder(out, overwrite=True) as scratch:
        (scratch / "a").write_text("first")
        second = _killed_writer(out, 0, signal.SIGKILL, "yes")
        assert f"another vpr-edge is writing {out}; wait for it" in second.stderr
    assert read(out) == {"a": "first"}
    assert names(tmp_path) == ["out"]


_APPENDER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from vpr_edge.benchmarks.results import KeptRun, Run
    from vpr_edge.benchmarks.rows import Row

    kept = KeptRun(Path(sys.argv[1]), append=True)
    for count in range(1, 6):
        rows = [Row(sys.argv[2], "", "", f"m{n}", n, "count", "static") for n in range(count)]
        kept.keep(Run(time="now", command=sys.argv[2], rows=tuple(rows)))
    """
)


@posix
def test_appending_at_once_loses_no_run(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    results_writer(path)(Results((Run(command="first", rows=(_row(),)),)))
    every = [
        subprocess.Popen([sys.executable, "-c", _APPENDER, str(path), f"writer {number}"])
        for number in range(4)
    ]
    assert [one.wait() for one in every] == [0] * 4
    found = {run.command: len(run.rows) for run in read_results(path).runs}
    assert found == {"first": 1} | {f"writer {number}": 5 for number in range(4)}
    assert len(read_results(path).runs) == 5
    assert names(tmp_path) == ["bench.json"]


def test_a_run_that_does_not_append_replaces_all_and_then_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    results_writer(path)(Results((Run(command="old", rows=(_row(),)),)))
    with sole_writer(path):
        kept = KeptRun(path, append=False)
        kept.keep(Run(command="new"))
        kept.keep(Run(command="new", rows=(_row(),)))
    assert [(run.command, len(run.rows)) for run in read_results(path).runs] == [("new", 1)]


def test_a_full_disk_keeps_the_old_folder(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a": "old"})
    with (
        pytest.raises(OutputError, match="the disk is full"),
        atomic_folder(tmp_path / "out", overwrite=True) as scratch,
    ):
        (scratch / "a").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert read(tmp_path / "out") == {"a": "old"}
    assert names(tmp_path) == ["out"]


def _row() -> Row:
    return Row("nano", "", "", "macs", 1, "count", "static")
