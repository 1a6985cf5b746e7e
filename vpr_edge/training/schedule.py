"""Figures that change over a run: weights of losses, and the learning rate."""

import math

import numpy as np

Weight = float | dict[int, float]
"""A constant, or values at steps: straight lines between them, constant before and after."""


def value_at(weight: Weight, step: int) -> float:
    """The value at a step (counted from 0)."""
    if isinstance(weight, dict):
        steps = sorted(weight)
        return float(np.interp(step, steps, [weight[at] for at in steps]))
    return weight


def ever_used(weight: Weight) -> bool:
    """Whether the value is different from zero at any step."""
    return any(weight.values()) if isinstance(weight, dict) else bool(weight)


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """Share of the peak rate: linear warm-up, then cosine to zero (arXiv 1608.03983)."""
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * done))
