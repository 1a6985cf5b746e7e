"""Bytes of tensors, and how they lie in the arena."""

from vpr_edge.firmware_bridge.operators.shared.node import Tensor

ALIGNMENT = 16
"""Of every offset in the arena, bytes."""


def size(tensor: Tensor) -> int:
    """Bytes of a tensor."""
    elements = 1
    for length in tensor.shape:
        elements *= length
    return elements * tensor.dtype.itemsize


def aligned(count: int) -> int:
    """The least multiple of the alignment that holds so many bytes."""
    return -(-count // ALIGNMENT) * ALIGNMENT
