"""What cannot come in is refused in one sentence, with exit 2, and nothing is written."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.export.door.onnx_nets import IMAGE, conv, node, save, weights
from vpr_edge.cli import cli
from vpr_edge.commands.ending import run_command
from vpr_edge.export.door.enter import Wish, enter_onnx, missing_operators


def branches(path: Path) -> Path:
    shape = [1, 3, 8, 8]
    kinds = [
        helper.make_graph(
            [node("Relu", "image", output=o)], o, [], [helper.make_tensor_value_info(o, 1, shape)]
        )
        for o in "ab"
    ]
    chosen = node("If", "yes", then_branch=kinds[0], else_branch=kinds[1])
    return save(path, [chosen], {"yes": np.array(True)})


def nan_weights(path: Path) -> Path:
    broken = weights()
    broken["w"][0, 0, 0, 0] = np.nan
    return save(path, [conv()], broken)


def lost_weights(path: Path) -> Path:
    save(path, [conv()], weights())
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    (path.parent / "w.bin").unlink()
    return path


def cut(path: Path) -> Path:
    save(path, [conv()], weights())
    path.write_bytes(path.read_bytes()[:-200])
    return path


OPEN = (("image", (1, 3, "rows", 8)),)
TWO = (IMAGE, ("more", (1, 5)))
REFUSED: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], str]] = {
    "missing": (lambda path: path, (), "is not a file"),
    "cut": (cut, (), "not a whole ONNX model"),
    "dynamic": (lambda p: save(p, [conv()], weights(), OPEN), (), "--shape image=1x3x120x160"),
    "wrong shape": (
        lambda p: save(p, [conv()], weights(), OPEN), ("--shape", "image=1x4x8x8"), "does not fit",
    ),
    "no such input": (
        lambda p: save(p, [conv()], weights()), ("--shape", "x=1x3x8x8"), "its input is 'image'",
    ),
    "no numbers": (lambda p: save(p, [conv()], weights()), ("--shape", "1xbig"), "is not NAME"),
    "control flow": (branches, (), "control flow"),
    "domain": (
        lambda p: save(p, [node("Magic", "image", domain="acme")], domains=("acme",)), (),
        "acme.Magic",
    ),
    "external data": (lost_weights, (), "not a whole ONNX model"),
    "NaN": (nan_weights, (), "'w' .* hold NaN"),
    "two inputs": (
        lambda p: save(p, [node("Add", "image", "more")], inputs=TWO), (), "has 2 inputs",
    ),
    "no producer": (
        lambda p: save(p, [conv()], weights(), outputs=("y", "z")), (), "its output 'z'|whole ONNX",
    ),
    "old": (lambda p: save(p, [conv()], weights(), opset=9), (), "opset 9"),
    "operator": (
        lambda p: save(p, [node("Det", "image")], outputs=("y:2",)), (), "Det node 'the_Det'",
    ),
    "depends on data": (
        lambda p: save(p, [node("NonZero", "image", output="n"),
                           node("Cast", "n", output="y", to=1)], outputs=("y:2",)),
        (), "depends on the data",
    ),
    "no such role": (
        lambda p: save(p, [conv()], weights()), ("--role", "smell=y"), "no role is called 'smell'",
    ),
    "role of nothing": (
        lambda p: save(p, [conv()], weights()), ("--role", "place=q"), "no output 'q'",
    ),
    "role of other channels": (
        lambda p: save(p, [conv()], weights()), ("--role", "score=y"), "has 4 channels",
    ),
    "clip without zero": (
        lambda p: save(p, [node("Clip", "image", "low", "high")],
                       {"low": np.float32(1), "high": np.float32(2)}), (), r"clips to \[1, 2\]",
    ),
    "deviation": (lambda p: save(p, [conv()], weights()), ("--std", "0"), "deviations above 0"),
    "mean": (lambda p: save(p, [conv()], weights()), ("--mean", "x"), "no number"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_ends_in_one_sentence_and_leaves_nothing(
    case: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import re

    build, options, said = REFUSED[case]
    path = build(tmp_path / "net.onnx")
    before = sorted(tmp_path.iterdir())
    output = tmp_path / "out.safetensors"
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_command(partial(cli, ["import", str(path), "--output", str(output), *options]))
    stdout, stderr = capfd.readouterr()
    assert ended.value.code == 2 and stdout == ""
    assert len(stderr.splitlines()) == 1, stderr
    assert re.search(said, stderr), stderr
    assert sorted(tmp_path.iterdir()) == before


def test_check_lists_everything_that_is_missing_at_once(tmp_path: Path) -> None:
    nodes = [
        conv(output="a"),
        node("Det", "a", output="d"),
        node("Conv", "a", "w2", output="c", auto_pad="SAME_LOWER"),
        node("Celu", "c", output="y"),
    ]
    constants = weights() | {"w2": np.ones((4, 4, 3, 3), np.float32)}
    path = save(tmp_path / "net.onnx", nodes, constants, outputs=("y", "d:2"))
    missing = missing_operators(path, Wish())
    assert {one.operator for one in missing} == {"Det", "Celu"}
    assert all(one.macs_share == 0 for one in missing)


def test_normalisation_in_the_graph_becomes_the_declared_preprocessing(tmp_path: Path) -> None:
    nodes = [
        node("Mul", "image", "two", output="m"),
        node("Sub", "m", "one", output="s"),
        conv("s", pads=[1, 1, 1, 1]),
    ]
    constants = weights() | {"two": np.float32(2), "one": np.float32(2 * 100 / 255)}
    found = enter_onnx(save(tmp_path / "net.onnx", nodes, constants))
    assert [n.op for n in found.checkpoint.graph.nodes] == ["input", "conv"]
    fit = found.checkpoint.preprocessing
    assert fit.zero == 100 and fit.scale == pytest.approx(2 / 255)
    assert found.snr_db["y"] > 90


@pytest.mark.parametrize(("pads", "kinds"), [(0, ["input", "conv"]),
                                             (1, ["input", "depthwise", "conv"])])  # fmt: skip
def test_a_mean_for_each_channel_is_folded_only_where_that_is_exact(
    pads: int, kinds: list[str], tmp_path: Path
) -> None:
    path = save(tmp_path / "net.onnx", [conv(pads=[pads] * 4)], weights())
    wish = Wish(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    found = enter_onnx(path, wish)
    assert [node.op for node in found.checkpoint.graph.nodes] == kinds
    assert found.snr_db["y"] > 90


def test_channels_last_moves_nothing(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "image", output="t", perm=[0, 3, 1, 2]),
        conv("t", output="c"),
        node("Transpose", "c", output="y", perm=[0, 2, 3, 1]),
    ]
    path = save(tmp_path / "net.onnx", nodes, weights(), (("image", (1, 8, 9, 3)),))
    found = enter_onnx(path)
    assert [node.op for node in found.checkpoint.graph.nodes] == ["input", "conv"]
    assert found.checkpoint.graph.input.shape == (3, 8, 9) and found.snr_db["y"] > 90


def test_a_role_names_the_output_and_decoders_know_it(tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", [conv()], weights())
    found = enter_onnx(path, Wish(roles={"place": "y"}))
    assert found.checkpoint.graph.outputs == ("place",)
