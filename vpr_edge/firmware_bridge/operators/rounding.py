"""ELU, and the float32 functions ROUND, FLOOR, CEIL, SIN and COS."""

import numpy as np

from vpr_edge.firmware_bridge.operators.functions import FloatOnly
from vpr_edge.firmware_bridge.operators.shared.node import Node, Tensor
from vpr_edge.firmware_bridge.operators.shared.unary import INT8, Table, Unary, table


class Elu(Unary):
    """ELU; on int8 a table that TFLM computes in float32, with the C library's expf."""

    code = "ELU"

    @classmethod
    def quantized(cls, node: Node, source: Tensor, output: Tensor) -> Table:
        """See `Unary`; tflite-micro `elu.cc`."""
        before, after = node.affine(source), node.affine(output)
        with np.errstate(over="ignore"):
            real = (INT8 - before.zero_point).astype(np.float32) * before.scale
            power = np.exp(real.astype(np.float64)).astype(np.float32) - np.float32(1)
            steps = np.where(real < 0, power, real) * (np.float32(1) / after.scale)
        rounded = np.copysign(np.floor(np.abs(steps.astype(np.float64)) + 0.5), steps)
        # Further than the output reaches.
        return table(np.clip(rounded, -(2**20), 2**20).astype(np.int64) + after.zero_point)


class Round(FloatOnly):
    """ROUND, half to the even integer."""

    code = "ROUND"


class Floor(FloatOnly):
    """FLOOR."""

    code = "FLOOR"


class Ceil(FloatOnly):
    """CEIL."""

    code = "CEIL"


class Sin(FloatOnly):
    """SIN."""

    code = "SIN"


class Cos(FloatOnly):
    """COS."""

    code = "COS"
