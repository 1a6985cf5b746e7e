"""A folder of networks in, a row each out; what cannot come in is a row that says why."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.export.door.onnx_nets import conv, node, save, weights

COMMAND = str(Path(sys.executable).with_name("vpr-edge"))


def test_a_folder_becomes_a_table(tmp_path: Path) -> None:
    nets, data = tmp_path / "nets", tmp_path / "data"
    nets.mkdir()
    data.mkdir()
    save(nets / "good.onnx", [conv(output="c"), node("Relu", "c")], weights())
    save(nets / "strange.onnx", [node("Celu", "image")])
    np.save(data / "good.npy", np.random.default_rng(0).normal(size=(12, 3, 8, 8)))
    words = ["survey", str(nets), "--data", str(data), "--steps", "2", "--device", "", "--json"]
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    good, strange = json.loads(done.stdout)
    assert good["parameters"] == 3 * 3 * 3 * 4 + 4 and good["unequal"] == 0
    assert good["float_db"]["y"] > 90 and good["ptq_db"]["y"] > 30 and good["qat_db"]["y"] > 30
    assert "Celu node 'the_Celu'" in strange["refused"]
