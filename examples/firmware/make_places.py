"""Describe pictures of places with the network that ships, and write them as C.

    python make_places.py MODEL.tflite PICTURES OUTPUT

OUTPUT/places.h and places.c hold one place a picture, in the order of their names, which are the
labels; a place's id is its number in that order.
"""

import sys
from pathlib import Path

import numpy as np

from vpr_edge.datasets.images import find_images
from vpr_edge.errors import VprEdgeError
from vpr_edge.places.describe import place_vector
from vpr_edge.places.device_map import DeviceMap, build_device_map, write_device_map
from vpr_edge.preprocessing import read_image
from vpr_edge.runtimes.choose import open_runtime


def make_places(model: Path, pictures: Path, output: Path) -> DeviceMap:
    """Describe every picture below a folder by TFLM, whose bits the firmware has too."""
    runtime = open_runtime(model, "tflm")
    files = find_images(pictures, True)
    vectors = [
        place_vector(
            runtime.run(runtime.preprocessing.fit(read_image(file)))["place"],
            runtime.transforms["place"],
        )
        for file in files
    ]
    labels = [file.relative_to(pictures).as_posix() for file in files]
    places = build_device_map(np.stack(vectors), labels=labels)
    write_device_map(places, output, "places")
    return places


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("Give a model, a folder of pictures and an output folder.")
    try:
        found = make_places(*map(Path, sys.argv[1:]))
    except VprEdgeError as error:
        sys.exit(str(error))
    print(f"{len(found.ids)} places")
