"""int16 activations, and float32 layers beside convolutions: equal to TFLM to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check
from tests.firmware_bridge.operators.one_layer import T, constant, one_layer

EVERY_INT16 = np.arange(-32768, 32768).astype(np.int16).reshape(256, 256)


@pytest.mark.parametrize("code", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("scale", [2.0**-12, 2.0**-11, 1e-5, 0.0003, 0.002, 0.1])
def test_int16_sigmoids_equal_tflm(tmp_path: Path, code: str, scale: float) -> None:
    source, result = T((256, 256), "int16", scale), T((256, 256), "int16", 2.0**-15)
    path = one_layer(tmp_path / "m.tflite", code, [source], result)
    check(path, native=True, inputs=[(EVERY_INT16,)])


@pytest.mark.parametrize("code", ["RELU", "RELU6", "LEAKY_RELU", "ABS"])
def test_int16_activations_equal_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(4):
        scales = 10 ** rng.uniform(-4, -3, 2)
        scales[1] = scales[0] if code == "RELU6" else scales[1]
        tensors = [T((256, 256), "int16", float(scale)) for scale in scales]
        options = schema.LeakyReluOptionsT(alpha=0.2) if code == "LEAKY_RELU" else None
        path = one_layer(tmp_path / f"{index}.tflite", code, tensors[:1], tensors[1], options)
        check(path, native=index == 0, inputs=[(EVERY_INT16,)])


@pytest.mark.parametrize("depth", [2, 10, 300])
def test_int16_softmax_equals_tflm(tmp_path: Path, depth: int) -> None:
    for index, scale in enumerate((1e-4, 5e-4, 0.003)):
        source, result = T((20, depth), "int16", scale), T((20, depth), "int16", 2.0**-15)
        options = schema.SoftmaxOptionsT(beta=1.0)
        path = one_layer(tmp_path / f"{index}.tflite", "SOFTMAX", [source], result, options)
        check(path, native=True)


@pytest.mark.parametrize(
    "types",
    [("int8", "int32"), ("int16", "int32"), ("int32", "int8"), ("int32", "int16")],
)
def test_quantize_to_and_from_int32_equals_tflm(tmp_path: Path, types: tuple[str, str]) -> None:
    scales = (0.01, 0.0003) if types[1] == "int32" else (1e-9, 0.003)
    source, result = (T((500,), t, s) for t, s in zip(types, scales, strict=True))
    check(one_layer(tmp_path / "m.tflite", "QUANTIZE", [source], result), native=True)


@pytest.mark.parametrize("code", ["AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_wide_pools_equal_tflm(tmp_path: Path, code: str, dtype: str) -> None:
    if (code, dtype) == ("L2_POOL_2D", "int16"):
        pytest.skip("TFLM has no such kernel")
    scale = 0.001 if dtype == "int16" else None
    source, result = T((2, 5, 6, 3), dtype, scale), T((2, 3, 3, 3), dtype, scale)
    options: Any = schema.Pool2DOptionsT(
        padding=0, strideH=2, strideW=2, filterHeight=3, filterWidth=2
    )
    options.fusedActivationFunction = 1
    check(one_layer(tmp_path / "m.tflite", code, [source], result, options), native=True)


@pytest.mark.parametrize("code", ["MEAN", "SUM"])
def test_int16_reductions_equal_tflm(tmp_path: Path, code: str) -> None:
    source, result = T((1, 5, 6, 3), "int16", 0.001), T((1, 1, 1, 3), "int16", 0.0015)
    options = schema.ReducerOptionsT(keepDims=True)
    inputs = [source, constant([1, 2])]
    check(one_layer(tmp_path / "m.tflite", code, inputs, result, options), native=True)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
@pytest.mark.parametrize("adjoint", [(False, False), (True, False), (False, True)])
def test_wide_matrix_products_equal_tflm(
    tmp_path: Path, dtype: str, adjoint: tuple[bool, bool]
) -> None:
    scale = 0.001 if dtype == "int16" else None
    shapes = [(2, 1, 3, 5), (4, 5, 6)]
    for index, turned in enumerate(adjoint):
        if turned:
            *batches, rows, columns = shapes[index]
            shapes[index] = (*batches, columns, rows)
    a, b = (T(shape, dtype, scale) for shape in shapes)
    result = T((2, 4, 3, 6), dtype, None if scale is None else 0.05)
    options = schema.BatchMatMulOptionsT(adjX=adjoint[0], adjY=adjoint[1])
    check(one_layer(tmp_path / "m.tflite", "BATCH_MATMUL", [a, b], result, options), native=True)
