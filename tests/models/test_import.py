"""Foreign checkpoints: the weights arrive, the outputs are the original's, code never runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from tests.models.nano_vs_slam_original import Original
from vpr_edge.benchmarks.tasks.evaluate import detector, segmenter
from vpr_edge.cli import cli
from vpr_edge.errors import CheckpointError, ModelError
from vpr_edge.export.onnx import output_transforms
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.models.import_nano_vs_slam import import_nano_vs_slam
from vpr_edge.models.import_state import read_state
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import ZOO, network_config, resized
from vpr_edge.runtimes.choose import open_runtime

SIZE = (64, 96)
ODD_SIZE = (56, 88)
"""Whose blocks of 8x8 pixels are 7 by 11."""


def original(name: str, leaky: bool = False, classes: int = 28) -> Original:
    """The authors' network of a zoo name, every number of it random."""
    torch.manual_seed(1)
    config = network_config(name)
    network = Original(
        config.channels,
        config.decoder == "fused",
        config.upsampling == "transposed",
        config.place_clusters if config.head == "netvlad" else 0,
        config.attention,
        classes,
        leaky=leaky,
    )
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            torch.nn.init.uniform_(module.weight, 0.3, 1.5)
            torch.nn.init.normal_(module.bias, std=0.3)
    with torch.no_grad():
        network(2 * torch.rand(4, 3, *SIZE) - 1)
    return network.eval()


# All parts; those of nano-vs-slam-s have the same graphs, wider.
NAMES = [
    name
    for name in ZOO
    if name.startswith("nano-vs-slam-n") and not ("-a" in name and "mcu" in name)
]
NAMES += ["nano-vs-slam-s-a-fused-convap"]


@pytest.mark.parametrize("name", NAMES)
def test_an_imported_network_gives_the_originals_outputs(name: str, tmp_path: Path) -> None:
    theirs = original(name)
    # As their training writes it: figures in numpy beside the weights.
    saved = {"epoch": 3, "state_dict": theirs.state_dict(), "results": {"d1": np.float64(0.5)}}
    torch.save(saved, tmp_path / "net.ckpt")
    config = network_config(name)
    # ConvAP's windows are the original's where they divide the map; the others take odd maps too.
    size = SIZE if config.head == "convap" else ODD_SIZE
    found = import_nano_vs_slam(
        read_state(tmp_path / "net.ckpt"), resized(config, *size), "net.ckpt"
    )
    assert (found.fresh, found.unused) == ((), ())
    assert found.checkpoint.config.classes == 28
    image = torch.rand(2, 3, *size)
    with torch.no_grad():
        expected = theirs(2 * image - 1)
        got = Network.from_checkpoint(found.checkpoint)(image)
    assert set(got) == set(expected)
    # Their LayerNorm adds 1e-5 to the deviation, ours brings vectors to length 1.
    close = 1e-3 if config.attention else 1e-4
    for output, value in expected.items():
        torch.testing.assert_close(got[output], value, atol=close, rtol=close)


def test_classes_and_the_place_head_are_the_states() -> None:
    state = {
        name: value.numpy()
        for name, value in original("nano-vs-slam-s-a-fused-convap").state_dict().items()
    }
    found = import_nano_vs_slam(state, network_config("nano-vs-slam-s-a-fused"), "net.ckpt")
    config = found.checkpoint.config
    assert (config.head, config.classes, config.keypoint_reach) == ("convap", 28, 0.75)
    assert (found.fresh, found.unused) == ((), ())


def test_leaky_networks_differ_by_their_slope_alone(tmp_path: Path) -> None:
    name = NAMES[0]
    theirs = original(name, leaky=True)
    torch.save(theirs.state_dict(), tmp_path / "net.ckpt")
    config = resized(network_config(name), *SIZE)
    found = import_nano_vs_slam(read_state(tmp_path / "net.ckpt"), config, "net.ckpt")
    image = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        expected, got = theirs(2 * image - 1), Network.from_checkpoint(found.checkpoint)(image)
        score = torch.corrcoef(torch.stack([expected["score"].flatten(), got["score"].flatten()]))
    assert 0.9 < score[0, 1] < 1 - 1e-6


def test_the_command_reports_what_was_matched(tmp_path: Path) -> None:
    name = NAMES[0]
    state = {f"module.{k}": v for k, v in original(name, classes=19).state_dict().items()}
    state = {k: v for k, v in state.items() if "vlad_head" not in k} | {"extra": torch.zeros(2)}
    torch.save({"state_dict": state}, tmp_path / "net.ckpt")
    words = ["import", str(tmp_path / "net.ckpt"), "--network", name, "--height", "240",
             "--width", "320", "--output", str(tmp_path / "NETWORK.safetensors")]  # fmt: skip
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "random weights: place1, place2, place3" in done.stderr
    assert "nothing took: extra" in done.stderr
    read = load_checkpoint(tmp_path / f"{name}.safetensors")
    assert (read.config.classes, read.config.height, read.config.width) == (19, 240, 320)
    picture = np.zeros((240, 320, 3), np.uint8)
    runtime = open_runtime(tmp_path / f"{name}.safetensors", "torch")
    assert all(len(found) <= 50 for found in detector(runtime, top_k=50)(picture))
    with pytest.raises(ModelError, match="19 classes apart where the data sets have 11"):
        segmenter(runtime)(picture)
    assert output_transforms(read.graph)["location"] == {"transform": {"reach": 0.75}}
    again = CliRunner().invoke(cli, words)
    assert "exists already" in str(again.exception)


class _Payload:
    """Would write a file if unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_pickled_code_is_refused_and_never_runs(tmp_path: Path) -> None:
    path, mark = tmp_path / "net.ckpt", tmp_path / "ran"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "optimizer": _Payload(mark)}, path)
    with pytest.raises(CheckpointError, match="never executed here"):
        read_state(path)
    assert not mark.exists()


def test_unusable_files_are_named_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "net.ckpt"
    with pytest.raises(CheckpointError, match="does not exist"):
        read_state(path)
    for content in (b"", b"hello", b"PK\3\4" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"torch\.save wrote"):
            read_state(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="no state dict"):
        read_state(path)
    state = {name: value.numpy() for name, value in original(NAMES[0]).state_dict().items()}
    with pytest.raises(CheckpointError, match="name the network that was trained"):
        import_nano_vs_slam(state, replace(network_config("nano-vs-slam-s")), "net.ckpt")
    with pytest.raises(CheckpointError, match="not for nano"):
        import_nano_vs_slam(state, network_config("nano"), "net.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of Nano-VS-SLAM"):
        import_nano_vs_slam({"a": np.zeros(1, np.float32)}, network_config(NAMES[0]), "net.ckpt")
