"""PAD and PADV2 equal TFLM for every type and amount."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.agreement import check, check_refusal
from tests.firmware_bridge.operators.one_input import keep_from_float_refusal
from tests.firmware_bridge.operators.one_move import parameters, random_shape
from tests.firmware_bridge.tflite_builder import TfliteBuilder

CODES = ("PAD", "PADV2")
TYPES = ("int8", "int16", "int32", "float32")


def random_pad(rng: np.random.Generator, path: Path, code: str, dtype: str = "int8") -> Path:
    """A one-layer model of one to five dimensions, often some of them not padded."""
    shape = random_shape(rng, (1, 5), 4)
    amounts = rng.integers(0, 4, (len(shape), 2)) * rng.integers(0, 2, (len(shape), 1))
    value = float(rng.integers(-100, 100)) if code == "PADV2" else None
    return one_pad(path, code, shape, amounts.tolist(), dtype, value)


def one_pad(
    path: Path,
    code: str = "PAD",
    shape: tuple[int, ...] = (2, 3),
    amounts: Any = ((0, 0), (1, 2)),
    dtype: str = "int8",
    value: Any = None,
    result: tuple[int, ...] | None = None,
    **constant: Any,
) -> Path:
    """A one-layer model; `constant` is what differs in the value's quantisation."""
    builder = TfliteBuilder()
    source = builder.tensor(shape, dtype, **parameters(dtype))
    paddings = np.array(amounts, np.int32)
    read = [source, builder.tensor(paddings.shape, "int32", values=paddings)]
    if value is not None:
        values = np.array(value)
        quantization = parameters(dtype) | constant
        read.append(builder.tensor(values.shape, dtype, values=values, **quantization))
    if result is None:
        result = tuple(n + int(a) + int(b) for n, (a, b) in zip(shape, amounts, strict=True))
    written = builder.tensor(result, dtype, **parameters(dtype))
    builder.operator(
        code, read, [written], schema.PadOptionsT() if code == "PAD" else schema.PadV2OptionsT()
    )
    keep_from_float_refusal(builder)
    return builder.save(path, [source], [written])


@pytest.mark.parametrize("code", CODES)
def test_reference_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(1)
    for index in range(60):
        path = random_pad(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=False)


@pytest.mark.parametrize("code", CODES)
def test_generated_c_equals_tflm(tmp_path: Path, code: str) -> None:
    rng = np.random.default_rng(2)
    for index in range(8):
        path = random_pad(rng, tmp_path / f"{index}.tflite", code, TYPES[index % 4])
        check(path, native=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"amounts": ((0, 0), (1, -2)), "result": (2, 2)}, "are no paddings of 2 dimensions"),
        ({"amounts": ((0, 0),), "result": (2, 3)}, "are no paddings of 2 dimensions"),
        ({"result": (2, 7)}, "is not what the input"),
        ({"shape": (1,) * 6, "amounts": ((0, 0),) * 6}, "more than 5 dimensions"),
        ({"value": 3, "scale": 0.2}, "another scale or zero point than the output"),
        ({"value": 3, "zero_point": 9}, "another scale or zero point than the output"),
        ({"value": [3, 4]}, "the value has 2 elements"),
        ({"dtype": "uint8"}, "the type is uint8"),
    ],
)
def test_what_cannot_be_compiled_is_refused_by_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    check_refusal(one_pad(tmp_path / "m.tflite", "PADV2", **change), sentence)


def test_amounts_computed_at_run_time_are_refused(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source, result = (builder.tensor((2, n), scale=0.1) for n in (3, 6))
    paddings = builder.tensor((2, 2), "int32")
    builder.operator("PAD", [source, paddings], [result], schema.PadOptionsT())
    path = builder.save(tmp_path / "m.tflite", [source, paddings], [result])
    check_refusal(path, "computed at run time")
