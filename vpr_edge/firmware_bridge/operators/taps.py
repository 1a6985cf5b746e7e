"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED in plain loops, for what the int8 kernels lack.

That is float32, int16 activations with int8 weights, and int8 weights that are computed at run time
or, in FULLY_CONNECTED, have a zero point that does not go into them.
"""

from dataclasses import dataclass, replace
from math import prod
from typing import Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Parameter,
    Values,
    c_struct,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.window import Pair, Window, batch_of_one, read_window
from vpr_edge.firmware_bridge.operators.tap_sums import (
    Sums,
    float_sums,
    int8_sums,
    int16_sums,
)

TYPES = ("int8", "int16", "float32")


@dataclass(frozen=True)
class Layout:
    """Where the weights lie, and which input channels an output channel reads.

    Attributes:
        outputs: output channels.
        depth: input channels that each reads.
        group: neighbouring output channels that read the same ones.
        output_step, tap_step: in the weights, from an output channel or a tap to the next.
    """

    outputs: int
    depth: int
    group: int
    output_step: int
    tap_step: int

    def arranged(self, weights: Values, taps: int) -> Values:
        """The weights as [taps, groups, group, depth]."""
        item = weights.itemsize
        view = np.lib.stride_tricks.as_strided(
            np.ascontiguousarray(weights),
            (taps, self.outputs, self.depth),
            (self.tap_step * item, self.output_step * item, item),
        )
        return view.reshape(taps, -1, self.group, self.depth)


@dataclass(frozen=True, eq=False)
class Taps(Operator):
    """What the three have.

    Attributes:
        window: the geometry.
        layout: of the weights.
        sums: the numbers.
    """

    window: Window
    layout: Layout
    sums: Sums

    @classmethod
    def takes(cls, node: Node) -> bool:
        """See `Operator`: all but int8 with constant weights."""
        source, weights = (node.inputs[i] if len(node.inputs) > i else None for i in (0, 1))
        if source is None or weights is None:
            return False
        return source.dtype != np.int8 or weights.values is None

    @classmethod
    def tensors(cls, node: Node) -> tuple[Tensor, Tensor, Tensor]:
        """Source, weights and output, their types checked; a bias is a constant.

        Raises:
            ModelError: types that TFLM does not take together.
        """
        node.expect((2, 3))
        source = node.input(0, *TYPES)
        weights = node.input(1, "float32" if source.dtype == np.float32 else "int8")
        return source, weights, node.output(0, source.dtype.name)

    @classmethod
    def numbers(cls, node: Node, layout: Layout, terms: int) -> Sums:
        """How products are summed.

        Raises:
            ModelError: sums that leave their type, or biases that do not fit.
        """
        source = node.input(0)
        weights = node.input(1).values
        rows = None if weights is None else layout.arranged(weights, terms // layout.depth)
        if rows is not None:
            rows = rows.transpose(1, 2, 0, 3).reshape(layout.outputs, terms)
        if source.dtype == np.float32:
            return float_sums(node, layout.outputs)
        made = int16_sums if source.dtype == np.int16 else int8_sums
        return made(node, rows, layout.outputs, terms)

    @property
    def spread(self) -> Pair:
        """Steps from a row or column of the input to the next, in the window's image."""
        return (1, 1)

    @property
    def size(self) -> Pair:
        """Rows and columns of the input."""
        rows, columns = (-(-n // s) for n, s in zip(self.window.source, self.spread, strict=True))
        return rows, columns

    def turned(self, weights: Values) -> Values:
        """The weights in the order of the window's taps."""
        return weights

    @property
    def _weights(self) -> Tensor | Constant | None:
        return self.inputs[1]

    @property
    def macs(self) -> int:
        """See `Operator`."""
        return prod(self.window.result) * self.layout.outputs * self._taps * self.layout.depth

    @property
    def _taps(self) -> int:
        return prod(self.window.kernel)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        source, weights = values[self.source_index], values[1]
        assert source is not None and weights is not None
        rows, columns = self.size
        image = self.sums.without_zero_point(source.reshape(rows, columns, -1))
        wide = np.zeros((*self.window.source, image.shape[2]), image.dtype)
        wide[:: self.spread[0], :: self.spread[1]] = image
        depth = self.layout.depth
        taps = [tap.reshape(*self.window.result, -1, depth) for tap in self.window.taps(wide, 0)]
        found = self.sums.apply(taps, self.layout.arranged(self.turned(weights), self._taps))
        return (found.reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        rows, columns = self.window.dilation
        layout = self.layout
        shape = self.window.fields() | {
            "in_rows": self.size[0],
            "in_columns": self.size[1],
            "in_channels": prod(self.source.shape) // prod(self.size),
            "spread_rows": self.spread[0],
            "spread_columns": self.spread[1],
            "out_channels": layout.outputs,
            "dilation_rows": rows,
            "dilation_columns": columns,
            "depth": layout.depth,
            "group": layout.group,
            "output_step": layout.output_step,
            "tap_step": layout.tap_step,
        }
        kind = self.sums.header.removeprefix("vpr_taps_").removesuffix(".h")
        c_type = {"f32": "float", "s8": "int8_t", "s16": "int16_t"}[kind]
        weights_type = "float" if kind == "f32" else "int8_t"
        given: tuple[Parameter, ...] = parameters(
            [
                (f"const {c_type} *input", self.source),
                (f"const {weights_type} *weights", self._weights),
                *self.sums.constants(),
                (f"{c_type} *output", self.outputs[0]),
            ]
        )
        return Kernel(
            self.sums.header,
            f"{self.code.lower()}_{kind}",
            given,
            f"const struct vpr_taps shape = {c_struct(**shape)};\n{self.sums.body()}",
        )


class TapsConvolution(Taps):
    """CONV_2D; TFLM takes no notice of a weights' zero point."""

    code = "CONV_2D"
    one_image = True

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        source, weights, output = cls.tensors(node)
        for tensor in (source, weights, output):
            node.typed(tensor, rank=4)
        batch_of_one(node, source, output)
        channels, rows, columns, depth = weights.shape
        groups = source.shape[3] // depth
        if groups * depth != source.shape[3] or channels % groups or output.shape[3] != channels:
            raise refuse_weights(node, weights, source, output)
        taps = rows * columns
        layout = Layout(channels, depth, channels // groups, taps * depth, depth)
        window = read_window(node, source, (rows, columns), output)
        return cls(node, window, layout, cls.numbers(node, layout, taps * depth))


class TapsDepthwise(Taps):
    """DEPTHWISE_CONV_2D."""

    code = "DEPTHWISE_CONV_2D"
    one_image = True

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        source, weights, output = cls.tensors(node)
        for tensor in (source, weights, output):
            node.typed(tensor, rank=4)
        batch_of_one(node, source, output)
        _, rows, columns, channels = weights.shape
        repeat = int(node.needed("depthMultiplier"))
        if weights.shape[0] != 1 or not channels == repeat * source.shape[3] == output.shape[3]:
            raise refuse_weights(node, weights, source, output)
        layout = Layout(channels, 1, repeat, 1, channels)
        window = read_window(node, source, (rows, columns), output)
        return cls(node, window, layout, cls.numbers(node, layout, rows * columns))


class TapsTransposed(Taps):
    """TRANSPOSE_CONV as a convolution of the spread input with the kernel turned round."""

    code = "TRANSPOSE_CONV"
    source_index = 2
    one_image = True

    @classmethod
    def takes(cls, node: Node) -> bool:
        """See `Operator`."""
        source = node.inputs[2] if len(node.inputs) > 2 else None
        return source is not None and source.dtype != np.int8

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((3, 4))
        shape, weights, source = node.input(0, "int32", rank=1), node.input(1), node.input(2)
        # As a convolution reads them.
        turned = replace(node, inputs=(source, weights, *node.inputs[3:]))
        source, weights, output = cls.tensors(turned)
        node.constant(1, rank=4)
        for tensor in (source, output):
            node.typed(tensor, rank=4)
        batch_of_one(node, source, output)
        channels, rows, columns, depth = weights.shape
        asked = shape.values is None or tuple(shape.values) == output.shape
        if depth != source.shape[3] or channels != output.shape[3] or not asked:
            raise refuse_weights(node, weights, source, output)
        backwards = read_window(node, output, (rows, columns), source, role="input")
        window = Window(
            tuple((n - 1) * s + 1 for n, s in zip(backwards.result, backwards.stride, strict=True)),  # type: ignore[arg-type]
            backwards.source,
            backwards.kernel,
            (1, 1),
            (1, 1),
            (rows - 1 - backwards.pad[0], columns - 1 - backwards.pad[1]),
        )
        taps = rows * columns
        layout = Layout(channels, depth, channels, taps * depth, depth)
        return cls(node, window, layout, cls.numbers(turned, layout, taps * depth))

    @property
    def spread(self) -> Pair:
        """See `Taps`."""
        return int(self.node.needed("strideH")), int(self.node.needed("strideW"))

    def turned(self, weights: Values) -> Values:
        """See `Taps`."""
        return weights[:, ::-1, ::-1]

    @property
    def _weights(self) -> Tensor | Constant | None:
        tensor = self.inputs[1]
        assert tensor is not None and tensor.values is not None
        return Constant("weights", np.ascontiguousarray(self.turned(tensor.values)))


class TapsFullyConnected(Taps):
    """FULLY_CONNECTED."""

    code = "FULLY_CONNECTED"

    @classmethod
    def takes(cls, node: Node) -> bool:
        """See `Taps`; also a zero point that leads out of int8."""
        weights = node.inputs[1] if len(node.inputs) > 1 else None
        if super().takes(node) or weights is None or weights.values is None:
            return super().takes(node)
        if weights.zero_point.size != 1:
            return False
        moved = weights.values.astype(np.int64) - weights.zero_point[0]
        return bool(moved.min() < -128 or moved.max() > 127)

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        source, weights, output = cls.tensors(node)
        node.typed(weights, rank=2)
        channels, depth = weights.shape
        rows = prod(source.shape) // depth
        if rows * depth != prod(source.shape) or prod(output.shape) != rows * channels:
            raise node.refuse(
                f"the weights {list(weights.shape)} do not fit the input {list(source.shape)} and "
                f"the output {list(output.shape)}",
                "the file is corrupt, so convert the model again",
                weights,
            )
        if node.option("weightsFormat", 0) != 0:
            raise node.refuse("the weights are shuffled", "convert the model without it", weights)
        layout, one = Layout(channels, depth, channels, depth, depth), (1, 1)
        window = Window((1, rows), (1, rows), one, one, one, (0, 0))
        return cls(node, window, layout, cls.numbers(node, layout, depth))


def refuse_weights(node: Node, weights: Tensor, source: Tensor, output: Tensor) -> Exception:
    """The error for weights that fit neither input nor output."""
    return node.refuse(
        f"the weights {list(weights.shape)} do not fit {source.shape[3]} input and "
        f"{output.shape[3]} output channels",
        "the file is corrupt, so convert the model again",
        weights,
    )
