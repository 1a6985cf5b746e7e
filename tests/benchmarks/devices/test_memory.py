"""The peak of resident memory is the process's own."""

import json
import subprocess
import sys
from pathlib import Path

from vpr_edge.benchmarks.devices.host import bench_host
from vpr_edge.benchmarks.devices.latency import Protocol
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint

MIB = 1 << 20
CHILD = (
    "import json; from vpr_edge.benchmarks.devices.memory import peak_resident_bytes as peak;"
    "before = peak(); block = b'x' * (100 << 20); print(json.dumps([before, peak()]))"
)
PARENT = (
    "import subprocess, sys; block = b'x' * (300 << 20);"
    "print(subprocess.run([sys.executable, '-c', sys.argv[1]], capture_output=True, check=True)"
    ".stdout.decode())"
)


def test_peak_grows_with_what_is_taken_and_forgets_the_process_that_started_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT, CHILD], capture_output=True, text=True, check=True
    )
    before, after = json.loads(done.stdout)
    assert before < 200 * MIB
    assert 99 * MIB < after - before < 130 * MIB


def test_peak_of_an_artefact_holds_its_weights_and_not_the_measuring_tool(tmp_path: Path) -> None:
    path = export(find_checkpoint("nano"), "onnx", tmp_path / "out") / "nano.onnx"
    block = b"x" * (300 * MIB)  # of the measuring process; the measured one must not inherit it
    found = {r.metric: r.value for r in bench_host(path, Protocol(1, 1, 0.01))}
    assert len(block) > 100 * MIB > found["peak_memory_bytes"] > found["weights_bytes"] > MIB
