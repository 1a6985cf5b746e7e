"""PAD and PADV2, their amounts and value constants."""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    parameters,
)
from vpr_edge.firmware_bridge.operators.shared.rearrangement import (
    check_rank,
    check_shape,
    read_integers,
)
from vpr_edge.firmware_bridge.operators.shared.strided import StridedCopy, strided_copy


@dataclass(frozen=True, eq=False)
class Pad(Operator):
    """PAD: up to five dimensions, any of the four types that TFLM takes.

    Attributes:
        before: elements in front of the input along each axis.
        value: what lies around the input, of the output's type.
    """

    code = "PAD"
    before: tuple[int, ...]
    value: Any

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 3))
        source = node.input(0, "int8", "int16", "int32", "float32")
        output = node.output(0, source.dtype.name)
        check_rank(node, source, 5)
        amounts = read_integers(node, 1)
        before, after = amounts[::2], amounts[1::2]
        if len(amounts) != 2 * len(source.shape) or min(amounts, default=0) < 0:
            raise node.refuse(
                f"{list(amounts)} are no paddings of {len(source.shape)} dimensions",
                "the file is corrupt, so convert the model again",
            )
        wanted = (a + n + b for a, n, b in zip(before, source.shape, after, strict=True))
        check_shape(node, source, tuple(wanted))
        return cls(node, before, _value(node, output))

    def _inside(self, padded: Values) -> Values:
        """The view of a padded array in which the input lies."""
        return padded[
            tuple(slice(a, a + n) for a, n in zip(self.before, self.source.shape, strict=True))
        ]

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        padded = np.full(self.outputs[0].shape, self.value, self.outputs[0].dtype)
        self._inside(padded)[...] = values[0]
        return (padded,)

    @cached_property
    def copy(self) -> StridedCopy:
        """From the input to its place."""
        source = np.empty(self.source.shape, self.source.dtype)
        padded = np.empty(self.outputs[0].shape, self.source.dtype)
        return strided_copy(source, source, padded, self._inside(padded))

    def kernel(self) -> Kernel:
        """See `Operator`."""
        output = self.outputs[0]
        value = np.full(1, self.value, output.dtype)
        count = prod(output.shape)
        pattern = set(value.tobytes())
        fill = (
            # One byte over and over, as zeros are in every type.
            f"memset(output, {pattern.pop()}, {count * output.dtype.itemsize});"
            if len(pattern) == 1
            else f"vpr_fill(value, {output.dtype.itemsize}, {count}, (uint8_t *)output);"
        )
        return Kernel(
            "vpr_pad.h",
            "pad",
            parameters(
                [
                    ("const void *input", self.source),
                    *(
                        []
                        if fill.startswith("memset")
                        else [("const void *value", Constant("value", value))]
                    ),
                    ("void *output", output),
                ]
            ),
            f"const struct vpr_copy copy = {self.copy.c()};\n{fill}\n"
            f"vpr_copy(copy, (const uint8_t *)input, (uint8_t *)output + {self.copy.start[1]});",
        )


def _value(node: Node, output: Tensor) -> Any:
    given = node.inputs[2] if len(node.inputs) > 2 else None
    if given is None:
        return node.affine(output).zero_point if output.dtype == np.int8 else 0
    values = node.constant(2, output.dtype.name).values
    assert values is not None
    if values.size != 1:
        raise node.refuse(
            f"the value has {values.size} elements where one is needed",
            "the file is corrupt, so convert the model again",
            given,
        )
    if output.dtype == np.int8 and node.affine(given) != node.affine(output):
        raise node.refuse(
            "it has another scale or zero point than the output, and TFLM does not rescale it",
            "quantise the model so that the value shares the output's",
            given,
        )
    return values.reshape(-1)[0]


class PadV2(Pad):
    """PADV2: the value is given."""

    code = "PADV2"
