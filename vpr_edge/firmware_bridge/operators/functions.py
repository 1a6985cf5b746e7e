"""Elementary functions: ABS and RSQRT on int8 and float32; EXP, LOG, NEG, SQRT, SQUARE on float32.

The float32 ones are what heads compute between DEQUANTIZE and their outputs.
"""

import numpy as np

from vpr_edge.arithmetic.fixed_point import inverse_square_root
from vpr_edge.arithmetic.integers import multiply, quantize_multiplier
from vpr_edge.firmware_bridge.operators.activations import ratio, rescaled
from vpr_edge.firmware_bridge.operators.elementwise import refuse_scales
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.unary import INT8, Table, Unary, table

# RSQRT keeps this many bits behind the point between its two factors.
RSQRT_BITS = 20


class FloatOnly(Unary):
    """A function that TFLM has in float32 alone."""

    types = ("float32",)

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`."""
        raise node.refuse("there is no int8 kernel", "leave the operator in float32")


class Exp(FloatOnly):
    """EXP."""

    code = "EXP"


class Log(FloatOnly):
    """LOG."""

    code = "LOG"


class Neg(FloatOnly):
    """NEG."""

    code = "NEG"


class Sqrt(FloatOnly):
    """SQRT."""

    code = "SQRT"


class Square(FloatOnly):
    """SQUARE."""

    code = "SQUARE"


class Abs(Unary):
    """ABS."""

    code = "ABS"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`; tflite-micro `elementwise.cc`."""
        x = np.abs(INT8 - node.affine(source).zero_point)
        if source.scale[0] != output.scale[0]:
            x = rescaled(node, x, ratio(source, output))
        return table(x + node.affine(output).zero_point)


class Rsqrt(Unary):
    """RSQRT; 0 gives the greatest output, and so do negative int8 values, where TFLM stops."""

    code = "RSQRT"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`; tflite-micro `elementwise.cc`."""
        zero, result = node.affine(source).zero_point, node.affine(output)
        with np.errstate(over="ignore"):
            root = float(np.sqrt(source.scale[0]) * result.scale)
        if not 0 < root < np.inf:
            raise refuse_scales(node)
        factor = quantize_multiplier(1 / root)
        shift = int(factor.shift) - RSQRT_BITS
        if not -31 <= shift <= 30 - RSQRT_BITS:
            raise refuse_scales(node)
        found = []
        for x in INT8 - zero:
            inverse = inverse_square_root(int(x))
            fine = multiply(np.asarray(1), inverse.value, inverse.shift + RSQRT_BITS)
            scaled = int(multiply(fine, factor.value, shift)) + result.zero_point
            found.append(127 if x <= 0 else scaled)
        return table(np.array(found))
