"""CONCATENATION and PACK: several inputs, one after the other along an axis."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Self

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Operator, Values, parameters
from vpr_edge.firmware_bridge.operators.shared.rearrangement import check_shape, read_axis


@dataclass(frozen=True, eq=False)
class Join(Operator):
    """Rounds of pieces: one piece of each input in turn.

    Attributes:
        axis: of the output, along which the inputs lie.
    """

    types: ClassVar[tuple[str, ...]]
    axis: int

    @classmethod
    def joined(cls, node: Node) -> tuple[Tensor, ...]:
        """The inputs, their types checked, and the output's.

        Raises:
            ModelError: types that differ, or that TFLM does not take.
        """
        node.expect((1, max(len(node.inputs), 1)))
        output = node.output(0, *cls.types)
        return tuple(node.input(index, output.dtype.name) for index in range(len(node.inputs)))

    @property
    def sources(self) -> tuple[Tensor, ...]:
        """The inputs."""
        return tuple(tensor for tensor in self.inputs if tensor is not None)

    @property
    def rounds(self) -> int:
        """How many pieces each input has."""
        return prod(self.outputs[0].shape[: self.axis])

    @property
    def pieces(self) -> tuple[int, ...]:
        """Of each input the size of a piece, bytes."""
        size = self.outputs[0].dtype.itemsize
        return tuple(prod(t.shape) // self.rounds * size for t in self.sources)

    @property
    def is_view(self) -> bool:
        """See `Operator`."""
        source = self.sources[0]
        return len(self.sources) == 1 and source.values is None and not source.variable

    def clearance(self, index: int) -> int | None:
        """See `Operator`: the output is written in order."""
        pieces = self.pieces
        written = sum(pieces[: index + 1])
        return written + (self.rounds - 1) * (sum(pieces) - pieces[index])

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        rows = [np.asarray(value).reshape(self.rounds, -1) for value in values]
        return (np.concatenate(rows, axis=1).reshape(self.outputs[0].shape),)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        names = [f"input{index}" for index in range(len(self.sources))]
        pieces = ", ".join(
            f"{{{name}, {size}}}" for name, size in zip(names, self.pieces, strict=True)
        )
        return Kernel(
            "vpr_join.h",
            self.code.lower(),
            parameters(
                [
                    *((f"const void *{n}", t) for n, t in zip(names, self.sources, strict=True)),
                    ("void *output", self.outputs[0]),
                ]
            ),
            f"const struct vpr_piece pieces[] = {{{pieces}}};\n"
            f"vpr_join({self.rounds}, {len(names)}, pieces, (uint8_t *)output);",
        )


class Concatenation(Join):
    """CONCATENATION along any axis; int8 inputs share the output's scale and zero point."""

    code = "CONCATENATION"
    types = ("int8", "int16", "int32", "int64", "float32", "bool")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        sources, output = cls.joined(node), node.outputs[0]
        axis = read_axis(node, int(node.option("axis", 0)), len(output.shape))
        if node.option("fusedActivationFunction", 0):
            raise node.refuse(
                "TFLM's kernel has no fused activation", "convert the model with none"
            )
        for source in sources:
            if len(source.shape) != len(output.shape):
                raise node.refuse(
                    f"the shape {list(source.shape)} has not {len(output.shape)} dimensions",
                    "the file is corrupt, so convert the model again",
                    source,
                )
            if output.dtype == np.int8 and node.affine(source) != node.affine(output):
                raise node.refuse(
                    "it has another scale or zero point than the output, and TFLM does not "
                    "rescale it",
                    "quantise the model so that the inputs share the output's",
                    source,
                )
        length = sum(source.shape[axis] for source in sources)
        for source in sources:
            wanted = (*source.shape[:axis], length, *source.shape[axis + 1 :])
            check_shape(node, source, wanted)
        return cls(node, axis)


class Pack(Join):
    """PACK: inputs of one shape along a new axis."""

    code = "PACK"
    types = ("int8", "int16", "int32", "int64", "float32")

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        sources, output = cls.joined(node), node.outputs[0]
        axis = read_axis(node, int(node.option("axis", 0)), len(output.shape))
        for source in sources:
            wanted = (*source.shape[:axis], len(sources), *source.shape[axis:])
            check_shape(node, source, wanted)
        return cls(node, axis)
