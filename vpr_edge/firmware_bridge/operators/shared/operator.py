"""What every operator offers: type rules, buffer needs, C, and a numpy reference."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor

Values = NDArray[Any]
C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "float32": "float",
    "bool": "uint8_t",
}
# Builds whose kernels may read arrays of their own: for cores with Helium; for those with the DSP
# extension alone, and what of them only gcc compiles; for the smallest.
MVE, DSP, PLANES, SMALL = "mve", "dsp", "planes", "small"
# How C tells them, by the macros of `vpr_common.h`.
CORES_IN_C = {
    MVE: "defined(VPR_MVE)",
    PLANES: "defined(VPR_PLANES)",
    DSP: "defined(VPR_DSP) && !defined(VPR_MVE)",
    SMALL: "defined(VPR_SMALL)",
}
# For a core whose kernel does not read an array.
NOTHING: Values = np.zeros(0, np.int8)


@dataclass(frozen=True, eq=False)
class Constant:
    """An array that goes to the weights file, under a name within its layer.

    Attributes:
        name: within the layer.
        values: for every core that has no array of its own.
        variants: by kind of core (`CORES_IN_C`) what a build for it holds in their place; empty
            where its kernel does not read the array.
    """

    name: str
    values: Values
    variants: Mapping[str, Values] = field(default_factory=dict)


@dataclass(frozen=True)
class Scratch:
    """The layer's scratch memory in the arena."""


@dataclass(frozen=True, eq=False)
class Parameter:
    """A parameter of a layer's C function and what the layer passes for it.

    Attributes:
        declaration: C, such as "const int8_t *input".
        value: a tensor (its address), a constant, the scratch memory, or C text.
    """

    declaration: str
    value: Tensor | Constant | Scratch | str


@dataclass(frozen=True, eq=False)
class Kernel:
    """The C of one layer.

    Layers whose declarations and body are the same text share one C function, so what is literal
    in the body is a compile-time constant, and what differs between such layers is a parameter.

    Attributes:
        header: the runtime's file, such as "vpr_conv_s8.h".
        stem: name of the function within the model, such as "conv_s8".
        parameters: in order.
        body: C statements that use the parameters' names.
        fallible: whether the body returns an int, 0 when all went well; otherwise it returns
            nothing.
    """

    header: str
    stem: str
    parameters: tuple[Parameter, ...]
    body: str
    fallible: bool = False


@dataclass(frozen=True, eq=False)
class Operator(ABC):
    """One layer, its types checked. Subclasses are frozen dataclasses with what the layer needs.

    Attributes:
        code: the TFLite builtin that the class compiles.
        source_index: of the input that the layer is about.
        one_image: whether it takes one image, and a batch is one after the other (`EachImage`).
        node: the layer in the file.
    """

    code: ClassVar[str]
    source_index: ClassVar[int] = 0
    one_image: ClassVar[bool] = False
    node: Node

    @classmethod
    def takes(cls, node: Node) -> bool:
        """Whether it is this class that compiles the node, where several have the builtin."""
        return True

    @classmethod
    @abstractmethod
    def from_node(cls, node: Node) -> Self:
        """Check shapes, types and quantisation parameters.

        Raises:
            ModelError: what is wrong, naming operator, layer and tensor.
        """

    @abstractmethod
    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """The outputs, bit for bit those of TFLM's reference kernel.

        Args:
            values: one array for each of the node's inputs, constants too; None where absent.
        """

    @abstractmethod
    def kernel(self) -> Kernel:
        """The layer's C."""

    @property
    def is_view(self) -> bool:
        """Whether the output is the first activation's bytes (RESHAPE), so that nothing runs."""
        return False

    @property
    def scratch_bytes(self) -> int:
        """Memory that the kernel needs while it runs, bytes."""
        return 0

    def clearance(self, index: int) -> int | None:
        """How far above the output's first byte input `index` must begin, if they may overlap.

        A kernel that has read all it needs of the input's front before it writes there may write
        over it. 0: the output may take the input's place. None: they must be apart.
        """
        return None

    @property
    def macs(self) -> int:
        """Multiply-accumulates, padding counted as work."""
        return 0

    @property
    def inputs(self) -> tuple[Tensor | None, ...]:
        """Tensors read."""
        return self.node.inputs

    @property
    def source(self) -> Tensor:
        """The input that the layer is about; `from_node` has seen that it is there."""
        tensor = self.inputs[self.source_index]
        assert tensor is not None
        return tensor

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Tensors written."""
        return self.node.outputs

    @property
    def updates(self) -> tuple[Tensor, ...]:
        """Variables that are given new values, which `reference` returns after the outputs."""
        return ()

    def activations(self) -> tuple[tuple[int, Tensor], ...]:
        """Inputs that are computed at run time, with their indices."""
        return tuple(
            (index, tensor)
            for index, tensor in enumerate(self.inputs)
            if tensor is not None and tensor.values is None
        )


def c_type(tensor: Tensor) -> str:
    """Of a tensor's elements."""
    return C_TYPES[tensor.dtype.name]


def c_struct(**fields: Any) -> str:
    """A C99 designated initialiser, such as "{.rows = 3, .columns = 4}"."""
    return "{" + ", ".join(f".{name} = {value}" for name, value in fields.items()) + "}"


def parameters(pairs: Sequence[tuple[str, Any]]) -> tuple[Parameter, ...]:
    """Parameters from (declaration, value) pairs."""
    return tuple(Parameter(declaration, value) for declaration, value in pairs)
