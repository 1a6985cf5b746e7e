"""C text from a plan: the header, the layers, the weights."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from vpr_edge import __version__
from vpr_edge.errors import OutputError
from vpr_edge.escapes import for_c_comment
from vpr_edge.firmware_bridge.compile.golden import Vector
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import (
    C_TYPES,
    CORES_IN_C,
    DSP,
    MVE,
    PLANES,
    SMALL,
    Constant,
    Kernel,
    Operator,
    Parameter,
    Scratch,
)
from vpr_edge.firmware_bridge.operators.shared.storage import ALIGNMENT, size

VALUES_A_LINE = 20
NO_VARIANTS: Mapping[str, NDArray[Any]] = MappingProxyType({})
# Compilers need not tell longer names apart (C99 5.2.4.1).
LONGEST_IDENTIFIER = 40
RUNTIME_HEADERS = Path(__file__).parents[1] / "runtime"
IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Port:
    """An input or output of the model as C sees it."""

    role: str
    identifier: str
    tensor: Tensor
    offset: int

    @property
    def c_type(self) -> str:
        """Of its elements."""
        return C_TYPES[self.tensor.dtype.name]

    @property
    def elements(self) -> int:
        """How many."""
        return prod(self.tensor.shape)

    @property
    def scale(self) -> str | None:
        """C literal that brings the float32 back exactly; None where not quantised."""
        return c_float(self.tensor.scale[0]) if self.tensor.scale.size == 1 else None

    @property
    def zero_point(self) -> int:
        """Of the tensor."""
        return int(self.tensor.zero_point[0])


@dataclass(frozen=True, eq=False)
class Array:
    """A constant of the weights file.

    Attributes:
        symbol: its name in C.
        c_type: of an element.
        values: the elements, of any shape.
        variants: (condition in C, array) for the cores that have one of their own; its symbol is
            another, so that objects compiled for different cores do not link.
    """

    symbol: str
    c_type: str
    values: NDArray[Any]
    variants: tuple[tuple[str, "Array"], ...] = ()

    def bytes_for(self, conditions: Sequence[str]) -> int:
        """Of flash in a build of which these are true."""
        found = (array for condition, array in self.variants if condition in conditions)
        return next(found, self).values.nbytes

    @property
    def rows(self) -> str:
        """The initialiser's lines."""
        flat = self.values.reshape(-1)
        text = [c_value(value) for value in flat]
        lines = (
            ", ".join(text[at : at + VALUES_A_LINE]) for at in range(0, len(text), VALUES_A_LINE)
        )
        return ",\n".join(f"    {line}" for line in lines)


@dataclass(frozen=True, eq=False)
class Layer:
    """One call in the run function."""

    index: int
    about: str
    function: str
    arguments: tuple[str, ...]
    fallible: bool


@dataclass(frozen=True, eq=False)
class Function:
    """A C function that one or more layers call."""

    name: str
    declarations: tuple[str, ...]
    body: str
    fallible: bool


class Emitter:
    """Collects the parts of one model's C.

    Attributes:
        plan: what to emit.
        name: of the model; prefix of every symbol.
    """

    def __init__(self, plan: Plan, name: str) -> None:
        """See the class.

        Raises:
            OutputError: `name` is no lower-case C identifier.
        """
        if not IDENTIFIER.fullmatch(name):
            raise OutputError(
                f"'{name}' cannot name a model in C; choose lower-case letters, digits and "
                "underscores that start with a letter."
            )
        self.plan, self.name = plan, name
        self.arrays: list[Array] = []
        self.functions: dict[tuple[tuple[str, ...], str], Function] = {}
        self.headers: dict[str, None] = {}
        self._constants: dict[Tensor, str] = {}
        self._contents: dict[tuple[Any, ...], str] = {}
        self.layers = tuple(
            layer
            for index, operator in enumerate(plan.program.operators)
            if (layer := self._layer(index, operator)) is not None
        )
        self.initials = {tensor: self.initial(tensor) for tensor in plan.program.variables}

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """Inputs, then outputs; identifiers are unique within each."""
        program = self.plan.program
        return (*self._ports("input", program.inputs), *self._ports("output", program.outputs))

    def _ports(self, role: str, tensors: tuple[Tensor, ...]) -> list[Port]:
        found: list[Port] = []
        for index, tensor in enumerate(tensors):
            identifier = re.sub(r"\W+", "_", tensor.name, flags=re.ASCII).strip("_").lower()
            identifier = identifier[:LONGEST_IDENTIFIER] or str(index)
            taken = {port.identifier for port in found}
            # A name with a number behind may be another tensor's.
            numbered = (f"{identifier}_{number}" for number in count(index))
            if identifier in taken:
                identifier = next(name for name in numbered if name not in taken)
            found.append(Port(role, identifier, tensor, self.plan.offsets[tensor]))
        return found

    def _layer(self, index: int, operator: Operator) -> Layer | None:
        written = (*operator.outputs, *operator.updates)
        about = f"{operator.code} -> {for_c_comment(written[0].name)}"
        if operator.is_view:
            return None
        kernel = operator.kernel()
        self.headers[kernel.header] = None
        function = self._function(kernel)
        return Layer(
            index,
            about,
            function.name,
            tuple(self._argument(index, parameter) for parameter in kernel.parameters),
            kernel.fallible,
        )

    def _function(self, kernel: Kernel) -> Function:
        declarations = tuple(parameter.declaration for parameter in kernel.parameters)
        key = (declarations, kernel.body)
        if key not in self.functions:
            name = f"{self.name}_{kernel.stem}_{len(self.functions)}"
            self.functions[key] = Function(name, declarations, kernel.body, kernel.fallible)
        return self.functions[key]

    def _argument(self, index: int, parameter: Parameter) -> str:
        value = parameter.value
        if isinstance(value, str):
            return value
        if isinstance(value, Scratch):
            at = self.plan.scratch.get(index)
            return "NULL" if at is None else f"(void *)(arena + {at})"
        if isinstance(value, Constant):
            symbol = f"{self.name}_layer{index}_{value.name}"
            return self._array(symbol, value.values, value.variants)
        if value.values is not None:
            if value not in self._constants:
                symbol = f"{self.name}_constant{len(self._constants)}"
                self._constants[value] = self._array(symbol, value.values)
            return self._constants[value]
        pointer = parameter.declaration.rsplit("*", 1)[0].strip() + " *"
        return f"({pointer})(void *)(arena + {self.plan.offsets[value]})"

    def _array(
        self, symbol: str, values: NDArray[Any], variants: Mapping[str, NDArray[Any]] = NO_VARIANTS
    ) -> str:
        """The symbol of an array; arrays of the same content share one."""
        chosen = {kind: variants[kind] for kind in CORES_IN_C if kind in variants}
        contents = [(kind, v.dtype.name, v.tobytes()) for kind, v in chosen.items()]
        key = (values.dtype.name, values.tobytes(), *contents)
        if key not in self._contents:
            self._contents[key] = symbol
            special = tuple(
                (CORES_IN_C[kind], Array(f"{symbol}_{kind}", C_TYPES[v.dtype.name], v))
                for kind, v in chosen.items()
            )
            self.arrays.append(Array(symbol, C_TYPES[values.dtype.name], values, special))
        return self._contents[key]

    def golden(self, vector: Vector, port: Port) -> Array:
        """What a golden vector holds for an input or output."""
        same = [other for other in self.ports if other.role == port.role]
        values = vector.inputs if port.role == "input" else vector.outputs
        return Array(port.identifier, port.c_type, values[same.index(port)])

    @staticmethod
    def c_type(tensor: Tensor) -> str:
        """Of a tensor's elements."""
        return C_TYPES[tensor.dtype.name]

    def initial(self, tensor: Tensor) -> str:
        """What element i of a variable holds before the first run, as C."""
        values = self.plan.program.initial_state(tensor).reshape(-1)
        if len({value.tobytes() for value in values}) == 1:
            return c_value(values[0])
        return f"{self._array(f'{self.name}_initial{self.plan.offsets[tensor]}', values)}[i]"

    @property
    def is_fallible(self) -> bool:
        """Whether a layer of the model may fail."""
        return any(layer.fallible for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Of all constants in the build for the cores that need most."""
        builds: tuple[tuple[str, ...], ...] = ((), (SMALL,), (MVE,), (DSP,), (PLANES, DSP))
        return max(
            sum(array.bytes_for([CORES_IN_C[kind] for kind in build]) for array in self.arrays)
            for build in builds
        )

    @property
    def has_variants(self) -> bool:
        """Whether constants differ from core to core."""
        return any(array.variants for array in self.arrays)

    def render(self, template: str, **more: Any) -> str:
        """A file's text from its template."""
        return (
            template_environment()
            .get_template(template)
            .render(
                name=self.name,
                macro=self.name.upper(),
                emitter=self,
                plan=self.plan,
                program=self.plan.program,
                alignment=ALIGNMENT,
                version=__version__,
                size=size,
                prod=prod,
                clean=for_c_comment,
                **more,
            )
        )


def runtime_headers(headers: dict[str, None]) -> dict[str, Path]:
    """By name the runtime's headers that these need, their includes followed."""
    found = dict[str, Path]()
    queue = list(headers)
    while queue:
        name = queue.pop()
        if name not in found:
            found[name] = RUNTIME_HEADERS / name
            queue += re.findall(r'#include "(vpr_\w+\.h)"', found[name].read_text())
    return dict(sorted(found.items()))


def c_value(value: Any) -> str:
    """A C literal of a numpy scalar."""
    if isinstance(value, np.floating):
        return c_float(value)
    number = int(value)
    # The most negative literals would be the negation of a number too large for their type.
    if number == -(2**31):
        return "-2147483647 - 1"
    if number == -(2**63):
        return "-9223372036854775807 - 1"
    return str(number)


def c_float(value: Any) -> str:
    """A C float literal with the nine digits that bring a float32 back exactly."""
    number = np.float32(value)
    if not np.isfinite(number):
        sign = "-" if number < 0 else ""
        return "(0.0f / 0.0f)" if np.isnan(number) else f"{sign}(1.0f / 0.0f)"
    return f"{float(number):.9e}f"


@cache
def template_environment(package: str = __package__) -> Environment:
    """Of a package's `templates`: an unknown name is an error, tags leave no blank lines."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
