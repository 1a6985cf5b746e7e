"""Element-wise functions of the float32 islands, as TFLM's reference kernels compute them.

Sums, differences, products, quotients and square roots are exact to the bit on every machine that
follows IEEE 754. exp, log and tanh come from the C library: the numpy functions here round the
float64 result, which glibc and newlib miss by at most `LIBRARY_ULPS` units in the last place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.node import Node

Floats = NDArray[np.float32]
LIBRARY_ULPS = 2
# Beyond these TFLM's logistic is 1, or exp(x).
LOGISTIC_ABOVE, LOGISTIC_BELOW = np.float32(16.619047164916992188), np.float32(-9)
_LIMIT = float(np.finfo(np.float32).max)
# By fused activation, as `fused_range` takes them; "none" clamps infinities too, as TFLM does.
_RANGES: dict[int, tuple[float, float]] = {
    0: (-_LIMIT, _LIMIT),
    1: (0.0, _LIMIT),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}


def c_float(value: Any) -> str:
    """A C99 literal of exactly this finite float32."""
    return f"{float(np.float32(value)).hex()}f"


def _library(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Any:
    """The function in float64, rounded to float32."""

    def rounded(x: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return function(x.astype(np.float64)).astype(np.float32)

    return rounded


_exp = _library(np.exp)


def _logistic(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        middle = np.float32(1) / (np.float32(1) + _exp(-x))
    low = np.where(x < LOGISTIC_BELOW, _exp(x), middle)
    return np.where(x > LOGISTIC_ABOVE, np.float32(1), low)


def _hard_swish(x: Floats) -> Floats:
    gate = np.minimum(np.float32(6), np.maximum(np.float32(0), x + np.float32(3)))
    return x * gate / np.float32(6)


def _floor_mod(a: Floats, b: Floats) -> Floats:
    rest = np.fmod(a, b)
    return np.where((rest != 0) & ((b < 0) != (rest < 0)), rest + b, rest)


def _round_even(x: Floats) -> Floats:
    low = np.floor(x)
    beyond = x - low
    down = (beyond < 0.5) | ((beyond == 0.5) & (np.fmod(low, np.float32(2)) == 0))
    return np.where(down, low, low + np.float32(1))


def _elu(x: Floats) -> Floats:
    return np.where(x < 0, np.expm1(x.astype(np.float64)).astype(np.float32), x)


def _ignoring(function: Any) -> Any:
    """The function without numpy's warnings about infinities and NaN."""

    def quiet(*values: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*values)

    return quiet


@dataclass(frozen=True)
class FloatFunction:
    """A function of one float32.

    Attributes:
        name: a key of `FUNCTIONS`; the enumerator VPR_F32_<NAME> of vpr_unary_f32.h.
        parameter: of "leaky_relu", the slope below 0.
    """

    name: str
    parameter: float = 0.0

    def apply(self, x: Floats) -> Floats:
        """The function of every element."""
        if self.name == "leaky_relu":
            slope = np.float32(self.parameter)
            return _ignoring(lambda: np.where(x > 0, x, x * slope))()
        return FUNCTIONS[self.name](x)


FUNCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": _ignoring(lambda x: np.where(x < 0, np.float32(0), x)),
    "relu6": _ignoring(lambda x: np.where(x > 6, np.float32(6), np.where(x < 0, np.float32(0), x))),
    "hard_swish": _ignoring(_hard_swish),
    "abs": np.abs,
    "neg": np.negative,
    "square": _ignoring(np.square),
    "sqrt": _ignoring(np.sqrt),
    "rsqrt": _ignoring(lambda x: np.float32(1) / np.sqrt(x)),
    "exp": _exp,
    "log": _library(np.log),
    "logistic": _logistic,
    "tanh": _library(np.tanh),
    "elu": _ignoring(_elu),
    "round": _ignoring(_round_even),
    "floor": np.floor,
    "ceil": np.ceil,
    "sin": _library(np.sin),
    "cos": _library(np.cos),
}
_PAIRS: dict[str, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "maximum": lambda a, b: np.where(a > b, a, b),
    "minimum": lambda a, b: np.where(a < b, a, b),
    "prelu": lambda a, b: np.where(a >= 0, a, a * b),
    "div": np.divide,
    "squared_difference": lambda a, b: (a - b) * (a - b),
    "floor_div": lambda a, b: np.floor(a / b),
    "floor_mod": lambda a, b: _floor_mod(a, b),
}


@dataclass(frozen=True)
class FloatPair:
    """A function of two float32 values.

    Attributes:
        name: the enumerator VPR_F32_<NAME> of vpr_binary_f32.h.
        range: of the fused activation; None where the operator has none.
    """

    kernel: ClassVar[str] = "vpr_binary_f32"
    name: str
    range: tuple[float, float] | None = None

    @property
    def arguments(self) -> dict[str, str]:
        """See `operators.elementwise.Arithmetic`."""
        low, high = self.range or (0.0, 0.0)
        return {
            "int32_t operation": f"VPR_F32_{self.name.upper()}",
            "struct vpr_range_f32 range": f"{{{c_float(low)}, {c_float(high)}}}",
        }

    def apply(self, a: Floats, b: Floats) -> Floats:
        """See `operators.elementwise.Arithmetic`."""
        result = _ignoring(_PAIRS[self.name])(a, b).astype(np.float32)
        if self.range is None:
            return result
        low, high = np.float32(self.range[0]), np.float32(self.range[1])
        result = np.where(result < low, low, result)
        return np.where(result > high, high, result)


def float_range(node: Node) -> tuple[float, float]:
    """The range of a fused activation (`CalculateActivationRange`).

    Raises:
        ModelError: the activation is none of RELU, RELU_N1_TO_1, RELU6.
    """
    found = _RANGES.get(node.option("fusedActivationFunction", 0))
    if found is None:
        raise node.refuse(
            "the fused activation has no float kernel", "convert the model with RELU, RELU6 or none"
        )
    return found
