"""The operators that the compiler knows, one class each; `REGISTRY` finds them by builtin name."""

from vpr_edge.firmware_bridge.operator import Operator
from vpr_edge.firmware_bridge.operators.convolution import Convolution, DepthwiseConvolution
from vpr_edge.firmware_bridge.operators.elementwise import Add, Mul, Sub

REGISTRY: dict[str, type[Operator]] = {
    operator.code: operator
    for operator in (
        Convolution,
        DepthwiseConvolution,
        Add,
        Sub,
        Mul,
    )
}
