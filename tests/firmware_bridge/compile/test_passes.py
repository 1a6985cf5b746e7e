"""The rewrites: what they leave out, what they must not, and that no bit of an output changes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check
from tests.firmware_bridge.conftest import TRAINED
from tests.firmware_bridge.operators.test_lstm import one_lstm
from tests.firmware_bridge.random_graphs import random_graph
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.firmware_bridge.compile.passes import drop_unused, run_passes
from vpr_edge.firmware_bridge.operators.shared.program import Program, run_reference

ZERO_POINT = 7
SAME, VALID = schema.Padding.SAME, schema.Padding.VALID
NONE, RELU, RELU6 = (
    schema.ActivationFunctionType.NONE,
    schema.ActivationFunctionType.RELU,
    schema.ActivationFunctionType.RELU6,
)
Weights = np.ndarray[Any, Any]


class Images(TfliteBuilder):
    """A model of images with one scale and zero point, unless a layer asks for others."""

    def image(self, *shape: int, scale: float = 0.05, zero_point: int = ZERO_POINT) -> int:
        """Index of a new activation [1, rows, columns, channels]."""
        return self.tensor((1, *shape), scale=scale, zero_point=zero_point)

    def convolution(
        self,
        source: int,
        output: int,
        weights: Weights,
        bias: Sequence[int] | None = None,
        stride: int = 1,
        padding: int = VALID,
        activation: int = NONE,
    ) -> None:
        """A layer: weights [channels, rows, columns, depth], depthwise [1, rows, columns, channels]
        where their first axis is 1 and the output has more channels.
        """
        channels = int(self.tensors[output].shape[3])
        depthwise = weights.shape[0] != channels
        inputs = [source, self.tensor(weights.shape, scale=0.01, values=weights)]
        if bias is not None:
            inputs.append(
                self.tensor(
                    (channels,), "int32", scale=np.float32(0.05 * 0.01), values=np.array(bias)
                )
            )
        geometry = {
            "padding": padding,
            "strideH": stride,
            "strideW": stride,
            "fusedActivationFunction": activation,
        }
        options = (
            schema.DepthwiseConv2DOptionsT(**geometry, depthMultiplier=1)
            if depthwise
            else schema.Conv2DOptionsT(**geometry)
        )
        code = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        self.operator(code, inputs, [output], options, version=3)

    def pad(self, source: int, output: int, amounts: Any, value: int | None = None) -> None:
        """PAD, PADV2 where a value is given."""
        inputs = [source, self.tensor((4, 2), "int32", values=np.array(amounts))]
        if value is None:
            self.operator("PAD", inputs, [output], schema.PadOptionsT())
            return
        number: dict[str, Any] = {
            "scale": 0.05,
            "zero_point": ZERO_POINT,
            "values": np.array(value),
        }
        self.operator(
            "PADV2", [*inputs, self.tensor((), **number)], [output], schema.PadV2OptionsT()
        )


def random_weights(*shape: int) -> Weights:
    return np.random.default_rng(1).integers(-127, 128, shape)


def compiled_codes(path: Path) -> list[str]:
    """Of the layers that are left, after a check that TFLM computes the same."""
    check(path, native=True)
    return [operator.code for operator in compile_model(path).program.operators]


SPATIAL = ((0, 0), (1, 2), (2, 0), (0, 0))


def padded(
    path: Path,
    amounts: Any = SPATIAL,
    value: int | None = None,
    kernel: Weights | None = None,
    stride: int = 1,
    padding: int = VALID,
    also: str = "",
) -> Path:
    """PAD, then a convolution; `also` makes what is padded an output, or read once more."""
    kernel = random_weights(5, 3, 3, 4) if kernel is None else kernel
    builder = Images()
    source = builder.image(6, 7, 4)
    shape = [n + sum(pair) for n, pair in zip((6, 7, 4), amounts[1:], strict=True)]
    middle = builder.image(*shape)
    taps = kernel.shape[1]
    size = [-(-n // stride) if padding == SAME else (n - taps) // stride + 1 for n in shape[:2]]
    output = builder.image(*size, kernel.shape[0] if kernel.shape[0] > 1 else 4, scale=0.3)
    builder.pad(source, middle, amounts, value)
    builder.convolution(middle, output, kernel, stride=stride, padding=padding)
    outputs = [output]
    if also == "output":
        outputs.append(middle)
    if also == "read":
        outputs.append(builder.image(*shape))
        builder.operator("ABS", [middle], [outputs[-1]])
    return builder.save(path, [source], outputs)


@pytest.mark.parametrize("value", [None, ZERO_POINT])
@pytest.mark.parametrize(("stride", "padding"), [(1, VALID), (2, VALID), (1, SAME), (2, SAME)])
def test_padding_becomes_the_convolutions_own(
    tmp_path: Path, value: int | None, stride: int, padding: int
) -> None:
    path = padded(tmp_path / "m.tflite", value=value, stride=stride, padding=padding)
    assert compiled_codes(path) == ["CONV_2D"]


@pytest.mark.parametrize(
    ("shape", "code"), [((1, 3, 3, 4), "DEPTHWISE_CONV_2D"), ((5, 1, 1, 4), "CONV_2D")]
)
def test_padding_becomes_that_of_depthwise_and_of_1x1_layers(
    tmp_path: Path, shape: tuple[int, ...], code: str
) -> None:
    assert compiled_codes(padded(tmp_path / "m.tflite", kernel=random_weights(*shape))) == [code]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"value": ZERO_POINT + 1}, "PADV2"),
        (
            {"amounts": ((0, 0), (1, 1), (1, 1), (0, 1)), "kernel": random_weights(5, 3, 3, 5)},
            "PAD",
        ),
        ({"also": "output"}, "PAD"),
        ({"also": "read"}, "PAD"),
    ],
)
def test_other_padding_stays(tmp_path: Path, change: dict[str, Any], code: str) -> None:
    codes = compiled_codes(padded(tmp_path / "m.tflite", **change))
    assert sorted(set(codes) - {"ABS"}) == ["CONV_2D", code]


def activated(path: Path, code: str, scale: float = 0.3, fused: int = NONE, also: str = "") -> Path:
    """A convolution, then an activation that gives the scale."""
    builder = Images()
    source, middle = builder.image(4, 5, 3), builder.image(4, 5, 6, scale=0.3)
    output = builder.image(4, 5, 6, scale=scale)
    builder.convolution(source, middle, random_weights(6, 1, 1, 3), activation=fused)
    builder.operator(code, [middle], [output])
    outputs = [output]
    if also == "output":
        outputs.append(middle)
    if also == "read":
        outputs.append(builder.image(4, 5, 6))
        builder.operator("ABS", [middle], [outputs[-1]])
    return builder.save(path, [source], outputs)


@pytest.mark.parametrize("code", ["RELU", "RELU6"])
@pytest.mark.parametrize("fused", [NONE, RELU, RELU6])
def test_an_activation_becomes_the_convolutions_clamp(
    tmp_path: Path, code: str, fused: int
) -> None:
    assert compiled_codes(activated(tmp_path / "m.tflite", code, fused=fused)) == ["CONV_2D"]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("RELU", {"scale": 0.2}),
        ("RELU", {"also": "output"}),
        ("RELU6", {"also": "read"}),
        ("ABS", {}),
    ],
)
def test_other_activations_stay(tmp_path: Path, code: str, change: dict[str, Any]) -> None:
    assert code in compiled_codes(activated(tmp_path / "m.tflite", code, **change))


def test_activations_in_a_row_are_all_fused_or_stay_exact(tmp_path: Path) -> None:
    builder = Images()
    source = builder.image(4, 5, 3)
    a, b, c = (builder.image(4, 5, 6, scale=0.3) for _ in range(3))
    builder.convolution(source, a, random_weights(6, 1, 1, 3))
    builder.operator("RELU6", [a], [b])
    builder.operator("RELU", [b], [c])
    codes = compiled_codes(builder.save(tmp_path / "m.tflite", [source], [c]))
    assert codes[0] == "CONV_2D" and "RELU6" not in codes


@pytest.mark.parametrize("wanted", [False, True])
def test_constants_are_computed_when_compiling(tmp_path: Path, wanted: bool) -> None:
    builder = Images()
    source, total, result = (builder.image(2, 3, 4) for _ in range(3))
    constants = [
        builder.tensor((1, 2, 3, 4), scale=0.05, values=random_weights(1, 2, 3, 4))
        for _ in range(2)
    ]
    builder.operator("ADD", constants, [total], schema.AddOptionsT())
    builder.operator("MUL", [source, total], [result], schema.MulOptionsT())
    outputs = [result, total] if wanted else [result]
    path = builder.save(tmp_path / "m.tflite", [source], outputs)
    # A constant that is an output is computed where the caller looks for it.
    assert compiled_codes(path) == (["ADD", "MUL"] if wanted else ["MUL"])


def test_layers_that_nobody_reads_are_left_out(tmp_path: Path) -> None:
    builder = Images()
    source, *rest = (builder.image(2, 3, 4) for _ in range(4))
    for before, after in ((source, rest[0]), (source, rest[1]), (rest[1], rest[2])):
        builder.operator("ABS", [before], [after])
    path = builder.save(tmp_path / "m.tflite", [source], [rest[0]])
    assert len(compiled_codes(path)) == 1


def test_a_layer_with_one_part_read_is_kept(tmp_path: Path) -> None:
    builder = Images()
    source = builder.image(2, 3, 4)
    parts = [builder.image(2, 3, 2) for _ in range(2)]
    axis = builder.tensor((), "int32", values=np.array(3))
    builder.operator("SPLIT", [axis, source], parts, schema.SplitOptionsT(numSplits=2))
    path = builder.save(tmp_path / "m.tflite", [source], parts[1:])
    assert compiled_codes(path) == ["SPLIT"]


def test_layers_that_keep_a_state_are_kept(tmp_path: Path) -> None:
    program = import_tflite(one_lstm(tmp_path / "m.tflite"))
    assert drop_unused(program).operators == program.operators


# What is left of their multiply-accumulates: a quarter of the stand-in's channels is dead.
LIVE_MACS = {"vww": (4_200_000, 5_000_000), "vww-trained": (3_841_964, 3_841_964)}


@pytest.mark.parametrize("model", [name for name in ("vww", *TRAINED) if name in LIVE_MACS])
def test_constant_channels_of_vww_are_left_out_and_no_bit_changes(
    model_named: Callable[[str], Path], model: str
) -> None:
    program = import_tflite(model_named(model))
    rewritten = run_passes(program)
    least, most = LIVE_MACS[model]
    assert program.macs == 7_489_664 and least <= rewritten.macs <= most
    for inputs in random_inputs(program, 3):
        check_same_outputs(program, rewritten, *inputs)


def check_same_outputs(program: Program, rewritten: Program, *inputs: np.ndarray) -> None:
    before, after = run_reference(program, *inputs), run_reference(rewritten, *inputs)
    assert program.outputs == rewritten.outputs
    for tensor in program.outputs:
        assert after[tensor].shape == tensor.shape
        np.testing.assert_array_equal(after[tensor], before[tensor])


CONSTANT = slice(2, 14)


def narrowable(
    path: Path, bias: int, padding: int = SAME, depthwise: bool = True, also: str = ""
) -> Path:
    """A 1x1 layer of 16 channels of which 12 are constant, a 3x3 layer, and a 1x1 layer."""
    builder = Images()
    source = builder.image(6, 6, 4)
    first, size = builder.image(6, 6, 16), 6 if padding == SAME else 4
    second, output = builder.image(size, size, 16), builder.image(size, size, 4, scale=0.4)
    weights = random_weights(16, 1, 1, 4)
    weights[CONSTANT] = 0
    biases = np.where(weights.any(axis=(1, 2, 3)), 50, bias)
    builder.convolution(source, first, weights, biases.tolist())
    shape = (1, 3, 3, 16) if depthwise else (16, 3, 3, 16)
    builder.convolution(first, second, random_weights(*shape) // 8, padding=padding)
    builder.convolution(second, output, random_weights(4, 1, 1, 16))
    outputs = [output]
    if also == "output":
        outputs.append(first)
    if also == "read":
        outputs.append(builder.image(6, 6, 16))
        builder.operator("ABS", [first], [outputs[-1]])
    return builder.save(path, [source], outputs)


def first_width(path: Path) -> int:
    """Channels that the first layer is left with; TFLM computes the same."""
    check(path, native=True)
    first, *_ = run_passes(import_tflite(path)).operators
    return first.outputs[0].shape[3]


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize(("bias", "padding"), [(0, SAME), (0, VALID), (9000, VALID)])
def test_constant_channels_are_left_out(
    tmp_path: Path, bias: int, padding: int, depthwise: bool
) -> None:
    assert first_width(narrowable(tmp_path / "m.tflite", bias, padding, depthwise)) == 4


@pytest.mark.parametrize("depthwise", [False, True])
def test_channels_that_are_not_constant_at_the_border_stay(tmp_path: Path, depthwise: bool) -> None:
    # Outside the image lies the zero point, which is not what these channels hold within.
    assert first_width(narrowable(tmp_path / "m.tflite", 9000, SAME, depthwise)) == 16


@pytest.mark.parametrize("also", ["output", "read"])
def test_constant_channels_that_others_see_stay(tmp_path: Path, also: str) -> None:
    assert first_width(narrowable(tmp_path / "m.tflite", 0, also=also)) == 16


def test_channels_that_no_reader_weighs_are_left_out(tmp_path: Path) -> None:
    builder = Images()
    source, middle = builder.image(4, 4, 3), builder.image(4, 4, 16)
    outputs = [builder.image(4, 4, 4, scale=0.4) for _ in range(2)]
    builder.convolution(source, middle, random_weights(16, 1, 1, 3))
    for place, output in enumerate(outputs):
        weights = random_weights(4, 3, 3, 16)
        # Both readers do without channels 6 to 9.
        weights[..., 2 + 4 * place : 10 + 4 * place] = 0
        builder.convolution(middle, output, weights, padding=SAME)
    assert first_width(builder.save(tmp_path / "m.tflite", [source], outputs)) == 12


def test_a_model_of_constants_alone_keeps_its_output(tmp_path: Path) -> None:
    builder = Images()
    source, middle, output = (builder.image(4, 4, n) for n in (3, 8, 8))
    builder.convolution(source, middle, np.zeros((8, 1, 1, 3)), [9000] * 8)
    builder.convolution(middle, output, random_weights(8, 1, 1, 8))
    path = builder.save(tmp_path / "m.tflite", [source], [output])
    assert compiled_codes(path)[-1] == "CONV_2D"


def test_rewrites_change_no_output_of_random_models(tmp_path: Path) -> None:
    left_out = 0
    for seed in range(150):
        program = import_tflite(random_graph(seed, tmp_path).path)
        rewritten = run_passes(program)
        left_out += program.macs - rewritten.macs
        check_same_outputs(program, rewritten, *random_inputs(program, 1, seed)[0])
    assert left_out > 0
