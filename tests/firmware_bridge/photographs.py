"""What a network is made for: pictures."""

import numpy as np
from numpy.typing import NDArray

from tests.conftest import SHARED
from vpr_edge.datasets.images import Images, find_images
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.operators.shared.program import Program
from vpr_edge.preprocessing import Preprocessing


def photographs(program: Program, count: int) -> list[NDArray[np.int8]]:
    """Real pictures of the input's size where they are here, else random bytes."""
    (tensor,) = program.inputs
    folder = SHARED / "data" / "natural_bsds500"
    if not folder.is_dir():
        return [inputs[0] for inputs in random_inputs(program, count)]
    fit = Preprocessing(tensor.shape[1], tensor.shape[2])
    images = Images.from_files(find_images(folder, True)[:count])
    return [fit.to_int8(fit.fit(image))[None] for image in images]
