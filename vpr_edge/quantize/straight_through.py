"""Rounding with straight-through gradients (arXiv 1308.3432), light enough for a training loop."""

from typing import Any

import torch
from torch import Tensor


class _RoundClamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: int, high: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limits = (low, high)
        return x.round().clamp_(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        # hardtanh's backward is this mask in one fused pass.
        masked = torch.ops.aten.hardtanh_backward(gradients[0], *ctx.saved_tensors, *ctx.limits)
        return masked, None, None


class _Replace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor, low: int, high: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limits = (low, high)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        masked = torch.ops.aten.hardtanh_backward(gradients[0], *ctx.saved_tensors, *ctx.limits)
        return masked, None, None, None


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def round_clamp(x: Tensor, low: int, high: int) -> Tensor:
    """Round half to even and clamp; the gradient passes strictly inside [low, high]."""
    return _RoundClamp.apply(x, low, high)


def replace_value(x: Tensor, value: Tensor, low: int, high: int) -> Tensor:
    """`value` going forward, the gradient of `round_clamp(x, low, high)` going back."""
    return _Replace.apply(x, value.detach(), low, high)


def round_through(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes unchanged."""
    return x + (x.round() - x).detach()


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """`x` going forward, the gradient times `factor` going back."""
    return _ScaleGradient.apply(x, factor)
