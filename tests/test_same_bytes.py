"""The same checkpoint gives the same bytes, wherever and however it is exported."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from vpr_edge.command_line import recorded_command
from vpr_edge.files import file_list, sha256
from vpr_edge.models.checkpoint import find_checkpoint

# Exports to every target and writes a map of pictures that the network described.
_SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path

    import numpy as np

    from vpr_edge.cli import cli
    from vpr_edge.benchmarks.tasks.evaluate import describer
    from vpr_edge.runtimes.choose import open_runtime
    from vpr_edge.places.device_map import build_device_map, write_device_map

    checkpoint, output = sys.argv[1:]
    for target in ("c-array", "firmware"):
        # Hands the command what it would be given on the command line.
        words = ["export", checkpoint, "--target", target, "--name", "net", "--golden", "1"]
        sys.argv[1:] = [*words, "--output", f"{output}/{target}"]
        cli(standalone_mode=False)
    sys.argv[1:] = ["export", "nano", "--target", "onnx", f"--output={output}/float"]
    cli(standalone_mode=False)
    describe = describer(open_runtime(Path(output, "c-array", "net.tflite"), "tflm"))
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (120, 160, 3), np.uint8) for _ in range(3)]
    found = build_device_map(np.stack([describe(one) for one in pictures]), labels=("a", "b", "c"))
    write_device_map(found, Path(output, "map"))
    """
)


def _exported(folder: Path, checkpoint: str, here: Path, threads: int, seed: int) -> Path:
    here.mkdir(parents=True, exist_ok=True)
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, checkpoint, str(folder)],
        cwd=here,
        env=os.environ
        | dict.fromkeys(variables, str(threads))
        | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_folders_threads_hash_seeds_and_working_directories_leave_no_trace(tmp_path: Path) -> None:
    shipped = find_checkpoint("nano-int8")
    copied = tmp_path / "elsewhere" / shipped.name
    copied.parent.mkdir()
    copied.write_bytes(shipped.read_bytes())
    first = _exported(tmp_path / "first", str(shipped), tmp_path, threads=1, seed=1)
    second = _exported(tmp_path / "deep" / "second", copied.name, copied.parent, threads=3, seed=2)
    one, other = file_list(first), file_list(second)
    assert {Path(name).suffix for name in one} >= {".onnx", ".tflite", ".c", ".h", ".json"}
    assert "map/map.c" in one and len([name for name in one if "manifest.json" in name]) == 3
    assert one == other
    assert all(
        sha256(first / part / "manifest.json") == sha256(second / part / "manifest.json")
        for part in ("c-array", "firmware", "float")
    )


@pytest.mark.parametrize(
    "words",
    [
        ["export", "/home/me/nano.safetensors", "--output", "/x/y", "--target", "c"],
        ["export", "nano.safetensors", "--target", "c", "--output=out", "--overwrite"],
        ["export", "./nano.safetensors", "--overwrite", "--target", "c"],
    ],
)
def test_a_recorded_command_says_what_and_not_where(words: list[str]) -> None:
    assert recorded_command(words) == "vpr-edge export nano.safetensors --target c"


def test_a_recorded_command_is_quoted_for_a_shell() -> None:
    words = ["export", "a b.tflite", "--data=/d/e f", "--golden", "0"]
    assert recorded_command(words) == "vpr-edge export 'a b.tflite' '--data=e f' --golden 0"
