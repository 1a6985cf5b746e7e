"""SOFTMAX by CMSIS-NN, int8 to int8."""

import math
from functools import cached_property
from math import prod

import numpy as np

from vpr_edge.arithmetic.integers import Multiplier, quantize_multiplier
from vpr_edge.arithmetic.softmax import DIFFERENCE_BITS
from vpr_edge.firmware_bridge.cmsis_nn.call import Call, library_kernel
from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, parameters
from vpr_edge.firmware_bridge.operators.softmax import Softmax

FRACTION_BITS = 31 - DIFFERENCE_BITS


class SoftmaxCall(Call, Softmax):
    """SOFTMAX by `arm_softmax_s8`."""

    @cached_property
    def factor(self) -> Multiplier:
        """From a difference of inputs to its exponent (`PreprocessSoftmaxScaling`)."""
        source = self.inputs[0]
        assert source is not None
        real = self.beta * float(self.node.affine(source).scale) * 2.0**FRACTION_BITS
        return quantize_multiplier(min(real, 2.0**31 - 1))

    @property
    def is_exact(self) -> bool:
        """See `Call`: CMSIS-NN shifts 1 to the left by the factor's shift."""
        return self.outputs[0].dtype == np.int8 and 0 <= int(self.factor.shift) <= 30

    def clearance(self, index: int) -> int | None:
        """See `Operator`: a row's elements are read for the last time before they are written."""
        return 0

    def kernel(self) -> Kernel:
        """See `Operator`."""
        output = self.outputs[0]
        depth, shift = output.shape[-1], int(self.factor.shift)
        # Differences below this count as an exponential of 0 (`CalculateInputRadius`).
        least = -math.floor(((1 << DIFFERENCE_BITS) - 1) * 2.0 ** (FRACTION_BITS - shift))
        numbers = f"{prod(output.shape) // depth}, {depth}, {self.factor.value}, {shift}, {least}"
        return library_kernel(
            "softmax_s8",
            parameters([("const int8_t *input", self.inputs[0]), ("int8_t *output", output)]),
            f"arm_softmax_s8(input, {numbers}, output);\nreturn ARM_CMSIS_NN_SUCCESS;",
        )
