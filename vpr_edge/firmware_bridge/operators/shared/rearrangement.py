"""What operators share whose outputs are views of the input, copied out: slices, transpositions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Operator, Values, parameters
from vpr_edge.firmware_bridge.operators.shared.strided import StridedCopy, strided_copy

# Of an array of the input's shape, one view for each output.
Pick = Callable[[Values], tuple[Values, ...]]


@dataclass(frozen=True, eq=False)
class Rearrangement(Operator):
    """An operator whose outputs are the elements of numpy views of its input, in order.

    Attributes:
        source_index: which input the elements come from.
        types: that TFLM takes.
        pick: the views.
    """

    source_index: ClassVar[int] = 0
    types: ClassVar[tuple[str, ...]] = ("int8", "int16", "float32")
    pick: Pick

    @classmethod
    def moved(cls, node: Node) -> Tensor:
        """The input whose elements are moved, its type and that of the outputs checked.

        Raises:
            ModelError: a type that TFLM does not take.
        """
        source = node.input(cls.source_index, *cls.types)
        for index in range(len(node.outputs)):
            node.output(index, source.dtype.name)
        return source

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        array = values[self.source_index]
        assert array is not None
        return tuple(
            np.ascontiguousarray(view).reshape(tensor.shape)
            for view, tensor in zip(self.pick(array), self.outputs, strict=True)
        )

    @cached_property
    def copies(self) -> tuple[StridedCopy, ...]:
        """One for each output."""
        array = np.empty(self.source.shape, self.source.dtype)
        results = (np.empty(view.shape, view.dtype) for view in self.pick(array))
        return tuple(
            strided_copy(array, view, result, result)
            for view, result in zip(self.pick(array), results, strict=True)
        )

    @property
    def is_view(self) -> bool:
        """See `Operator`; constants and variables are copied, as they keep their own bytes."""
        apart = self.source.values is not None or self.source.variable
        return not apart and len(self.outputs) == 1 and self.copies[0].is_whole

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        return self.copies[0].clearance if len(self.outputs) == 1 else None

    def kernel(self) -> Kernel:
        """See `Operator`."""
        copies = self.copies
        names = [f"output{index}" for index in range(len(copies))]
        return Kernel(
            "vpr_copy.h",
            self.code.lower(),
            parameters(
                [
                    ("const void *input", self.source),
                    *((f"void *{n}", t) for n, t in zip(names, self.outputs, strict=True)),
                ]
            ),
            "\n".join(
                f"const struct vpr_copy copy{index} = {copy.c()};\n"
                f"vpr_copy(copy{index}, (const uint8_t *)input + {copy.start[0]}, "
                f"(uint8_t *){name});"
                for index, (copy, name) in enumerate(zip(copies, names, strict=True))
            ),
        )


def read_integers(node: Node, index: int, *dtypes: str) -> tuple[int, ...]:
    """The values of a constant int32 input, or one of the types given.

    Raises:
        ModelError: it is absent, computed at run time, or of another type.
    """
    values = node.constant(index, *(dtypes or ("int32",))).values
    assert values is not None
    return tuple(int(value) for value in values.reshape(-1))


def read_axis(node: Node, axis: int, rank: int) -> int:
    """A non-negative axis.

    Raises:
        ModelError: there is none such among `rank` dimensions.
    """
    found = axis + rank if axis < 0 else axis
    if not 0 <= found < rank:
        raise node.refuse(
            f"there is no axis {axis} among {rank} dimensions",
            "the file is corrupt, so convert the model again",
        )
    return found


def check_rank(node: Node, source: Tensor, most: int) -> None:
    """Check the number of dimensions.

    Raises:
        ModelError: there are more than TFLM takes.
    """
    if len(source.shape) > most:
        raise node.refuse(
            f"the shape {list(source.shape)} has more than {most} dimensions",
            "TFLM takes no more, so merge some of them",
            source,
        )


def check_shape(node: Node, source: Tensor, wanted: tuple[int, ...], index: int = 0) -> None:
    """Check the declared shape of an output.

    Raises:
        ModelError: it is another.
    """
    if node.outputs[index].shape != wanted:
        raise refuse_shape(node, source, index)


def refuse_shape(node: Node, source: Tensor, index: int = 0) -> ModelError:
    """The error for an output whose shape is not what the input gives."""
    output = node.outputs[index]
    return node.refuse(
        f"the shape {list(output.shape)} is not what the input {list(source.shape)} gives",
        "the file is corrupt, so convert the model again",
        output,
    )
