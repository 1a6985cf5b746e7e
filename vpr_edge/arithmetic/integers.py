"""The integer arithmetic of TensorFlow Lite's int8 kernels, as TFLM's reference kernels compute it.

Sources: the int8 specification
(https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec); Jacob et
al., arXiv 1712.05877; tflite-micro `kernels/internal/{common.cc,quantization_util.cc}`.

The functions on integer maps use operators alone, so that they take numpy int64 arrays and torch
int64 tensors alike and there is one arithmetic for both.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vpr_edge.arithmetic.affine import INT8_MAX, INT8_MIN, Affine

# ADD aligns its inputs on a grid this many bits finer than int8.
ADD_LEFT_SHIFT = 20
# "double": gemmlowp's high multiplication, then a rounding shift (TFLM and LiteRT's reference
# kernels today). "single": one rounding at the end (TFLITE_SINGLE_ROUNDING, where TFLM may go).
Rounding = Literal["double", "single"]
# numpy int64 array or torch int64 tensor.
Integers = TypeVar("Integers", bound=Any)


@dataclass(frozen=True)
class Multiplier:
    """A positive real factor as `value * 2**(shift - 31)`.

    Attributes:
        value: int64 scalar or array, 0 or in [2**30, 2**31).
        shift: int64, of the same shape; positive shifts left.
    """

    value: NDArray[np.int64]
    shift: NDArray[np.int64]


@dataclass(frozen=True)
class AddParameters:
    """Multipliers of ADD: each input to a common grid, and from there to the output."""

    inputs: tuple[Multiplier, Multiplier]
    output: Multiplier


def quantize_multiplier(real: ArrayLike) -> Multiplier:
    """TFLite's `QuantizeMultiplier`: real factors as 31-bit fractions and shifts.

    Args:
        real: non-negative float64 scalar or array.
    """
    fraction, exponent = np.frexp(np.asarray(real, np.float64))
    # Half away from zero, which for non-negative numbers is half up.
    value = np.floor(fraction * 2.0**31 + 0.5).astype(np.int64)
    shift = exponent.astype(np.int64)
    full = value == 1 << 31
    value, shift = np.where(full, 1 << 30, value), np.where(full, shift + 1, shift)
    lost = shift < -31
    return Multiplier(np.where(lost, 0, value), np.where(lost, 0, shift))


def multiply(x: Integers, value: Any, shift: Any, rounding: Rounding = "double") -> Integers:
    """`MultiplyByQuantizedMultiplier`: x * value * 2**(shift - 31), rounded as the kernels do.

    Args:
        x: int64 array or tensor whose values, shifted left where `shift` is positive, fit int32.
        value, shift: of a `Multiplier`; integers, or int64 that broadcasts with `x`.
        rounding: see `Rounding`.
    """
    if rounding == "single":
        total = 31 - shift
        return (x * value + (1 << (total - 1))) >> total
    left = shift * (shift > 0)
    right = left - shift
    # SaturatingRoundingDoublingHighMul: its truncating division with a nudge that depends on the
    # sign equals a floor with half added.
    high = ((x << left) * value + (1 << 30)) >> 31
    # RoundingDivideByPOT: half away from zero; x >> 63 is -1 for negative x.
    return (high + ((1 << right) >> 1) + (high >> 63) * (right > 0)) >> right


def output_multiplier(
    input_scale: ArrayLike, weight_scale: ArrayLike, output_scale: ArrayLike
) -> Multiplier:
    """Factor from a convolution's (or MUL's) accumulator to its output; float32 scales."""
    product = np.asarray(input_scale, np.float64) * np.asarray(weight_scale, np.float64)
    return quantize_multiplier(product / np.asarray(output_scale, np.float64))


def matmul_multiplier(a: np.float32, b: np.float32, output: np.float32) -> Multiplier:
    """Factor from BATCH_MATMUL's accumulator to its output.

    Unlike `output_multiplier` the first product is taken in float32
    (`GetQuantizedConvolutionMultipler`).
    """
    return quantize_multiplier(float(np.float32(a) * np.float32(b)) / float(output))


def add_parameters(a: Affine, b: Affine, output: Affine) -> AddParameters:
    """ADD's multipliers (tflite-micro `add_common.cc`)."""
    twice_largest = 2 * max(float(a.scale), float(b.scale))
    return AddParameters(
        (
            quantize_multiplier(float(a.scale) / twice_largest),
            quantize_multiplier(float(b.scale) / twice_largest),
        ),
        quantize_multiplier(twice_largest / ((1 << ADD_LEFT_SHIFT) * float(output.scale))),
    )


def add(
    a: Integers, b: Integers, parameters: AddParameters, rounding: Rounding = "double"
) -> Integers:
    """ADD of two maps with their zero points taken off; the result lacks the output's."""
    first, second = parameters.inputs
    total = multiply(a << ADD_LEFT_SHIFT, int(first.value), int(first.shift), rounding) + multiply(
        b << ADD_LEFT_SHIFT, int(second.value), int(second.shift), rounding
    )
    return multiply(total, int(parameters.output.value), int(parameters.output.shift), rounding)


def mean_multiplier(input_scale: np.float32, output_scale: np.float32, count: int) -> Multiplier:
    """Factor from the sum over `count` elements to MEAN's output.

    The division by `count` is folded into the multiplier, truncated
    (tflite `reference/reduce.h`, `QuantizedMeanOrSum`).
    """
    factor = quantize_multiplier(float(input_scale) / float(output_scale))
    value, shift = int(factor.value), int(factor.shift)
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    return Multiplier(np.asarray((value << bits) // count), np.asarray(shift - bits))


def round_average(total: Integers, count: Any) -> Integers:
    """AVERAGE_POOL's rounding of a sum of int8 values, zero points included: half away from 0."""
    half = count // 2
    up = total > 0
    return up * ((total + half) // count) - ~up * ((half - total) // count)


def activation_range(activation: str, affine: Affine) -> tuple[int, int]:
    """Least and greatest int8 value of a fused activation (`CalculateActivationRangeQuantized`).

    Args:
        activation: "none", "relu" or "relu6".
        affine: parameters of the output.
    """
    low = INT8_MIN if activation == "none" else max(INT8_MIN, affine.zero_point)
    if activation != "relu6":
        return low, INT8_MAX
    six = math.floor(float(np.float32(6) / affine.scale) + 0.5)
    return low, min(INT8_MAX, affine.zero_point + six)
