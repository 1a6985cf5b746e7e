"""What a network is made for: pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vpr_edge.firmware_bridge.operators.shared.program import Program
from vpr_edge.preprocessing import Preprocessing


def photographs(
    program: Program, frames: Sequence[NDArray[np.uint8]], count: int
) -> list[NDArray[np.int8]]:
    """The pictures as inputs of the program; further ones are quarters of them, mirrored."""
    (tensor,) = program.inputs
    fit = Preprocessing(tensor.shape[1], tensor.shape[2])
    found = []
    for index in range(count):
        picture = frames[index % len(frames)]
        if index >= len(frames):
            at = 10 * (index // len(frames))
            picture = np.ascontiguousarray(picture[at : at + 120, at + 159 : at - 1 : -1])
        found.append(fit.to_int8(fit.fit(picture))[None])
    return found
