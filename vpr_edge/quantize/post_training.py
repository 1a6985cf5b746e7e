"""Post-training quantisation: ranges from pictures, no training; the baseline for QAT."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.model import Int8Model


def post_training(
    checkpoint: Path,
    images: Sequence[NDArray[np.uint8]],
    provenance: dict[str, Any],
    symmetric: bool = False,
) -> Int8Model:
    """Quantise a float checkpoint by calibration alone.

    Args:
        checkpoint: of kind "float".
        images: pictures uint8 [H, W, 3] of any size.
        provenance: JSON-ready record of where the pictures come from.
        symmetric: see `FakeQuantNetwork`.

    Raises:
        CheckpointError: the checkpoint is not a float one.
        DataError: no pictures.
    """
    source = load_checkpoint(checkpoint)
    network = Network.from_checkpoint(source)
    fitted = [
        torch.from_numpy(source.preprocessing.to_float(source.preprocessing.fit(image)))
        for image in images
    ]
    batches = [torch.stack(fitted[start : start + 16]) for start in range(0, len(fitted), 16)]
    fake = calibrate(FakeQuantNetwork(network, symmetric), batches)
    return to_int8_model(fake, source.config, source.preprocessing, provenance)
