"""Integer vectors divided by their length, bit for bit as TFLM's L2_NORMALIZATION does it."""

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.fixed_point import inverse_square_root
from vpr_edge.arithmetic.integers import multiply

# The int8 output has the scale 2^-7.
OUTPUT_BITS = 7


def unit_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row of centred integers divided by its length, times 2^`OUTPUT_BITS`."""
    scales = [inverse_square_root(int(total)) for total in (rows * rows).sum(axis=1)]
    value, shift = (
        np.array(part)[:, None]
        for part in zip(*((int(s.value), int(s.shift)) for s in scales), strict=True)
    )
    return np.asarray(multiply(rows, value, shift + OUTPUT_BITS))
