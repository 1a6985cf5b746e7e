"""The page "Your own network": its module and its commands, as a reader would run them."""

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import save_file

pytest.importorskip("onnxscript")
PAGE = (Path(__file__).parents[2] / "docs" / "own-network.md").read_text()
COMMAND = str(Path(sys.executable).with_name("vpr-edge"))


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [COMMAND, *line.split()[1:]]
    return subprocess.run(words, capture_output=True, text=True, cwd=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own")
    (module,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (path / "mynet.py").write_text(module)
    scope: dict = {}
    exec(module, scope)
    import torch

    torch.manual_seed(0)
    save_file(scope["build"]().state_dict(), path / "w.safetensors")
    (path / "PICTURES").mkdir()
    random = np.random.default_rng(0)
    for index in range(20):
        noise = cv2.GaussianBlur(random.normal(size=(96, 120, 3)), (0, 0), 3)
        picture = 255 * (noise - noise.min()) / np.ptp(noise)
        cv2.imwrite(str(path / "PICTURES" / f"{index:02}.png"), picture.astype(np.uint8))
    return path


def test_the_page_leads_from_a_module_to_c(folder: Path) -> None:
    lines = re.findall(r"^vpr-edge (?:import mynet|quantize own|export own|bench own).*$", PAGE,
                       re.MULTILINE)  # fmt: skip
    assert [line.split()[1] for line in lines] == ["import", "quantize", "export", "bench"]
    said = []
    for line in lines:
        # What the page leaves to the reader is short here.
        extra = {"quantize": " --steps 3", "export": " --golden 1"}.get(line.split()[1], "")
        done = run(line + extra, folder)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout + done.stderr)
    assert "place: 32 channels" in said[0] and "cells: 5 channels, 8x10" in said[0]
    assert all(float(db) > 90 for db in re.findall(r"within (\d+) dB", said[0]))
    assert "place: calibrated" in said[1]
    assert (folder / "own-c" / "build.c").is_file()
    assert re.search(r"oracle_unequal_elements\W+0\b", said[3]), said[3]


def test_a_module_that_cannot_come_in_is_one_sentence(folder: Path) -> None:
    for line, reason in (
        ("vpr-edge import mynet:nothing --shape 1x3x64x80", "could not be made"),
        ("vpr-edge import mynet:build", "needs one --shape"),
        ("vpr-edge import mynet:build --shape 1x4x64x80", "could not be exported"),
        ("vpr-edge import mynet:build --shape 1x3x64x80 --weights mynet.py", "torch.save"),
    ):
        before = sorted(folder.iterdir())
        done = run(line + " --output refused.safetensors", folder)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert reason in done.stderr
        assert sorted(p for p in folder.iterdir() if p.name != "__pycache__") == [
            p for p in before if p.name != "__pycache__"
        ]


def test_own_data_that_does_not_fit_is_one_sentence(folder: Path) -> None:
    np.save(folder / "few.npy", np.zeros((3, 7), np.float32))
    for data, reason in (("few.npy", "takes"), ("nowhere", "nowhere"), ("mynet.py", "mynet.py")):
        done = run(f"vpr-edge quantize own.safetensors --data {data} --output x.st", folder)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert reason in done.stderr and not (folder / "x.st").exists()
