"""From the network's `place` map to the vector that is compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.portable import cube_root
from vpr_edge.errors import ModelError
from vpr_edge.runtimes.runtime import Runtime


def place_vector(
    place_map: NDArray[np.float32], transform: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Flatten a dequantised `place` map, apply the artefact's declared transform, L2-normalise.

    Args:
        place_map: float32 [gh, gw, C].
        transform: `root`: 3 for the signed cube root (GeM with p = 3 is deployed as the mean of
            cubes, Radenović et al. 2018), or None; `gain`: factors after the root, one a channel
            or one an element of the flattened map, or None. A missing key is None.

    Returns:
        float32 [gh * gw * C], of length 1 (a map of zeros stays zeros).

    Raises:
        ModelError: the root is not 3, or the gain has another length than the map.
    """
    vector = np.asarray(place_map, np.float32)
    root, gain = transform.get("root"), transform.get("gain")
    if root is not None:
        if root != 3:
            raise ModelError(
                f"the place descriptor declares the root {root!r}; this version takes only 3, "
                "export the model again."
            )
        vector = cube_root(vector).astype(np.float32)
    flat = vector.reshape(-1)
    if gain is not None:
        factors = np.asarray(gain, np.float32).reshape(-1)
        if factors.size not in (flat.size, vector.shape[-1]):
            raise ModelError(
                f"the place descriptor declares {factors.size} gains for a map of "
                f"{list(vector.shape)}; export the model again."
            )
        flat = flat * np.tile(factors, flat.size // factors.size)
    length = np.sqrt(np.sum(np.square(flat, dtype=np.float64)))
    return (flat / max(length, np.finfo(np.float32).tiny)).astype(np.float32)


def place_descriptor(runtime: Runtime, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The unit vector float32 [D] by which an artefact describes a picture uint8 [H, W, 3]."""
    maps = runtime.run(runtime.preprocessing.fit(image))
    if "place" not in maps:
        raise ModelError(f"{runtime.path} has no output `place`; export a network with that task.")
    return place_vector(maps["place"], runtime.transforms["place"])
