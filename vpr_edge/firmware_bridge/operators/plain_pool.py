"""AVERAGE_POOL_2D and MAX_POOL_2D of int16 and float32, and L2_POOL_2D."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from vpr_edge.firmware_bridge.operators.elementwise import same_parameters
from vpr_edge.firmware_bridge.operators.pool import LARGEST_WINDOW
from vpr_edge.firmware_bridge.operators.shared.floats import c_float, float_range
from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    c_type,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.window import Window, batch_of_one, read_window
from vpr_edge.firmware_bridge.operators.tap_sums import symmetric_range


@dataclass(frozen=True, eq=False)
class PlainPool(Operator):
    """A pool in plain loops; what lies outside the image does not count.

    Attributes:
        window: the geometry.
        range: of the fused activation.
    """

    one_image = True
    types: ClassVar[tuple[str, ...]] = ("int16", "float32")
    window: Window
    range: tuple[float, float]

    @classmethod
    def takes(cls, node: Node) -> bool:
        """See `Operator`."""
        source = node.inputs[0] if node.inputs else None
        return source is not None and source.dtype.name in cls.types

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0, *cls.types, rank=4)
        output = node.output(0, source.dtype.name, rank=4)
        batch_of_one(node, source, output)
        kernel = (int(node.needed("filterHeight")), int(node.needed("filterWidth")))
        if source.shape[3] != output.shape[3] or kernel[0] * kernel[1] > LARGEST_WINDOW:
            raise node.refuse(
                f"its channels or its window {kernel[0]}x{kernel[1]} are out of range",
                "pool in two layers, or convert the model again",
            )
        window = read_window(node, source, kernel, output)
        if source.dtype == np.float32:
            return cls(node, window, float_range(node))
        same_parameters(node, source, output)
        limits = symmetric_range(node, source, output)
        return cls(node, window, (limits.low, limits.high))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        image = values[0][0]
        inside = np.ones((*self.window.source, 1), np.int64)
        pairs = zip(self.window.taps(image, 0), self.window.taps(inside, 0), strict=True)
        with np.errstate(all="ignore"):
            pooled = self.pooled([(tap, mask > 0) for tap, mask in pairs])
        low, high = (np.asarray(end, pooled.dtype) for end in self.range)
        pooled = np.where(pooled < low, low, pooled)
        return (np.where(pooled > high, high, pooled).astype(image.dtype)[None],)

    def pooled(self, taps: list[tuple[Values, Values]]) -> Values:
        """The result before the activation, of the values under each tap and which are inside."""
        wide = np.float32 if self.source.dtype == np.float32 else np.int64
        total = np.zeros(taps[0][0].shape, wide)
        for tap, inside in taps:
            total = np.where(inside, total + tap.astype(wide), total)
        count = sum((inside.astype(np.int64) for _, inside in taps), np.int64(0))
        if wide is np.float32:
            return total / count.astype(np.float32)
        return np.sign(total) * ((np.abs(total) + count // 2) // count)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        floating = self.source.dtype == np.float32
        shape = c_struct(**self.window.fields(), channels=self.source.shape[3])
        limits = ", ".join(c_float(x) if floating else str(int(x)) for x in self.range)
        name = f"{self.code.lower().removesuffix('_2d')}_{'f32' if floating else 's16'}"
        element = c_type(self.source)
        return Kernel(
            "vpr_plain_pool.h",
            name,
            parameters(
                [
                    (f"const {element} *input", self.source),
                    (f"{element} *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_pool shape = {shape};\nvpr_{name}(shape, input, {limits}, output);",
        )


class PlainAveragePool(PlainPool):
    """AVERAGE_POOL_2D."""

    code = "AVERAGE_POOL_2D"


class PlainMaxPool(PlainPool):
    """MAX_POOL_2D."""

    code = "MAX_POOL_2D"

    def pooled(self, taps: list[tuple[Values, Values]]) -> Values:
        """See `PlainPool`."""
        dtype = self.source.dtype
        least = np.finfo(dtype).min if dtype == np.float32 else np.iinfo(dtype).min
        found = np.full(taps[0][0].shape, least, dtype)
        for tap, inside in taps:
            found = np.where(inside & (tap > found), tap, found)
        return found


class L2Pool(PlainPool):
    """L2_POOL_2D."""

    code = "L2_POOL_2D"
    types = ("float32",)

    def pooled(self, taps: list[tuple[Values, Values]]) -> Values:
        """See `PlainPool`."""
        total = np.zeros(taps[0][0].shape, np.float32)
        for tap, inside in taps:
            total = np.where(inside, total + tap * tap, total)
        count = sum((inside.astype(np.int64) for _, inside in taps), np.int64(0))
        return np.sqrt(total / count.astype(np.float32))
