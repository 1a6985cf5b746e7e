"""Geometry of the layers that slide a window: kernel, strides, dilation, padding."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor

Pair = tuple[int, int]
# Output pixels that a kernel may write before it has read the first of the next ones.
PIXELS_AT_ONCE = 4


@dataclass(frozen=True)
class Window:
    """A window over an image; each pair is (rows, columns).

    Attributes:
        source, result: sizes of input and output.
        kernel, stride, dilation: as usual.
        pad: before the first row and column; after the last there is as much as the result needs.
    """

    source: Pair
    result: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    pad: Pair

    def padded(self, pad: Pair) -> "Window":
        """The same window with other padding in front."""
        return replace(self, pad=pad)

    def taps(self, values: NDArray[Any], fill: int) -> Iterator[NDArray[Any]]:
        """For each tap in row-major order the values [R, C, channels] under it.

        Args:
            values: int64 or float32 [rows, columns, channels] of the input.
            fill: what lies outside the image.
        """
        extent = [
            max((r - 1) * s + (k - 1) * d + 1, p + n)
            for r, s, k, d, p, n in zip(
                self.result,
                self.stride,
                self.kernel,
                self.dilation,
                self.pad,
                self.source,
                strict=True,
            )
        ]
        image = np.full((*extent, values.shape[2]), fill, values.dtype)
        top, left = self.pad
        image[top : top + self.source[0], left : left + self.source[1]] = values
        for y in range(self.kernel[0]):
            for x in range(self.kernel[1]):
                from_y, from_x = y * self.dilation[0], x * self.dilation[1]
                yield image[
                    from_y : from_y + (self.result[0] - 1) * self.stride[0] + 1 : self.stride[0],
                    from_x : from_x + (self.result[1] - 1) * self.stride[1] + 1 : self.stride[1],
                ]

    def fields(self) -> dict[str, int]:
        """What a kernel's C struct says of the window."""
        pairs = {
            "in": self.source,
            "out": self.result,
            "kernel": self.kernel,
            "stride": self.stride,
        }
        sizes = {
            f"{name}_{axis}": length
            for name, pair in pairs.items()
            for axis, length in zip(("rows", "columns"), pair, strict=True)
        }
        return sizes | {"pad_top": self.pad[0], "pad_left": self.pad[1]}

    @property
    def is_pointwise(self) -> bool:
        """Whether each output pixel comes from the one input pixel at its place."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.source == self.result

    def clearance(self, input_pixel_bytes: int, output_pixel_bytes: int, rows: int = 1) -> int:
        """See `Operator.clearance`: for kernels that write `rows` rows at a time, top to bottom."""
        total = self.result[0] * self.result[1]
        if self.is_pointwise and rows == 1:
            needed = max(
                min(start + PIXELS_AT_ONCE, total) * output_pixel_bytes - start * input_pixel_bytes
                for start in (0, max(total - PIXELS_AT_ONCE, 0), max(total - 1, 0))
            )
            return max(needed, 0)
        row_in = self.source[1] * input_pixel_bytes
        row_out = self.result[1] * output_pixel_bytes
        return max(
            min(y + rows, self.result[0]) * row_out
            - max(y * self.stride[0] - self.pad[0], 0) * row_in
            for y in range(0, self.result[0], rows)
        )


def read_window(
    node: Node, source: Tensor, kernel: Pair, result: Tensor, role: str = "output"
) -> Window:
    """A layer's window, the declared size of its result checked against the geometry.

    Args:
        node: the layer.
        source, result: images that the window reads and gives.
        kernel: rows and columns.
        role: what the layer calls `result`; the "input" of a transposed convolution.

    Raises:
        ModelError: strides or dilations below 1, or an output of another size.
    """
    stride = (int(node.needed("strideH")), int(node.needed("strideW")))
    dilation = (
        int(node.option("dilationHFactor", 1)),
        int(node.option("dilationWFactor", 1)),
    )
    if min(*stride, *dilation, *kernel) < 1 or max(*stride, *dilation, *kernel) > 1 << 15:
        raise node.refuse(
            f"the strides {stride}, dilations {dilation} or kernel {kernel} are out of range",
            "the file is corrupt, so convert the model again",
        )
    size = (source.shape[1], source.shape[2])
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    if node.option("padding", schema.Padding.SAME) == schema.Padding.SAME:
        wanted = tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
        pad = tuple(
            max((w - 1) * s + r - n, 0) // 2
            for w, s, r, n in zip(wanted, stride, reach, size, strict=True)
        )
    else:
        wanted = tuple(
            max((n - r) // s + 1, 0) for n, s, r in zip(size, stride, reach, strict=True)
        )
        pad = (0, 0)
    if tuple(result.shape[1:3]) != wanted or min(wanted) < 1:
        raise node.refuse(
            f"the {role} is {result.shape[1]}x{result.shape[2]} where its window gives "
            f"{wanted[0]}x{wanted[1]}",
            "the file is corrupt, so convert the model again",
            result,
        )
    return Window(size, (wanted[0], wanted[1]), kernel, stride, dilation, (pad[0], pad[1]))


def batch_of_one(node: Node, *tensors: Tensor) -> None:
    """Check that there is one image; of several, the layer is compiled for each (`EachImage`).

    Raises:
        ModelError: another batch.
    """
    for tensor in tensors:
        if tensor.shape[0] != 1:
            raise node.refuse(
                f"the batch is {tensor.shape[0]} where other tensors of the layer have another",
                "the file is corrupt, so convert the model again",
                tensor,
            )
