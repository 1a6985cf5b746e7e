"""What element-wise operators of one input share: a table of 256 results, or a float function."""

from abc import abstractmethod
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.floats import FloatFunction, c_float
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    parameters,
)

INT8 = np.arange(-128, 128)
TABLE_BODY = "vpr_table_s8(input, table, count, output);"


@dataclass(frozen=True, eq=False)
class Table:
    """A function of one int8.

    Attributes:
        results: int8 [256], of -128 to 127.
    """

    results: NDArray[np.int8]

    def apply(self, x: Values) -> Values:
        """The function of every element."""
        return self.results[x.astype(np.int64) + 128]


def table(results: Values, low: int = -128, high: int = 127) -> Table:
    """The table of 256 integers, clamped."""
    return Table(np.clip(results, low, high).astype(np.int8))


@dataclass(frozen=True, eq=False)
class Unary(Operator):
    """An operator on single elements.

    int8 results are TFLM's; float32 results are the same bits on every machine, but for the
    library's exp, log and tanh (see `floats`).

    Attributes:
        types: of input and output, that the operator takes.
        function: what happens to each element.
    """

    types: ClassVar[tuple[str, ...]] = ("int8", "float32")
    function: Table | FloatFunction

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0, *cls.types)
        output = node.output(0, source.dtype.name)
        same_shape(node, source, output)
        if source.dtype == np.float32:
            return cls(node, cls.floating(node))
        if source.dtype == np.int8:
            # Both have a scale, so that what follows may take it.
            node.affine(source), node.affine(output)
        return cls(node, cls.quantized(node, source, output))

    @classmethod
    def floating(cls, node: Node) -> FloatFunction:
        """The function on float32.

        Raises:
            ModelError: an option that makes no sense.
        """
        return FloatFunction(cls.code.lower())

    @classmethod
    @abstractmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """The function on int8.

        Raises:
            ModelError: scales that TFLM's arithmetic does not reach.
        """

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        (x,) = values
        assert x is not None
        return (self.function.apply(x),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        return 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        source, output = self.inputs[0], self.outputs[0]
        count = prod(output.shape)
        if isinstance(self.function, Table):
            return table_kernel(source, self.function, count, output)
        function = self.function
        return Kernel(
            "vpr_unary_f32.h",
            f"{function.name}_f32",
            parameters(
                [
                    ("const float *input", source),
                    ("int32_t count", str(count)),
                    ("float *output", output),
                ]
            ),
            f"vpr_unary_f32(VPR_F32_{function.name.upper()}, input, count, "
            f"{c_float(function.parameter)}, output);",
        )


def table_kernel(source: Tensor | None, function: Table, count: int, output: Tensor) -> Kernel:
    """The C of a layer that looks its results up; one C function serves all such layers."""
    return Kernel(
        "vpr_table_s8.h",
        "table_s8",
        parameters(
            [
                ("const int8_t *input", source),
                ("const int8_t *table", Constant("table", function.results)),
                ("int32_t count", str(count)),
                ("int8_t *output", output),
            ]
        ),
        TABLE_BODY,
    )


def same_shape(node: Node, source: Tensor, output: Tensor) -> None:
    """Check the shape of an element-wise operator's output.

    Raises:
        ModelError: it is not the input's.
    """
    if source.shape != output.shape:
        raise node.refuse(
            f"the input's shape {list(source.shape)} is not the output's {list(output.shape)}",
            "the file is corrupt, so convert the model again",
        )
