"""READ_VARIABLE and ASSIGN_VARIABLE: states that are kept in the arena from run to run."""

from dataclasses import dataclass
from typing import Self

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Operator, Values, parameters
from vpr_edge.firmware_bridge.operators.shared.storage import size


@dataclass(frozen=True, eq=False)
class ReadVariable(Operator):
    """READ_VARIABLE of a variable, which `states` has put in place of its handle.

    Attributes:
        shared: whether the output may be the variable's own bytes: everyone who reads it does so
            before the variable is assigned (`passes.share_states`).
    """

    code = "READ_VARIABLE"
    shared: bool = False

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        return cls(node)

    @property
    def is_view(self) -> bool:
        """See `Operator`."""
        return self.shared

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        return (values[0],)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return _copy(self.source, self.outputs[0])


class AssignVariable(Operator):
    """ASSIGN_VARIABLE."""

    code = "ASSIGN_VARIABLE"
    source_index = 1

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((2, 2), 0)
        return cls(node)

    @property
    def updates(self) -> tuple[Tensor, ...]:
        """See `Operator`."""
        (variable, _) = self.inputs
        assert variable is not None
        return (variable,)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[1] is not None
        return (values[1],)

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return _copy(self.source, self.updates[0])


def _copy(source: Tensor, result: Tensor) -> Kernel:
    return Kernel(
        "vpr_common.h",
        "copy",
        parameters(
            [
                ("const void *input", source),
                ("size_t count", f"{size(source)}u"),
                ("void *output", result),
            ]
        ),
        "memcpy(output, input, count);",
    )
