"""Element-wise operators of integers that mean themselves, as shapes and indices do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.operator import Values
from vpr_edge.firmware_bridge.operators.shared.requantize import INT32_MAX, INT32_MIN, Range


def _divided(a: Values, b: Values) -> Values:
    with np.errstate(all="ignore"):
        quotient = np.trunc(a.astype(np.float64) / b)
    return np.where(b == 0, 0, np.nan_to_num(quotient)).astype(np.int64)


FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "ADD": np.add,
    "SUB": np.subtract,
    "MUL": np.multiply,
    "DIV": _divided,
    "SQUARED_DIFFERENCE": lambda a, b: (a - b) * (a - b),
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
}
_RANGES = {
    schema.ActivationFunctionType.NONE: (INT32_MIN, INT32_MAX),
    schema.ActivationFunctionType.RELU: (0, INT32_MAX),
    schema.ActivationFunctionType.RELU_N1_TO_1: (-1, 1),
    schema.ActivationFunctionType.RELU6: (0, 6),
}


@dataclass(frozen=True)
class Integers:
    """What happens to each pair of integers.

    Attributes:
        kernel: see `elementwise.Arithmetic`.
        code: a key of `FUNCTIONS`.
        range: of the fused activation.
    """

    header: ClassVar[str] = "vpr_integers.h"
    kernel: str
    code: str
    range: tuple[int, int]

    @property
    def arguments(self) -> dict[str, str]:
        """See `elementwise.Arithmetic`."""
        return {
            "int32_t operation": f"VPR_INTEGER_{self.code}",
            "struct vpr_range range": Range(0, *self.range)
            .c()
            .replace(str(INT32_MIN), "-2147483647 - 1"),
        }

    def apply(self, a: Values, b: Values) -> Values:
        """See `elementwise.Arithmetic`."""
        if a.dtype == np.int64:
            return np.asarray(FUNCTIONS[self.code](a, b))
        found = FUNCTIONS[self.code](a.astype(np.int64), b.astype(np.int64))
        # Wrapped around.
        return np.clip(found.astype(a.dtype), *self.range).astype(a.dtype)


def integers(node: Node, source: Tensor) -> Integers:
    """Of an operator on int16, int32 or int64.

    Raises:
        ModelError: an unknown fused activation, or integers that stand for other numbers.
    """
    found = _RANGES.get(node.option("fusedActivationFunction", 0))
    if found is None:
        raise node.refuse(
            "the fused activation has no kernel", "convert the model with RELU, RELU6 or none"
        )
    if node.code == "ADD" and found != _RANGES[0]:
        raise node.refuse(
            "TFLM takes no notice of the fused activation of an int32 ADD",
            "convert the model with an activation of its own",
        )
    if source.dtype == np.int16:
        found = (-32768, 32767)
    elif any(t is not None and t.scale.size for t in (*node.inputs, *node.outputs)):
        raise node.refuse(
            f"its {source.dtype} tensors are quantised", "TFLM computes them as they are"
        )
    return Integers(f"vpr_integers_s{8 * source.dtype.itemsize}", node.code, found)
