"""Small networks as their papers describe them, to bring in from outside.

`python networks.py FOLDER` writes each as ONNX (torch's exporter of opset 17, random weights with
BatchNorm statistics of random inputs); `vpr-edge survey FOLDER --data INPUTS` quantises and
measures them. None knows anything of vpr-edge.
"""

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

Shape = tuple[int, ...]


def block(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, act: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        act(),
    )


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        *block(inputs, outputs, 1),
    )


class DsCnn(nn.Sequential):
    """Keyword spotting on MFCCs (Zhang et al., arXiv 1711.07128), small."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 64, (10, 4), 2, (5, 1), bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            *(separable(64, 64) for _ in range(4)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(64, 12),
        )


class UNet(nn.Module):
    """Segmentation with skips (Ronneberger et al., arXiv 1505.04597), three levels."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.down1, self.down2 = block(3, width), block(width, 2 * width)
        self.middle = block(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.join2, self.join1 = block(4 * width, 2 * width), block(2 * width, width)
        self.head = nn.Conv2d(width, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(functional.max_pool2d(a, 2))
        c = self.middle(functional.max_pool2d(b, 2))
        b = self.join2(torch.cat((self.up2(c), b), 1))
        return self.head(self.join1(torch.cat((self.up1(b), a), 1)))


class Autoencoder(nn.Sequential):
    """Anomalies in sound (MLPerf Tiny; Banbury et al., arXiv 2106.07597): dense layers."""

    def __init__(self) -> None:
        sizes = (640, 128, 128, 128, 8, 128, 128, 128)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        super().__init__(*layers, nn.Linear(128, 640))


class SqueezeExcite(nn.Module):
    """Hu et al., arXiv 1709.01507, with MobileNetV3's hard sigmoid (arXiv 1905.02244)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.expand = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = functional.relu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * functional.hardsigmoid(self.expand(gate))


class Fomo(nn.Module):
    """Objects as a coarse grid (Edge Impulse's FOMO): inverted residuals, softmax of each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 16, 3, 2, nn.ReLU6)
        self.expand, self.project = block(16, 48, 1, 1, nn.ReLU6), block(48, 16, 1, 1, nn.Identity)
        self.depthwise = nn.Sequential(
            nn.Conv2d(48, 48, 3, 1, 1, groups=48, bias=False), nn.BatchNorm2d(48), nn.ReLU6()
        )
        self.down, self.head = separable(16, 32, 2), nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.project(self.depthwise(self.expand(x)))
        return self.head(self.down(x)).softmax(1)


class MobileNetV3Block(nn.Module):
    """Hard swish and squeeze-and-excite (arXiv 1905.02244)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 16, 3, 2, nn.Hardswish)
        self.expand = block(16, 64, 1, 1, nn.Hardswish)
        self.depthwise = nn.Sequential(
            nn.Conv2d(64, 64, 5, 2, 2, groups=64, bias=False), nn.BatchNorm2d(64), nn.Hardswish()
        )
        self.squeeze, self.project = SqueezeExcite(64), block(64, 24, 1, 1, nn.Identity)
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(self.squeeze(self.depthwise(self.expand(self.stem(x)))))
        return self.head(x.mean((2, 3)))


class Ghost(nn.Module):
    """Half of the features by a cheap operation (Han et al., arXiv 1911.11907)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.primary = block(3, 16, 3, 2), block(16, 16, 1)
        self.cheap = nn.Sequential(
            nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.head = nn.Conv2d(32, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.primary(self.stem(x))
        return self.head(torch.cat((x, self.cheap(x)), 1))


class ShuffleUnit(nn.Module):
    """Split, half through convolutions, joined and shuffled (Ma et al., arXiv 1807.11164)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 24, 3, 2)
        self.branch = nn.Sequential(
            *block(12, 12, 1), nn.Conv2d(12, 12, 3, 1, 1, groups=12), *block(12, 12, 1)
        )
        self.head = nn.Conv2d(24, 6, 1, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(2):
            a, b = x.chunk(2, 1)
            x = torch.cat((a, self.branch(b)), 1)
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(x)


class ConvNextBlock(nn.Module):
    """Depthwise 7x7, LayerNorm, GELU (Liu et al., arXiv 2201.03545)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.stem, self.depthwise = (
            nn.Conv2d(3, width, 4, 4),
            nn.Conv2d(width, width, 7, padding=3, groups=width),
        )
        self.norm = nn.LayerNorm(width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.rand(width))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(functional.gelu(self.widen(y)))
        return self.head((x + y.permute(0, 3, 1, 2)).mean((2, 3)))


class SuperPoint(nn.Module):
    """Keypoints and descriptors (DeTone et al., arXiv 1712.07629), a quarter as wide."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (1, 16, 16, 32, 32)
        self.stages = nn.ModuleList(
            nn.Sequential(*block(a, b), *block(b, b)) for a, b in pairwise(sizes)
        )
        self.detect = nn.Sequential(*block(32, 64), nn.Conv2d(64, 65, 1))
        self.describe = nn.Sequential(*block(32, 64), nn.Conv2d(64, 64, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for index, stage in enumerate(self.stages):
            x = stage(functional.max_pool2d(x, 2) if index else x)
        descriptors = functional.normalize(self.describe(x), dim=1)
        return {"logits": self.detect(x), "descriptors": descriptors}


class Xfeat(nn.Module):
    """Local features at a low price (Potje et al., arXiv 2404.19174): pyramid and fusion."""

    def __init__(self) -> None:
        super().__init__()
        self.skip = nn.Sequential(nn.AvgPool2d(4, 4), nn.Conv2d(1, 24, 1))
        self.block1 = nn.Sequential(*block(1, 4), *block(4, 8, 3, 2), *block(8, 24, 3, 2))
        self.block2 = nn.Sequential(*block(24, 24), *block(24, 24))
        self.block3 = nn.Sequential(*block(24, 64, 3, 2), *block(64, 64, 1))
        self.block4 = nn.Sequential(*block(64, 64, 3, 2), *block(64, 64))
        self.fusion = nn.Sequential(*block(64, 64), nn.Conv2d(64, 64, 1))
        self.heatmap = nn.Sequential(*block(64, 64, 1), nn.Conv2d(64, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.block3(self.block2(self.block1(x) + self.skip(x)))
        coarse = self.block4(fine)
        coarse = functional.interpolate(coarse, fine.shape[2:], mode="bilinear")
        features = self.fusion(fine + coarse)
        return features, self.heatmap(features)


class Tcn(nn.Module):
    """Dilated convolutions over time (Bai et al., arXiv 1803.01271), residual."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(9, 24, 1)
        self.layers = nn.ModuleList(
            nn.Conv1d(24, 24, 3, padding=2**level, dilation=2**level) for level in range(4)
        )
        self.head = nn.Linear(24, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = functional.relu(x + functional.leaky_relu(layer(x), 0.1))
        return self.head(x.mean(2))


class Espcn(nn.Sequential):
    """Super-resolution by pixel shuffle (Shi et al., arXiv 1609.05158)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 32, 5, padding=2),
            nn.Tanh(),
            nn.Conv2d(32, 16, 3, padding=1),
            nn.PReLU(16),
            nn.Conv2d(16, 9, 3, padding=1),
            nn.PixelShuffle(3),
        )


class MixVpr(nn.Module):
    """Places by mixing flattened features (Ali-bey et al., arXiv 2303.02190)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*block(3, 16, 3, 2), *block(16, 32, 3, 2), *block(32, 32))
        self.mix = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        self.channels, self.rows = nn.Linear(32, 16), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone(x).flatten(2)
        x = x + self.mix(x)
        x = self.channels(x.permute(0, 2, 1))
        return functional.normalize(self.rows(x.permute(0, 2, 1)).flatten(1), dim=-1)


class ResNetSilu(nn.Module):
    """A residual block with SiLU, max pooling as ResNet's stem has it, a flattened classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*block(3, 16, 7, 2, nn.SiLU), nn.MaxPool2d(3, 2, 1))
        self.one, self.two = block(16, 16, 3, 1, nn.SiLU), block(16, 16, 3, 1, nn.Identity)
        self.head = nn.Linear(16 * 8 * 8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(functional.silu(x + self.two(self.one(x))).flatten(1))


class VisionTransformer(nn.Module):
    """Patches, positions, two heads of attention (Dosovitskiy et al., arXiv 2010.11929), tiny."""

    def __init__(self, width: int = 32, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.patch, self.positions = (
            nn.Conv2d(3, width, 8, 8),
            nn.Parameter(torch.rand(1, 16, width)),
        )
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.positions
        n, tokens, width = x.shape
        parts = self.qkv(self.norm1(x)).chunk(3, 2)
        q, k, v = (
            p.reshape(n, tokens, self.heads, width // self.heads).transpose(1, 2) for p in parts
        )
        seen = (q @ k.transpose(2, 3) * (width // self.heads) ** -0.5).softmax(3) @ v
        x = x + self.out(seen.transpose(1, 2).reshape(n, tokens, width))
        return self.head((x + self.mlp(self.norm2(x))).mean(1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "ds_cnn": (DsCnn, (1, 1, 49, 10)),
    "unet": (UNet, (1, 3, 32, 40)),
    "autoencoder": (Autoencoder, (1, 640)),
    "fomo": (Fomo, (1, 3, 32, 32)),
    "mobilenet_v3_block": (MobileNetV3Block, (1, 3, 32, 32)),
    "ghost": (Ghost, (1, 3, 32, 32)),
    "shuffle_unit": (ShuffleUnit, (1, 3, 32, 32)),
    "convnext_block": (ConvNextBlock, (1, 3, 32, 32)),
    "superpoint": (SuperPoint, (1, 1, 40, 48)),
    "xfeat": (Xfeat, (1, 1, 64, 64)),
    "tcn": (Tcn, (1, 9, 64)),
    "espcn": (Espcn, (1, 1, 16, 16)),
    "mixvpr": (MixVpr, (1, 3, 32, 32)),
    "vision_transformer": (VisionTransformer, (1, 3, 32, 32)),
    "resnet_silu": (ResNetSilu, (1, 3, 32, 32)),
}


def settled(module: nn.Module, shape: Shape) -> nn.Module:
    """Random weights, with the BatchNorm statistics that random inputs give."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = None
    with torch.no_grad():
        for _ in range(4):
            module.train()(torch.rand(8, *shape[1:]))
    return module.eval()


def write(name: str, folder: Path, dynamo: bool = False) -> Path:
    """One of `NETWORKS` as ONNX."""
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    module = settled(make(), shape)
    returned = module(torch.rand(shape))
    names = ["output"]
    if isinstance(returned, dict):
        names = list(returned)
    elif isinstance(returned, tuple):
        names = [f"output{index}" for index in range(len(returned))]
    path = folder / f"{name}.onnx"
    example = (torch.rand(shape),)
    if dynamo:
        torch.onnx.export(module, example, str(path), dynamo=True, verbose=False,
                          external_data=False, output_names=names)  # fmt: skip
    else:
        torch.onnx.export(module, example, str(path), dynamo=False, opset_version=17,
                          input_names=["image"], output_names=names)  # fmt: skip
    return path


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for one in NETWORKS:
        print(write(one, target))
