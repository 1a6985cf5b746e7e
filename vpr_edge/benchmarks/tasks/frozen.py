"""Frozen networks and simple descriptors, judged as artefacts are.

`efficientnet-lite0` (block 10, 3x4 cells) and `efficientnet-lite2` (block 14, 4x6 cells, and block
16 of the whole picture) are what networks here are distilled from: ImageNet features, channels
centred by the database's mean, of length 1.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.tasks.places import Describe, hog_descriptor, thumbnail_descriptor

SIMPLE: dict[str, Describe] = {"hog": hog_descriptor, "thumbnail": thumbnail_descriptor}
TEACHERS = ("efficientnet-lite0", "efficientnet-lite2", "efficientnet-lite2-overview")
FROZEN = (*SIMPLE, *TEACHERS)
GRIDS = {"efficientnet-lite0": (3, 4), "efficientnet-lite2": (4, 6)}


def frozen_describe(name: str) -> tuple[Describe, bool]:
    """The descriptor of a name of `FROZEN`, and whether it is to be centred by the database.

    Raises:
        ToolMissingError: the teacher's package or torch is not installed.
    """
    if name in SIMPLE:
        return SIMPLE[name], False
    run = _opened(name)

    def describe(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        return run(image).astype(np.float32).reshape(-1)

    return describe, True


def centred_cells(
    database: NDArray[np.float32], queries: NDArray[np.float32], name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Raw maps of a teacher less the database's mean of each channel, of length 1."""
    rows, columns = GRIDS.get(name, (1, 1))
    channels = database.shape[1] // (rows * columns)
    mean = database.reshape(-1, channels, rows * columns).mean((0, 2))
    shift = np.repeat(mean, rows * columns)
    a, b = database - shift, queries - shift
    return (
        a / np.linalg.norm(a, axis=1, keepdims=True),
        b / np.linalg.norm(b, axis=1, keepdims=True),
    )


def _opened(name: str) -> Callable[[NDArray[np.uint8]], NDArray[np.float16]]:
    # Here, because they need torch, and judging an exported artefact must not.
    if name == "efficientnet-lite0":
        from vpr_edge.training.teacher import open_lite0

        lite0 = open_lite0(GRIDS[name])
        return lambda image: lite0(image[None])[0][0]
    from vpr_edge.training.lite2 import open_lite2

    lite2 = open_lite2(GRIDS["efficientnet-lite2"])
    which = 1 if name.endswith("overview") else 0
    return lambda image: lite2(image[None])[which][0]
