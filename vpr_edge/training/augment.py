"""Random views of pictures, drawn for a whole batch at once.

All randomness comes from a `torch.Generator`, so that a step is repeated exactly by its seed.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional


def uniform(g: Generator, low: float | Tensor, high: float | Tensor, *shape: int) -> Tensor:
    """Uniform float32 draws in [low, high)."""
    return torch.rand(*shape, generator=g) * (high - low) + low


def photometric(images: Tensor, g: Generator, strength: float | Tensor = 1.0) -> Tensor:
    """Another light, weather and camera, different for every picture.

    Gamma, contrast, brightness, colour cast, loss of colour, a gradient of light, haze towards the
    top, a shadowed or snow-lit ground, blur and noise.

    Args:
        images: [N, 3, H, W] in [0, 1].
        g: source of the draws.
        strength: 0 leaves the pictures alone, 1 turns day into night; one for all, or [N, 1, 1, 1].

    Returns:
        [N, 3, H, W] in [0, 1].
    """
    n, _, h, w = images.shape
    s = strength

    def draw(low: float, high: float) -> Tensor:
        return uniform(g, low * s, high * s, n, 1, 1, 1)

    x = images.clamp(1e-4, 1.0) ** torch.exp(draw(-0.8, 0.8))
    grey = x.mean(1, keepdim=True)
    colour = (1.0 - s * uniform(g, 0, 1, n, 1, 1, 1)).clamp(0, 1)
    colour = torch.where(torch.rand(n, 1, 1, 1, generator=g) < 0.25 * s, 0.0 * colour, colour)
    x = grey + (x - grey) * colour
    x = x * torch.exp(uniform(g, -0.25 * s, 0.25 * s, n, 3, 1, 1))
    middle = x.mean((1, 2, 3), keepdim=True)
    x = middle + (x - middle) * torch.exp(draw(-0.6, 0.4)) + draw(-0.2, 0.2)
    rows = torch.linspace(-1, 1, h).view(1, 1, h, 1)
    columns = torch.linspace(-1, 1, w).view(1, 1, 1, w)
    x = x * torch.exp(draw(-0.4, 0.4) * rows + draw(-0.4, 0.4) * columns)
    horizon = uniform(g, -0.5, 0.6, n, 1, 1, 1)
    below = torch.sigmoid((rows - horizon) * 8)
    x = x + below * draw(-0.25, 0.35) * (torch.rand(n, 1, 1, 1, generator=g) < 0.4)
    haze = (torch.rand(n, 1, 1, 1, generator=g) < 0.3) * draw(0, 0.7)
    depth = torch.sigmoid((horizon - rows) * 3)
    x = x * (1 - haze * depth) + haze * depth * uniform(g, 0.3, 1.0, n, 1, 1, 1)
    blurred = functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    x = torch.where(torch.rand(n, 1, 1, 1, generator=g) < 0.3 * s, blurred, x)
    x = x + torch.randn(x.shape, generator=g) * draw(0, 0.06).abs()
    return x.clamp(0, 1)


def random_homographies(g: Generator, n: int, amount: float) -> Tensor:
    """Homographies of normalised coordinates ([-1, 1] on both axes), view to picture.

    Args:
        g: source of the draws.
        n: how many.
        amount: 0.1 is a light jitter, 0.5 a strong change of viewpoint.

    Returns:
        float32 [n, 3, 3].
    """
    angle = uniform(g, -0.7 * amount, 0.7 * amount, n)
    scale = torch.exp(uniform(g, -0.8 * amount, 0.3 * amount, n))
    stretch = torch.exp(uniform(g, -0.3 * amount, 0.3 * amount, n))
    shift = uniform(g, -0.5 * amount, 0.5 * amount, n, 2)
    tilt = uniform(g, -0.4 * amount, 0.4 * amount, n, 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    result = torch.zeros(n, 3, 3)
    result[:, 0, 0], result[:, 0, 1] = scale * stretch * cos, -scale * sin
    result[:, 1, 0], result[:, 1, 1] = scale * sin, scale / stretch * cos
    result[:, :2, 2] = shift
    result[:, 2, :2], result[:, 2, 2] = tilt, 1.0
    return result


def apply_homography(homographies: Tensor, points: Tensor) -> Tensor:
    """Map points [N, K, 2] by [N, 3, 3]."""
    mapped = points @ homographies[:, :, :2].transpose(1, 2) + homographies[:, None, :, 2]
    depth = mapped[..., 2:]
    return mapped[..., :2] / torch.where(depth.abs() < 1e-6, torch.full_like(depth, 1e-6), depth)


def view(
    images: Tensor, homographies: Tensor, height: int, width: int, mode: str = "bilinear"
) -> Tensor:
    """Sample pictures [N, C, H, W] at `homographies` of a height x width grid; edges are mirrored.

    Args:
        images: what is looked at.
        homographies: of normalised coordinates, view to picture, [N, 3, 3].
        height, width: of the view.
        mode: "bilinear", or "nearest" for maps whose values do not mix.

    Returns:
        [N, C, height, width].
    """
    rows = (torch.arange(height) + 0.5) * (2 / height) - 1
    columns = (torch.arange(width) + 0.5) * (2 / width) - 1
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    points = torch.stack([x, y], -1).view(1, -1, 2).expand(len(images), -1, -1)
    grid = apply_homography(homographies, points).view(-1, height, width, 2)
    return functional.grid_sample(
        images, grid, mode=mode, padding_mode="reflection", align_corners=False
    )
