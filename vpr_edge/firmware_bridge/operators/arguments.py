"""ARG_MAX and ARG_MIN: where along an axis the first greatest or smallest element lies."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Kernel,
    Operator,
    Values,
    c_type,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    check_shape,
    read_axis,
    read_integers,
)


@dataclass(frozen=True, eq=False)
class ArgMax(Operator):
    """ARG_MAX, int8 and float32.

    Attributes:
        axis: that is searched.
    """

    code = "ARG_MAX"
    sign: ClassVar[int] = 1
    axis: int

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2))
        source = node.input(0, "int8", "float32")
        given = read_integers(node, 1)
        node.output(0, "int32")
        if len(given) != 1:
            raise node.refuse(f"it names the axes {list(given)}", "convert it with one axis")
        axis = read_axis(node, given[0], len(source.shape))
        check_shape(node, source, (*source.shape[:axis], *source.shape[axis + 1 :]))
        return cls(node, axis)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`: one after the other, so that NaN and -0 are TFLM's."""
        assert values[0] is not None
        terms = np.moveaxis(values[0], self.axis, 0)
        best, found = terms[0], np.zeros(terms.shape[1:], np.int32)
        for index, term in enumerate(terms):
            better = term > best if self.sign > 0 else term < best
            best, found = np.where(better, term, best), np.where(better, index, found)
        return (found.astype(np.int32),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        shape = self.source.shape
        sizes = prod(shape[: self.axis]), shape[self.axis], prod(shape[self.axis + 1 :])
        kind = "f32" if self.source.dtype == np.float32 else "s8"
        return Kernel(
            "vpr_argument.h",
            self.code.lower(),
            parameters(
                [
                    (f"const {c_type(self.source)} *input", self.source),
                    ("int32_t *output", self.outputs[0]),
                ]
            ),
            f"vpr_argument_{kind}({', '.join(map(str, sizes))}, {self.sign}, input, output);",
        )


class ArgMin(ArgMax):
    """ARG_MIN."""

    code = "ARG_MIN"
    sign = -1
