"""FULLY_CONNECTED: the reference and the C equal TFLM to the last bit."""

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
    schema.ActivationFunctionType.RELU_N1_TO_1,
)


def random_dense(rng: np.random.Generator, path: Path) -> Path:
    """A one-layer model: one row or several, weights quantised per tensor or per channel."""
    rows, depth, channels = (int(n) for n in rng.integers(1, (5, 40, 12)))
    return one_dense(
        path,
        shape=((rows, depth), (1, rows, depth), (rows, 1, depth))[rng.integers(3)],
        channels=channels,
        keep=bool(rng.integers(2)),
        scales=rng.uniform(0.001, 0.05, channels if rng.random() < 0.5 else 1),
        bias=rng.integers(-3000, 3000, channels) if rng.random() < 0.8 else None,
        zero_points=(int(rng.integers(-128, 128)), int(rng.integers(-128, 128))),
        # From far too small to large: multipliers both above and below 1.
        output_scale=float(10 ** rng.uniform(-4.5, 0)),
        activation=ACTIVATIONS[rng.integers(len(ACTIVATIONS))],
        weights=rng.integers(-127, 128, (channels, depth)),
        absent_bias=bool(rng.integers(2)),
    )


def one_dense(
    path: Path,
    shape: tuple[int, ...] = (1, 8),
    channels: int = 3,
    keep: bool = False,
    scales: Any = 0.01,
    bias: Any = None,
    zero_points: tuple[int, int] = (3, -5),
    output_scale: float = 0.1,
    activation: int = schema.ActivationFunctionType.NONE,
    weights: Any = None,
    absent_bias: bool = False,
    weights_zero_point: int = 0,
    weights_format: int = 0,
    result_shape: tuple[int, ...] | None = None,
) -> Path:
    """A one-layer model; without `bias` its input is left out or named as absent."""
    builder, input_scale, depth = TfliteBuilder(), 0.05, shape[-1]
    source = builder.tensor(shape, scale=input_scale, zero_point=zero_points[0])
    values = np.ones((channels, depth)) if weights is None else weights
    inputs = [
        source,
        builder.tensor(
            (channels, depth), scale=scales, zero_point=weights_zero_point, values=values
        ),
    ]
    if bias is not None:
        inputs.append(
            builder.tensor(
                np.shape(bias),
                "int32",
                scale=np.float32(input_scale) * np.asarray(scales, np.float32),
                values=np.asarray(bias),
            )
        )
    elif absent_bias:
        inputs.append(-1)
    flat = (int(np.prod(shape[:-1])), channels)
    default = (*shape[:-1], channels) if keep else flat
    result = builder.tensor(result_shape or default, scale=output_scale, zero_point=zero_points[1])
    options = schema.FullyConnectedOptionsT(
        fusedActivationFunction=activation, keepNumDims=keep, weightsFormat=weights_format
    )
    builder.operator("FULLY_CONNECTED", inputs, [result], options, version=4)
    return builder.save(path, [source], [result])


def test_reference_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for index in range(150):
        check(random_dense(rng, tmp_path / f"{index}.tflite"), native=False)


def test_generated_c_equals_tflm(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for index in range(12):
        check(random_dense(rng, tmp_path / f"{index}.tflite"), native=True)


def test_one_weight_scale_is_multiplied_in_float32_as_tflm_does(tmp_path: Path) -> None:
    # In float64 the product of these scales gives another multiplier, and other outputs.
    rng = np.random.default_rng(3)
    found = 0
    for index in range(40):
        scale, output_scale = rng.uniform(0.001, 0.05), rng.uniform(0.001, 0.01)
        weights = rng.integers(-127, 128, (16, 64))
        path = one_dense(
            tmp_path / f"{index}.tflite",
            (1, 64),
            16,
            scales=scale,
            output_scale=output_scale / 64,
            weights=weights,
        )
        check(path, native=False)
        product = np.float32(0.05) * np.float32(scale)
        found += float(product) != float(np.float32(0.05)) * float(np.float32(scale))
    assert found


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"bias": [2**31 - 1] * 3}, "overflow a 32-bit sum"),
        ({"bias": [1, 2]}, "2 biases for 3 output channels"),
        ({"result_shape": (1, 4)}, "do not fit"),
        ({"weights_format": 1}, "shuffled"),
        ({"output_scale": 1e-12}, "scaled up by more than"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_dense(tmp_path / "m.tflite", **change), sentence)


def test_weights_that_do_not_divide_the_input_are_refused(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source = builder.tensor((1, 8), scale=0.1)
    weights = builder.tensor((3, 5), scale=0.1, values=np.ones((3, 5)))
    result = builder.tensor((1, 3), scale=0.1)
    builder.operator("FULLY_CONNECTED", [source, weights], [result])
    check_refusal(builder.save(tmp_path / "m.tflite", [source], [result]), "do not fit the input")
