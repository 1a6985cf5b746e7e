"""What the device itself would answer: its camera, network, decoders and map judged as one."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.tasks.places import PlaceScores
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.metrics.keypoints import Keypoints
from vpr_edge.metrics.recall import RECALL_AT, recall_at
from vpr_edge.places.describe import place_descriptor
from vpr_edge.places.device_map import build_device_map
from vpr_edge.runtimes.device import DeviceRuntime

TERMS = ", int8 map on the device"


def evaluate_on_device(
    runtime: DeviceRuntime,
    places: PlaceSet,
    ns: Sequence[int] = RECALL_AT,
    progress: Callable[[int, int], None] | None = None,
) -> PlaceScores:
    """Make a map of the database as a user does, and let the device's C find each query in it.

    The map is made on the computer: descriptors of the generated C, quantised by
    `build_device_map`. A query is a frame from the camera on.

    Args:
        runtime: the artefact.
        places: the data set.
        ns: values of N.
        progress: called with the pictures done and the pictures in total.

    Raises:
        ModelError: the network describes no places, or the camera takes no frame of that size.
    """
    total = len(places.database) + len(places.queries)
    described = []
    for image in places.database:
        described.append(place_descriptor(runtime, image))
        if progress:
            progress(len(described), total)
    stored = build_device_map(np.stack(described))
    ranked = []
    for image in places.queries:
        runtime.way.see(image)
        query = runtime.way.place(stored.unit)
        found = runtime.way.search(stored.descriptors, stored.bias, stored.unit, query, max(ns))
        ranked.append(found)
        if progress:
            progress(len(described) + len(ranked), total)
    excluded = sum(len(right) == 0 for right in places.positives)
    recall = recall_at(np.stack(ranked), places.positives, ns)
    return PlaceScores(
        places.name, places.terms + TERMS, recall, len(places.queries) - excluded, excluded
    )


def device_keypoints(
    runtime: DeviceRuntime, image: NDArray[np.uint8], top_k: int
) -> tuple[Keypoints, Keypoints]:
    """Keypoints of a picture where the network has them, and snapped; in the picture's pixels."""
    runtime.way.see(image)
    fit = runtime.preprocessing
    scale = np.array([image.shape[1] / fit.width, image.shape[0] / fit.height], np.float32)
    own, snapped = (runtime.way.keypoints(kind, top_k) for kind in (False, True))
    return tuple(
        Keypoints((found.xy + 0.5) * scale - 0.5, found.score, found.descriptor)
        for found in (own, snapped)
    )  # type: ignore[return-value]
