"""SOFTMAX over the last axis, int8 in and int8 or int16 out, or float32; LOG_SOFTMAX, float32.

TFLM computes with gemmlowp's fixed point (tensorflow/lite `reference/softmax.h`). An int8 row has
at most 256 distinct differences from its maximum, so their exponentials are a table, computed here;
on the device there remain a sum, one reciprocal and a product an element.

Float32 goes through the C library's expf and logf (see `floats`).
"""

import math
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.softmax import SUM_BITS, exponentials, probabilities
from vpr_edge.firmware_bridge.operators.shared.floats import FUNCTIONS, Floats, c_float
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor, integer_limits
from vpr_edge.firmware_bridge.operators.shared.operator import (
    Constant,
    Kernel,
    Operator,
    Values,
    c_struct,
    parameters,
)


@dataclass(frozen=True, eq=False)
class Softmax(Operator):
    """SOFTMAX.

    Attributes:
        beta: what differences from the maximum are multiplied with.
        table: int32 [256], by how far an element lies below the maximum: its exponential in F0,
            0 where TFLM leaves it out. None for float32.
    """

    code = "SOFTMAX"
    beta: float
    table: NDArray[np.int32] | None

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        source = node.input(0, "int8", "float32")
        results = ("float32",) if source.dtype == np.float32 else ("int8", "int16")
        _same_rows(node, source, node.output(0, *results))
        beta = float(node.option("beta", 0.0))
        if not 0 < beta < math.inf:
            raise node.refuse(f"beta is {beta:g}", "convert the model with a positive beta")
        if source.dtype == np.float32:
            return cls(node, beta, None)
        _check_probabilities(node)
        return cls(node, beta, exponentials(beta, float(node.affine(source).scale)))

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        output = self.outputs[0]
        if self.table is None:
            return (_softmax(values[0], self.beta),)
        low, high = integer_limits(output)
        rows = values[0].reshape(-1, output.shape[-1]).astype(np.int64)
        found = probabilities(rows, self.table, 8 * output.dtype.itemsize)
        # An element that TFLM leaves out is a real 0, and so is the product.
        return (np.clip(found + low, low, high).astype(output.dtype).reshape(output.shape),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`: elements are read for the last time just before they are written."""
        return None if self.outputs[0].dtype == np.int16 else 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        output = self.outputs[0]
        if self.table is None:
            return _float_kernel(self, f", {c_float(self.beta)}")
        kind = "s8" if output.dtype == np.int8 else "s8_s16"
        return Kernel(
            "vpr_softmax_s8.h",
            f"softmax_{kind}",
            parameters(
                [
                    ("const int8_t *input", self.inputs[0]),
                    ("const int32_t *exponentials", Constant("exponentials", self.table)),
                    (f"int{8 * output.dtype.itemsize}_t *output", output),
                ]
            ),
            f"const struct vpr_rows shape = {_shape(output)};\n"
            f"vpr_softmax_{kind}(shape, input, exponentials, output);",
        )


class LogSoftmax(Operator):
    """LOG_SOFTMAX."""

    code = "LOG_SOFTMAX"

    @classmethod
    def from_node(cls, node: Node) -> Self:
        """See `Operator`."""
        node.expect((1, 1))
        _same_rows(node, node.input(0, "float32"), node.output(0, "float32"))
        return cls(node)

    def reference(self, *values: Values | None) -> tuple[Values, ...]:
        """See `Operator`."""
        assert values[0] is not None
        with np.errstate(all="ignore"):
            below = values[0] - _maximum(values[0])
            return (below - FUNCTIONS["log"](_sum(FUNCTIONS["exp"](below))),)

    def clearance(self, index: int) -> int | None:
        """See `Operator`."""
        return 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        return _float_kernel(self, "")


def _float_kernel(operator: Operator, more: str) -> Kernel:
    """The C of a float32 operator; `more` are arguments after the input."""
    name, output = f"{operator.code.lower()}_f32", operator.outputs[0]
    return Kernel(
        "vpr_softmax_f32.h",
        name,
        parameters([("const float *input", operator.inputs[0]), ("float *output", output)]),
        f"const struct vpr_rows shape = {_shape(output)};\nvpr_{name}(shape, input{more}, output);",
    )


def _shape(output: Tensor) -> str:
    """The initialiser of a `struct vpr_rows`."""
    depth = output.shape[-1]
    return c_struct(rows=prod(output.shape) // depth, depth=depth)


def _maximum(x: Floats) -> Floats:
    """Of each row; NaN counts for nothing."""
    least = np.finfo(np.float32).min
    return np.fmax(np.fmax.reduce(x, axis=-1, keepdims=True), least)


def _sum(x: Floats) -> Floats:
    """Of each row, one term after the other."""
    return np.cumsum(x, axis=-1, dtype=np.float32)[..., -1:]


def _softmax(x: Floats, beta: float) -> Floats:
    """Softmax of each row in float32."""
    with np.errstate(all="ignore"):
        exponentials = FUNCTIONS["exp"]((x - _maximum(x)) * np.float32(beta))
        return exponentials / _sum(exponentials)


def _same_rows(node: Node, source: Tensor, output: Tensor) -> None:
    if source.shape != output.shape or not source.shape:
        raise node.refuse(
            f"the input {list(source.shape)} and the output {list(output.shape)} differ",
            "the file is corrupt, so convert the model again",
        )


def _check_probabilities(node: Node) -> None:
    """Probabilities fill the output's type: scale 1/256 or 1/65536 from its lowest value on."""
    output = node.outputs[0]
    low, _ = integer_limits(output)
    scale, zero_point = float(node.affine(output).scale), node.affine(output).zero_point
    if zero_point != low or abs(scale * -2 * low - 1) > 1e-3:
        raise node.refuse(
            f"the output has the scale {scale:g} and zero point {zero_point}",
            f"SOFTMAX gives scale 1/{-2 * low} and zero point {low}, so convert again",
            output,
        )
    if output.shape[-1] >= 1 << SUM_BITS:
        raise node.refuse(
            f"the last axis has {output.shape[-1]} elements",
            f"the fixed-point sum holds fewer than {1 << SUM_BITS}",
        )
