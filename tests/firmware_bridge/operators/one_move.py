"""One-layer models of operators that move elements."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.firmware_bridge.operators.one_input import keep_from_float_refusal
from tests.firmware_bridge.tflite_builder import TfliteBuilder

Shape = tuple[int, ...]
QUANTIZED = {"scale": 0.1, "zero_point": -3}


def parameters(dtype: str) -> dict[str, Any]:
    """What quantises a tensor of the type, if anything does."""
    return QUANTIZED if dtype == "int8" else {}


def one_move(
    path: Path,
    code: str,
    shape: Shape,
    results: Sequence[Shape],
    dtype: str = "int8",
    constants: Sequence[Any] = (),
    options: Any = None,
    place: int = 0,
) -> Path:
    """Write a model of one layer.

    Args:
        path: of the model.
        code: builtin name.
        shape: of the input.
        results: shapes of the outputs.
        dtype: of input and outputs.
        constants: int32 inputs.
        options: of the builtin.
        place: of the input among the constants.
    """
    builder = TfliteBuilder()
    source = builder.tensor(shape, dtype, **parameters(dtype))
    arrays = [np.array(values, np.int32) for values in constants]
    read = [builder.tensor(array.shape, "int32", values=array) for array in arrays]
    read.insert(place, source)
    written = [builder.tensor(result, dtype, **parameters(dtype)) for result in results]
    builder.operator(code, read, written, options)
    keep_from_float_refusal(builder)
    return builder.save(path, [source], written)


def random_shape(rng: np.random.Generator, ranks: tuple[int, int], most: int = 6) -> Shape:
    """Of a number of dimensions from the first of `ranks` to the second."""
    rank = int(rng.integers(ranks[0], ranks[1] + 1))
    return tuple(int(n) for n in rng.integers(1, most + 1, rank))
