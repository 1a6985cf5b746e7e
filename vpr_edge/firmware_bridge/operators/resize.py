"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of one image."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import check_shape, read_integers
from vpr_edge.firmware_bridge.operators.shared.window import Pair, batch_of_one

# RESIZE_BILINEAR's coordinates have this many fractional bits.
FRACTION_BITS = 10
# Longer sides would overflow them, and numbers in float32.
LONGEST_SIDE = 1 << 15


@dataclass(frozen=True, eq=False)
class Resize(Operator):
    """What both have.

    Attributes:
        aligned: whether the corners' centres are on each other (align_corners).
        half: whether pixels are squares with centres at halves (half_pixel_centers).
    """

    one_image = True
    types: ClassVar[tuple[str, ...]]
    aligned: bool
    half: bool

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source = node.input(0, *cls.types, rank=4)
        output = node.output(0, source.dtype.name, rank=4)
        batch_of_one(node, source, output)
        size = read_integers(node, 1)
        check_shape(node, source, (1, *size, source.shape[3]))
        if max(*source.shape[1:3], *size) >= LONGEST_SIDE:
            raise node.refuse(f"a side is {LONGEST_SIDE} pixels or longer", "resize smaller images")
        aligned = bool(node.option("alignCorners", False))
        found = cls(node, aligned, bool(node.option("halfPixelCenters", False)))
        found.check()
        return found

    def check(self) -> None:
        """Check what concerns one of the two alone.

        Raises:
            ModelError: options that exclude each other, or on which TFLM reads out of the image.
        """

    @property
    def axes(self) -> Iterable[Pair]:
        """Of rows and of columns the length in the input and in the output."""
        output = self.outputs[0].shape
        return zip(self.source.shape[1:3], output[1:3], strict=True)

    def over(self, read: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
        """The clearance of a kernel that writes row by row.

        Args:
            read: first rows of the input that are read for rows of the output.
            rows: these rows of the output.
        """
        size = self.source.dtype.itemsize
        row_in, row_out = (
            shape[2] * shape[3] * size for shape in (self.source.shape, self.outputs[0].shape)
        )
        return max(0, int(((rows + 1) * row_out - read * row_in).max()))


class ResizeNearest(Resize):
    """RESIZE_NEAREST_NEIGHBOR."""

    code = "RESIZE_NEAREST_NEIGHBOR"
    types = ("int8", "int16", "float32")

    @property
    def indices(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of rows and of columns the nearest in the input, in TFLM's float32."""
        rows, columns = (self._nearest(*lengths) for lengths in self.axes)
        return rows, columns

    def _nearest(self, source: int, result: int) -> NDArray[np.int64]:
        corners = self.aligned and result > 1
        scale = np.float32(source - corners) / np.float32(result - corners)
        offset = np.float32(0.5 if self.half else 0)
        found = ((np.arange(result).astype(np.float32) + offset) * scale).astype(np.float64)
        whole = np.floor(found + (0.5 if self.aligned else 0))
        return np.minimum(whole, source - 1).astype(np.int64)

    @property
    def factors(self) -> Pair | None:
        """How often each row and column is repeated; None where that differs."""
        counts = [result // source for source, result in self.axes]
        for index, count, (_, result) in zip(self.indices, counts, self.axes, strict=True):
            if count == 0 or not np.array_equal(index, np.arange(result) // count):
                return None
        return counts[0], counts[1]

    def clearance(self, index: int) -> int | None:
        """See `Operator`; repeated rows are copied within the output."""
        rows = self.indices[0]
        anew = np.flatnonzero(np.diff(rows, prepend=-1))
        return self.over(rows[anew], anew)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        rows, columns = self.indices
        return (np.ascontiguousarray(values[0][:, rows][:, :, columns]),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        _, rows, columns, channels = self.source.shape
        pixel = channels * self.source.dtype.itemsize
        arrays = [("const void *input", self.source), ("void *output", self.outputs[0])]
        pointers = "(const uint8_t *)input, (uint8_t *)output"
        if self.factors is not None:
            return Kernel(
                "vpr_repeat.h",
                "repeat",
                parameters(arrays),
                f"vpr_repeat({rows}, {columns}, {pixel}, {self.factors[0]}, {self.factors[1]}, "
                f"{pointers});",
            )
        sides = [
            (f"const int32_t *{name}", Constant(name, index.astype(np.int32)))
            for name, index in zip(("rows", "columns"), self.indices, strict=True)
        ]
        _, out_rows, out_columns, _ = self.outputs[0].shape
        return Kernel(
            "vpr_resize_nearest.h",
            "resize_nearest",
            parameters([*arrays, *sides]),
            f"vpr_resize_nearest({columns * pixel}, {pixel}, {out_rows}, {out_columns}, rows, "
            f"columns, {pointers});",
        )


class ResizeBilinear(Resize):
    """RESIZE_BILINEAR, int8, in TFLM's fixed point."""

    code = "RESIZE_BILINEAR"
    types = ("int8",)

    def check(self) -> None:
        """See `Resize`."""
        if self.aligned and self.half:
            raise self.node.refuse(
                "it has both align_corners and half_pixel_centers",
                "convert the model with one of them",
            )
        for axis, (source, _) in enumerate(self.axes):
            if self._between(axis)[0].max() >= source:
                raise self.node.refuse(
                    f"TFLM's rounding of its scale leads out of the {source} pixels of a side",
                    "resize in two layers",
                )

    @property
    def scales(self) -> Pair:
        """Of rows and of columns the step in the input, with `FRACTION_BITS`."""
        found = []
        for source, result in self.axes:
            corners = self.aligned and result > 1
            steps = result - corners
            found.append((((source - corners) << FRACTION_BITS) + steps // 2) // steps)
        return found[0], found[1]

    def _between(self, axis: int) -> tuple[NDArray[np.int64], ...]:
        """Lower and upper neighbours along an axis, and the weight of the upper."""
        (source, result), scale = list(self.axes)[axis], self.scales[axis]
        offset = scale // 2 - (1 << FRACTION_BITS >> 1) if self.half else 0
        at = np.arange(result) * scale + offset
        lower = np.maximum(at >> FRACTION_BITS, 0)
        upper = np.minimum((at + (1 << FRACTION_BITS) - 1) >> FRACTION_BITS, source - 1)
        return lower, upper, at - (lower << FRACTION_BITS)

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        lower = self._between(0)[0]
        return self.over(lower, np.arange(len(lower)))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        image, one = values[0].astype(np.int64), 1 << FRACTION_BITS
        top, bottom, below = self._between(0)
        left, right, beside = self._between(1)
        below, beside = below[:, None, None], beside[:, None]
        total = sum(
            image[:, rows][:, :, columns] * vertical * horizontal
            for rows, vertical in ((top, one - below), (bottom, below))
            for columns, horizontal in ((left, one - beside), (right, beside))
        )
        # Half away from zero.
        half = 1 << 2 * FRACTION_BITS - 1
        rounded = np.sign(total) * ((np.abs(total) + half) >> 2 * FRACTION_BITS)
        return (rounded.astype(np.int8),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        _, rows, columns, channels = self.source.shape
        _, out_rows, out_columns, _ = self.outputs[0].shape
        shape = c_struct(
            in_rows=rows,
            in_columns=columns,
            channels=channels,
            out_rows=out_rows,
            out_columns=out_columns,
            row_scale=self.scales[0],
            column_scale=self.scales[1],
            half=int(self.half),
        )
        return Kernel(
            "vpr_resize_bilinear_s8.h",
            "resize_bilinear_s8",
            parameters([("const int8_t *input", self.source), ("int8_t *output", self.outputs[0])]),
            f"const struct vpr_bilinear shape = {shape};\n"
            "vpr_resize_bilinear_s8(shape, input, output);",
        )
