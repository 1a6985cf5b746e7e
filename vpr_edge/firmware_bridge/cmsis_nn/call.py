"""What the layers that call CMSIS-NN share."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.operator import Kernel, Operator, Parameter, c_struct
from vpr_edge.firmware_bridge.operators.shared.requantize import Range
from vpr_edge.firmware_bridge.operators.shared.window import Pair

HEADER = "vpr_cmsis_nn.h"
# Helium loads four channels' constants at once, whether or not there are four left.
LANES = 4


class Call(Operator):
    """A layer that is a call of CMSIS-NN; mixed in before the layer's own class."""

    @property
    @abstractmethod
    def is_exact(self) -> bool:
        """Whether every build of CMSIS-NN (portable, DSP, Helium) gives TFLM's bits."""

    def clearance(self, index: int) -> int | None:
        """See `Operator`: CMSIS-NN promises nothing where input and output overlap."""
        return None


def library_kernel(stem: str, arguments: tuple[Parameter, ...], body: str) -> Kernel:
    """The kernel whose body ends by returning CMSIS-NN's status."""
    return Kernel(HEADER, f"cmsis_{stem}", arguments, body, fallible=True)


def dims(n: int, h: int, w: int, c: int) -> str:
    """The initialiser of a `cmsis_nn_dims`."""
    return c_struct(n=n, h=h, w=w, c=c)


def image_dims(size: Pair, channels: int) -> str:
    """The `cmsis_nn_dims` of one image."""
    return dims(1, *size, channels)


def tile(pair: Pair) -> str:
    """The initialiser of a `cmsis_nn_tile` from (rows, columns)."""
    return c_struct(w=pair[1], h=pair[0])


def activation(bounds: Range) -> str:
    """The initialiser of a `cmsis_nn_activation`."""
    return c_struct(min=bounds.low, max=bounds.high)


def check_scratch(needed: str) -> str:
    """C that refuses to run where a build of CMSIS-NN needs more scratch memory than planned."""
    return f"if ({needed} > context.size) {{\n    return ARM_CMSIS_NN_ARG_ERROR;\n}}\n"


def whole_lanes(values: NDArray[Any], dtype: type[np.generic] = np.int32) -> NDArray[Any]:
    """One value a channel, filled with zeros to whole vectors."""
    return np.pad(values, (0, -len(values) % LANES)).astype(dtype)
