"""A model between the stages of the compiler: operators in order of execution."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from vpr_edge.firmware_bridge.operators.shared.node import Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Operator, Values


@dataclass(frozen=True, eq=False)
class Program:
    """A checked model.

    Attributes:
        source: name of the file that it came from.
        sha256: of that file.
        operators: in order of execution.
        inputs, outputs: of the model, in the file's order.
        metadata: the file's metadata buffers by name.
        initial: by variable what it holds before the first run, where that is not a real 0.
    """

    source: str
    sha256: str
    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    metadata: Mapping[str, bytes]
    initial: Mapping[Tensor, Values] = field(default_factory=dict)

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """Tensors that keep their values from run to run, each once."""
        found = {
            tensor: None
            for operator in self.operators
            for tensor in operator.inputs
            if tensor is not None and tensor.variable
        }
        return tuple(found)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        return sum(operator.macs for operator in self.operators)

    def initial_state(self, tensor: Tensor) -> Values:
        """What a variable holds before the first run."""
        if tensor in self.initial:
            return self.initial[tensor]
        zero = int(tensor.zero_point[0]) if tensor.zero_point.size else 0
        return np.full(tensor.shape, zero, tensor.dtype)

    def storage(self) -> dict[Tensor, Tensor]:
        """By activation the one whose bytes it is: views point at what they are views of."""
        root: dict[Tensor, Tensor] = {}
        for operator in self.operators:
            if operator.is_view:
                (_, viewed), *_ = operator.activations()
                root[operator.outputs[0]] = root.get(viewed, viewed)
        return root


def run_reference(
    program: Program, *inputs: Values, states: Mapping[Tensor, Values] | None = None
) -> dict[Tensor, Values]:
    """Run the numpy reference; the values of every activation, bit for bit TFLM's.

    Args:
        program: the model.
        inputs: one array for each of the model's inputs.
        states: what variables hold from the run before; without it they start as after a reset.
    """
    values: dict[Tensor, Values] = dict(zip(program.inputs, inputs, strict=True))
    for tensor in program.variables:
        values[tensor] = program.initial_state(tensor) if states is None else states[tensor]
    for operator in program.operators:
        given = [
            None if tensor is None else values.get(tensor, tensor.values)
            for tensor in operator.inputs
        ]
        written = (*operator.outputs, *operator.updates)
        values |= zip(written, operator.reference(*given), strict=True)
    return values
