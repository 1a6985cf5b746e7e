"""TRANSPOSE_CONV: the reference and the C equal TFLM to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder

ACTIVATIONS = (
    schema.ActivationFunctionType.NONE,
    schema.ActivationFunctionType.RELU,
    schema.ActivationFunctionType.RELU6,
)
ONES = np.ones((1, 2, 2, 1))


def random_transpose_convolution(rng: np.random.Generator, path: Path) -> Path:
    """A one-layer model with any geometry that a convolution could have made."""
    kernel, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    source = rng.integers(1, 6, 2)
    same = bool(rng.integers(2))
    # Every output size whose convolution gives the input's size.
    least = (source - 1) * stride + (1 if same else kernel)
    result = least + rng.integers(0, stride)
    depth, channels = (int(n) for n in rng.integers(1, 7, 2))
    shape = (channels, *(int(n) for n in kernel), depth)
    return one_transpose_convolution(
        path,
        source=(1, *(int(n) for n in source), depth),
        weights=rng.integers(-127, 128, shape),
        result=(1, *(int(n) for n in result), channels),
        stride=(int(stride[0]), int(stride[1])),
        same=same,
        scales=rng.uniform(0.001, 0.05, channels if rng.random() < 0.8 else 1),
        bias=rng.integers(-3000, 3000, channels) if rng.random() < 0.7 else None,
        zero_points=(int(rng.integers(-128, 128)), int(rng.integers(-128, 128))),
        # From far too small to large: multipliers both above and below 1.
        output_scale=float(10 ** rng.uniform(-4.5, 0)),
        activation=ACTIVATIONS[rng.integers(3)],
    )


def one_transpose_convolution(
    path: Path,
    source: tuple[int, ...] = (1, 2, 2, 1),
    weights: Any = ONES,
    result: tuple[int, ...] = (1, 4, 4, 1),
    asked: tuple[int, ...] | None = None,
    stride: tuple[int, int] = (2, 2),
    same: bool = True,
    scales: Any = 0.1,
    bias: Any = None,
    zero_points: tuple[int, int] = (3, -5),
    output_scale: float = 0.1,
    activation: int = schema.ActivationFunctionType.NONE,
    weights_zero_point: int = 0,
    fixed_shape: bool = True,
) -> Path:
    """A one-layer model; `asked` is the output shape input where it differs from `result`."""
    builder, input_scale = TfliteBuilder(), 0.05
    values = np.array(asked or result)
    image = builder.tensor(source, scale=input_scale, zero_point=zero_points[0])
    inputs = [
        builder.tensor(values.shape, "int32", values=values if fixed_shape else None),
        builder.tensor(weights.shape, scale=scales, zero_point=weights_zero_point, values=weights),
        image,
    ]
    if bias is not None:
        scale = np.float32(input_scale) * np.asarray(scales, np.float32)
        inputs.append(builder.tensor(np.shape(bias), "int32", scale=scale, values=bias))
    output = builder.tensor(result, scale=output_scale, zero_point=zero_points[1])
    options = schema.TransposeConvOptionsT(
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideH=stride[0],
        strideW=stride[1],
        fusedActivationFunction=activation,
    )
    builder.operator("TRANSPOSE_CONV", inputs, [output], options, version=4)
    return builder.save(path, [image, *([] if fixed_shape else inputs[:1])], [output])


def test_reference_and_generated_c_equal_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        path = random_transpose_convolution(rng, tmp_path / f"{index}.tflite")
        check(path, native=index % 5 == 0)


def test_a_shape_computed_at_run_time_is_taken_and_not_asked(tmp_path: Path) -> None:
    check(one_transpose_convolution(tmp_path / "m.tflite", fixed_shape=False), native=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"asked": (1, 3, 4, 1)}, r"the output's shape is \[1, 4, 4, 1\]"),
        ({"result": (1, 7, 4, 1)}, "the input is 2x2 where its window gives 4x2"),
        ({"result": (1, 1, 1, 1), "same": False}, "where its window gives 0x0"),
        ({"stride": (0, 1)}, "out of range"),
        ({"weights": np.ones((1, 2, 2, 3))}, "do not fit 1 input and 1 output channels"),
        ({"bias": np.array([2**31 - 1])}, "overflow a 32-bit sum"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_transpose_convolution(tmp_path / "m.tflite", **change), sentence)
