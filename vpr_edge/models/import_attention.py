"""The weights of SegFormer's attention module, as Nano-VS-SLAM uses it, on our operations.

Their LayerNorm is (x - mean) / deviation * gain + shift over channels. The mean leaves by a 1x1
convolution; a vector of length 1 times the root of its length is what the deviation leaves; gain
and shift, and the heads' 1 / sqrt(channels), are folded into the convolutions that follow.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Layers = dict[str, dict[str, Array]]
BATCH_NORM_EPSILON = 1e-5


def attention_layers(take: Callable[[str], Array], name: str, heads: int) -> Layers:
    """Our tensors by node and by the end of their names.

    Args:
        take: gives a tensor of the module by its name there.
        name: of our `efficient_attention.efficient_attention`.
        heads: of both.
    """
    query, both = take("att.fn.to_q.weight"), take("att.fn.to_kv.weight")
    channels = len(query)
    centre = np.eye(channels, dtype=np.float32) - np.float32(1 / channels)
    normed = (take("att.norm.g").reshape(-1), take("att.norm.b").reshape(-1))
    query = query * np.float32((channels // heads) ** -0.5)
    layers = {f"{name}_centre1": _layer(centre[:, :, None, None])}
    parts = {"query": query, "key": both[:channels], "value": both[channels:]}
    for part, weight in parts.items():
        for number, share in enumerate(np.split(weight, heads), start=1):
            layers[f"{name}_head{number}_{part}"] = _after_norm(share, *normed)
    out = np.tensordot(centre, take("att.fn.to_out.weight"), 1)
    layers[f"{name}_project"] = _layer(out)
    normed = (take("mff.norm.g").reshape(-1), take("mff.norm.b").reshape(-1))
    net = "mff.fn.net"
    layers[f"{name}_widen"] = _after_norm(take(f"{net}.0.weight"), *normed, take(f"{net}.0.bias"))
    ones = np.ones(len(take(f"{net}.0.bias")), np.float32)
    # BatchNorm that does nothing but add their bias.
    layers[f"{name}_filter"] = {
        "weight": take(f"{net}.1.net.0.weight"),
        "norm.weight": ones,
        "norm.bias": take(f"{net}.1.net.0.bias"),
        "norm.running_mean": 0 * ones,
        "norm.running_var": ones - np.float32(BATCH_NORM_EPSILON),
    }
    layers[f"{name}_mix"] = _layer(take(f"{net}.1.net.1.weight"), take(f"{net}.1.net.1.bias"))
    layers[name] = _layer(take(f"{net}.3.weight"), take(f"{net}.3.bias"))
    return layers


def _after_norm(
    weight: Array, gain: Array, shift: Array, bias: Array | None = None
) -> dict[str, Array]:
    """A convolution [O, C, h, w] of LayerNorm's output as one of unit vectors."""
    added = np.einsum("ochw,c->o", weight, shift)
    spread = weight * (gain * np.float32(len(gain) ** 0.5))[:, None, None]
    return _layer(spread, added if bias is None else bias + added)


def _layer(weight: Array, bias: Array | None = None) -> dict[str, Array]:
    return {"weight": weight, "bias": np.zeros(len(weight), np.float32) if bias is None else bias}
