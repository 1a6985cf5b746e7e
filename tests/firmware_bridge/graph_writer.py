"""What the random layers write to: a model under construction and the tensors it has so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from tests.firmware_bridge.tflite_builder import TfliteBuilder

Shape = tuple[int, ...]
LARGEST = 3000


@dataclass(frozen=True)
class Value:
    """A tensor that layers may read.

    Attributes:
        index: in the file.
        shape, dtype: of the tensor.
        scale, zero_point: of integers.
        bound: of floats, the largest magnitude.
        ulps: by how many units in the last place floats may differ from TFLM's; nobody reads
            a value with some, as differences grow.
        final: nobody reads it: it may hold infinities, NaN, or bits of the C library.
    """

    index: int
    shape: Shape
    dtype: str = "int8"
    scale: float = 0.0
    zero_point: int = 0
    bound: float = 0.0
    ulps: int = 0
    final: bool = False

    @property
    def is_image(self) -> bool:
        """Whether convolutions take it."""
        return self.dtype == "int8" and len(self.shape) == 4 and self.shape[0] == 1

    def like(self, other: "Value") -> bool:
        """Whether both mean the same by the same bits."""
        return (self.dtype, self.scale, self.zero_point) == (
            other.dtype,
            other.scale,
            other.zero_point,
        )


class GraphWriter:
    """Tensors and layers of a model, and dice.

    Attributes:
        rng: the dice.
        builder: of the file.
        values: that layers may read, in the order in which they were made.
        computed: what layers wrote.
        read: indices of tensors that some layer reads.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.builder = TfliteBuilder()
        self.values: list[Value] = []
        self.computed: list[Value] = []
        self.read: set[int] = set()
        self.palette = [(self.uniform(-2, -0.5), self.integer(-128, 127)) for _ in range(2)]

    def integer(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < probability)

    def uniform(self, low: float, high: float) -> float:
        """A power of ten between these exponents."""
        return float(10 ** self.rng.uniform(low, high))

    def choice(self, options: Sequence[Any]) -> Any:
        """One of them."""
        return options[int(self.rng.integers(len(options)))]

    def near(self, scale: float) -> dict[str, Any]:
        """Quantisation by about this scale, often one that other tensors have too."""
        fitting = [pair for pair in self.palette if 1 / 8 < pair[0] / scale < 8]
        if fitting and self.chance(0.6):
            found = self.choice(fitting)
        else:
            zero_point = self.choice((-128, 0, 127, *(self.integer(-128, 127) for _ in range(3))))
            found = (float(np.clip(scale * self.uniform(-0.5, 0.7), 1e-4, 4.0)), zero_point)
        return {"scale": found[0], "zero_point": found[1]}

    def given(self, shape: Shape, dtype: str) -> Value:
        """A new input of the model."""
        if dtype == "float32":
            value = self.tensor(shape, dtype, bound=6.0)
        elif dtype == "int8":
            value = self.tensor(shape, **self.near(0.05))
        else:
            limits = np.iinfo(dtype)
            zero_point = 0 if dtype == "int16" else self.integer(limits.min, limits.max)
            value = self.tensor(shape, dtype, scale=self.uniform(-2, -1), zero_point=zero_point)
        self.values.append(value)
        return value

    def tensor(self, shape: Shape, dtype: str = "int8", **attributes: Any) -> Value:
        """A tensor that is no constant."""
        value = Value(-1, tuple(int(n) for n in shape), dtype, **attributes)
        return replace(value, index=self._write(value))

    def after(self, value: Value, shape: Shape) -> Value:
        """A tensor for elements of `value` moved about."""
        moved = replace(value, shape=tuple(int(n) for n in shape))
        return replace(moved, index=self._write(moved))

    def constant(self, value: Value, values: Any = None) -> Value:
        """A constant of that type, shape and quantisation; random without `values`."""
        if values is None:
            integers = self.rng.integers(-128, 128, value.shape)
            values = integers / 32 if value.dtype == "float32" else integers
        return replace(value, index=self._write(value, np.asarray(values)), bound=4.0)

    def integers(self, values: Any) -> int:
        """Index of an int32 constant."""
        array = np.array(values, np.int32)
        return self.builder.tensor(array.shape, "int32", values=array)

    def layer(
        self,
        code: str,
        inputs: Sequence[Value | int],
        outputs: Sequence[Value],
        options: Any = None,
        version: int = 1,
    ) -> bool:
        """Append a layer, whose outputs layers may read; True."""
        indices = [given.index if isinstance(given, Value) else given for given in inputs]
        self.builder.operator(code, indices, [value.index for value in outputs], options, version)
        self.read |= set(indices)
        self.computed += outputs
        self.values += [value for value in outputs if not value.final]
        return True

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of that shape keeps the model small."""
        return 0 < prod(shape) <= LARGEST and len(shape) <= 5

    def _write(self, value: Value, values: Any = None) -> int:
        quantization: dict[str, Any] = {}
        if value.scale:
            quantization = {"scale": value.scale, "zero_point": value.zero_point}
        return self.builder.tensor(value.shape, value.dtype, values=values, **quantization)
