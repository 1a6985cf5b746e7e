"""What is run ends with its caller, and what a killed caller leaves is swept."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from vpr_edge.processes import run
from vpr_edge.scratch import ScratchFolder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and flock are POSIX's")

# Runs a shell whose child lives on, as a compiler's driver and its compiler; tells both ids.
_CALLER = textwrap.dedent(
    """
    import sys
    from vpr_edge.processes import run
    run(["/bin/sh", "-c", "sleep 600 & echo $$ $! $TMPDIR > {told}; wait"])
    """
)


def _start(tmp_path: Path) -> tuple["subprocess.Popen[str]", list[psutil.Process], Path]:
    told = tmp_path / "told"
    os.mkfifo(told)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    caller = subprocess.Popen(
        [sys.executable, "-c", _CALLER.format(told=told)],
        env=os.environ | {"TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    driver, compiler, folder = told.read_text().split()
    assert Path(folder).is_dir() and temporary in Path(folder).parents
    return caller, [psutil.Process(int(driver)), psutil.Process(int(compiler))], temporary


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_and_their_children_end_with_their_caller(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, processes, temporary = _start(tmp_path)
    with caller:
        caller.send_signal(number)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with ScratchFolder("next") as folder:
        assert [path.name for path in temporary.iterdir()] == [folder.parent.name]
    assert list(temporary.iterdir()) == []


def test_a_folder_in_use_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "vpr-edge-mine").mkdir()
    (tmp_path / "vpr-edge-mine" / "work").mkdir()
    with ScratchFolder("first") as first:
        with ScratchFolder("second"):
            pass
        assert first.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["vpr-edge-mine"]


def test_a_program_past_its_time_is_killed_with_its_children(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with pytest.raises(subprocess.TimeoutExpired):
        run(["/bin/sh", "-c", f"sleep 600 & echo $! > {told}; wait"], timeout=1)
    if psutil.pid_exists(int(told.read_text())):
        assert psutil.Process(int(told.read_text())).status() == psutil.STATUS_ZOMBIE


def test_what_it_said_and_its_status_are_given(tmp_path: Path) -> None:
    done = run(["/bin/sh", "-c", "cat; echo no >&2; exit 3"], input="yes", text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "yes", "no\n")
