"""What an operator is built from: a node of the file, with the words to refuse it."""

from dataclasses import dataclass
from typing import Any

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.errors import ModelError
from vpr_edge.tflite.read import TfliteTensor as Tensor

_LIMITS = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
}


@dataclass(frozen=True, eq=False)
class Node:
    """One operator as the file has it, its types not checked yet.

    Attributes:
        position: index of the layer in the file.
        code: builtin name, such as "CONV_2D".
        version: of the operator.
        options: the schema's object of builtin options, or None where the file has none.
        inputs: tensors read; None for an optional one that is absent.
        outputs: tensors written.
    """

    position: int
    code: str
    version: int
    options: Any
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    def refuse(self, what: str, advice: str, tensor: Tensor | None = None) -> ModelError:
        """The error that names operator, layer and tensor in one sentence."""
        named = tensor or (self.outputs[0] if self.outputs else None)
        where = f" of tensor '{named.name}'" if named else ""
        return ModelError(f"Layer {self.position} ({self.code}){where}: {what}; {advice}.")

    def option(self, name: str, default: Any) -> Any:
        """A builtin option, `default` where the file carries no options for this operator."""
        return default if self.options is None else getattr(self.options, name, default)

    def needed(self, name: str) -> Any:
        """A builtin option that makes no sense where the file carries none.

        Raises:
            ModelError: the file has no options for this operator, or those of another.
        """
        value = None if self.options is None else getattr(self.options, name, None)
        if value is None:
            raise self.refuse(
                f"it has no option {name}", "the file is corrupt, so convert the model again"
            )
        return value

    def expect(self, inputs: tuple[int, int], outputs: int = 1) -> None:
        """Check how many tensors are read (from, to) and written.

        Raises:
            ModelError: another number.
        """
        if not inputs[0] <= len(self.inputs) <= inputs[1] or len(self.outputs) != outputs:
            raise self.refuse(
                f"it reads {len(self.inputs)} tensors and writes {len(self.outputs)}",
                "the file is corrupt, so convert the model again",
            )

    def input(self, index: int, *dtypes: str, rank: int | None = None) -> Tensor:
        """An input that must be there, of one of the types and of that number of dimensions.

        Raises:
            ModelError: it is absent, or of another type or rank.
        """
        tensor = self.inputs[index] if index < len(self.inputs) else None
        if tensor is None:
            raise self.refuse(f"input {index} is absent", "convert the model again")
        return self.typed(tensor, *dtypes, rank=rank)

    def output(self, index: int, *dtypes: str, rank: int | None = None) -> Tensor:
        """An output of one of the types and of that number of dimensions.

        Raises:
            ModelError: it is of another type or rank.
        """
        return self.typed(self.outputs[index], *dtypes, rank=rank)

    def typed(self, tensor: Tensor, *dtypes: str, rank: int | None = None) -> Tensor:
        """Check a tensor's type and number of dimensions.

        Raises:
            ModelError: it is of another type or rank.
        """
        if dtypes and tensor.dtype.name not in dtypes:
            raise self.refuse(
                f"the type is {tensor.dtype.name} where {' or '.join(dtypes)} is needed",
                "quantise the model to full int8 before compiling it",
                tensor,
            )
        if rank is not None and len(tensor.shape) != rank:
            raise self.refuse(
                f"the shape {list(tensor.shape)} has not {rank} dimensions",
                "convert the model again",
                tensor,
            )
        return tensor

    def constant(self, index: int, *dtypes: str, rank: int | None = None) -> Tensor:
        """An input whose values the file holds.

        Raises:
            ModelError: it is absent, computed at run time, or of another type or rank.
        """
        tensor = self.input(index, *dtypes, rank=rank)
        if tensor.values is None:
            raise self.refuse(
                "the values are computed at run time",
                "only constants are compiled here, so convert the model with constants",
                tensor,
            )
        return tensor

    def affine(self, tensor: Tensor) -> Affine:
        """The one scale and zero point of an activation.

        Raises:
            ModelError: there is none, or one a channel.
        """
        if tensor.scale.size != 1:
            raise self.refuse(
                f"{tensor.scale.size} scales where one is needed",
                "quantise the model to full int8 before compiling it",
                tensor,
            )
        return Affine(np_float32(tensor.scale[0]), int(tensor.zero_point[0]))


def np_float32(value: Any) -> Any:
    """The value as numpy float32, the type in which files hold scales."""
    import numpy as np

    return np.float32(value)


def integer_limits(tensor: Tensor) -> tuple[int, int]:
    """Least and greatest integer of a tensor's type."""
    return _LIMITS[tensor.dtype.name]
