"""From the int8 map `place` to an int8 descriptor, the twin of `vpr_place_descriptor.h`.

The scale of the map does not matter, since the vector is brought to length 1; so the root becomes a
table of 256 values, and gains are taken relative to the largest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.arithmetic.portable import cube_root
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.vision.decode_unit import unit_int8

_LARGEST = 32767


@dataclass(frozen=True, eq=False)
class PlaceTransform:
    """What `struct vpr_place_transform` holds.

    Attributes:
        length: values of the map.
        value: int16 [256], by map value + 128: less the zero point, after the root.
        gain: int16, 15 fractional bits, one a channel or one a value; empty where there is none.
    """

    length: int
    value: NDArray[np.int16]
    gain: NDArray[np.int16]

    @classmethod
    def of_output(
        cls, shape: tuple[int, ...], place: Affine, transform: Mapping[str, Any]
    ) -> "PlaceTransform":
        """Turn what an artefact declares of its output `place` into tables.

        Args:
            shape: of the map, channels last.
            place: its quantisation.
            transform: `root` and `gain`, as `places.describe.place_vector` takes them.

        Raises:
            ModelError: the root is not 3, or the gains do not fit the map.
        """
        root, gain = transform.get("root"), transform.get("gain")
        if root not in (None, 3):
            raise ModelError(
                f"the place descriptor declares the root {root!r}; this version takes only 3, "
                "export the model again."
            )
        gains = np.asarray([] if gain is None else gain, np.float64).reshape(-1)
        if gain is not None and gains.size not in (prod(shape), shape[-1]):
            raise ModelError(
                f"the place descriptor declares {gains.size} gains for a map of {list(shape)}; "
                "export the model again."
            )
        steps = np.arange(-128, 128) - place.zero_point
        # Without a root the table is an exact multiple of the steps.
        value = steps * (_LARGEST // np.abs(steps).max())
        if root:
            value = _full_range(cube_root(steps))
        return cls(prod(shape), value.astype(np.int16), _full_range(gains))

    def describe(self, place_map: NDArray[np.int8], unit: int) -> NDArray[np.int8]:
        """What `vpr_place_descriptor_s8` writes.

        Args:
            place_map: int8 of `length` values, of any shape.
            unit: steps in the length 1, from 1 to 32767.

        Returns:
            int8 [length].
        """
        vector = self.value[place_map.reshape(-1).astype(np.int32) + 128].astype(np.int32)
        if self.gain.size:
            gain = np.resize(self.gain, self.length).astype(np.int32)
            vector = (vector * gain + (1 << 14)) >> 15
        return unit_int8(vector, unit)


def _full_range(values: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    largest = np.abs(values).max(initial=0.0) or 1.0
    return np.rint(values * (_LARGEST / largest)).astype(np.int16)
