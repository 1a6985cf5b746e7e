"""AVERAGE_POOL_2D and MAX_POOL_2D, int8."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.requantize import Range, fused_range
from vpr_edge.firmware_bridge.operators.shared.window import Window, batch_of_one, read_window

# As far as TFLM lets the scales of input and output differ.
SCALE_TOLERANCE = 1e-6
LEAST = -128
LARGEST_WINDOW = 1 << 16


@dataclass(frozen=True, eq=False)
class Pool(Operator):
    """What both pools have; they neither rescale nor count what lies outside the image.

    Attributes:
        window: the geometry.
        range: of the output.
    """

    one_image = True
    stem: ClassVar[str]
    window: Window
    range: Range

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source, output = node.input(0, "int8", rank=4), node.output(0, "int8", rank=4)
        batch_of_one(node, source, output)
        before, after = node.affine(source), node.affine(output)
        apart = float(np.abs(before.scale - after.scale))
        if apart > SCALE_TOLERANCE or before.zero_point != after.zero_point:
            raise node.refuse(
                "its input and output differ in scale or zero point, and TFLM does not rescale "
                "them",
                "quantise the model so that they share both",
            )
        if source.shape[3] != output.shape[3]:
            raise node.refuse(
                f"it has {source.shape[3]} input but {output.shape[3]} output channels",
                "the file is corrupt, so convert the model again",
            )
        kernel = (int(node.needed("filterHeight")), int(node.needed("filterWidth")))
        if kernel[0] * kernel[1] > LARGEST_WINDOW:
            raise node.refuse(
                f"the window is {kernel[0]}x{kernel[1]}, larger than {LARGEST_WINDOW} elements",
                "pool in two layers, or use MEAN",
            )
        return cls(node, read_window(node, source, kernel, output), fused_range(node, output))

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        channels = self.source.shape[3]
        return self.window.clearance(channels, channels)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        pooled = self.pooled(values[0][0].astype(np.int64))
        return (np.clip(pooled, self.range.low, self.range.high).astype(np.int8)[None],)

    @abstractmethod
    def pooled(self, image: Values) -> Values:
        """The result before the activation, int64, of an int64 image [rows, columns, channels]."""

    def kernel(self) -> Kernel:
        """See `Operator`."""
        shape = c_struct(**self.window.fields(), channels=self.source.shape[3])
        return Kernel(
            f"vpr_{self.stem}.h",
            self.stem,
            parameters([("const int8_t *input", self.source), ("int8_t *output", self.outputs[0])]),
            f"const struct vpr_pool shape = {shape};\n"
            f"const struct vpr_range range = {self.range.c()};\n"
            f"vpr_{self.stem}(shape, input, range, output);",
        )


class AveragePool(Pool):
    """AVERAGE_POOL_2D."""

    code = "AVERAGE_POOL_2D"
    stem = "average_pool_s8"

    def pooled(self, image: Values) -> Values:
        """See `Pool`; rounded half away from zero, zero points included."""
        total = sum(self.window.taps(image, 0), np.int64(0))
        inside = np.ones((*self.window.source, 1), np.int64)
        count = sum(self.window.taps(inside, 0), np.int64(0))
        rounded: Values = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return rounded


class MaxPool(Pool):
    """MAX_POOL_2D."""

    code = "MAX_POOL_2D"
    stem = "max_pool_s8"

    def pooled(self, image: Values) -> Values:
        """See `Pool`."""
        return reduce(np.maximum, self.window.taps(image, LEAST))
