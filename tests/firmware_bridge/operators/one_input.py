"""One-layer models of operators with one input."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.firmware_bridge.tflite_builder import TfliteBuilder

SHAPE = (1, 16, 16, 1)
EVERY_INT8 = np.arange(-128, 128).astype(np.int8).reshape(SHAPE)
# Scale and zero point; None is float32.
Quantization = tuple[float, int] | None


def one_input(
    path: Path,
    code: str,
    source: Quantization,
    output: Quantization,
    dtypes: tuple[str, str] = ("int8", "int8"),
    options: Any = None,
    shape: tuple[int, ...] = SHAPE,
) -> Path:
    """Write a model of one layer."""
    builder = TfliteBuilder()
    read, written = (
        builder.tensor(shape, "float32")
        if affine is None
        else builder.tensor(shape, dtype, scale=affine[0], zero_point=affine[1])
        for affine, dtype in zip((source, output), dtypes, strict=True)
    )
    builder.operator(code, [read], [written], options)
    keep_from_float_refusal(builder)
    return builder.save(path, [read], [written])


def keep_from_float_refusal(builder: TfliteBuilder) -> None:
    """Add an int8 constant that nobody reads: models without any int8 are refused."""
    builder.tensor((1,), scale=1.0, values=np.zeros(1))
