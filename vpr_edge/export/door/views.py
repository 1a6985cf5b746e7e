"""What an ONNX tensor is of one of our maps: which pieces of which axes make up its dimensions.

Our maps have channels, rows and columns, and no batch. A transposition or a reshape in ONNX moves
nothing here until an operator wants the elements in another order.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from vpr_edge.models.graph import Shape


@dataclass(frozen=True)
class Piece:
    """A part of one axis of a map.

    Attributes:
        axis: 0 for channels, 1 for rows, 2 for columns.
        stride: how far apart on the axis two neighbours of the piece lie.
        size: how many there are.
    """

    axis: int
    stride: int
    size: int


Dimensions = tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class View:
    """A map as an ONNX tensor.

    Attributes:
        node: the map.
        dimensions: for each dimension of the tensor the pieces, the slowest first; none where the
            dimension is 1.
    """

    node: str
    dimensions: Dimensions

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the ONNX tensor."""
        return tuple(prod(piece.size for piece in pieces) for pieces in self.dimensions)

    def transposed(self, order: tuple[int, ...]) -> "View":
        """Dimensions in another order."""
        return replace(self, dimensions=tuple(self.dimensions[axis] for axis in order))

    def reshaped(self, shape: tuple[int, ...]) -> "View | None":
        """The same elements in the same order, or None where a piece cannot be cut so."""
        left = [piece for pieces in self.dimensions for piece in pieces]
        found = []
        for size in shape:
            pieces: list[Piece] = []
            while (rest := size // prod(p.size for p in pieces)) > 1:
                if not left:
                    return None
                piece = left.pop(0)
                if piece.size > rest:
                    if piece.size % rest:
                        return None
                    inner = piece.size // rest
                    left.insert(0, Piece(piece.axis, piece.stride, inner))
                    piece = Piece(piece.axis, piece.stride * inner, rest)
                pieces.append(piece)
            if prod(p.size for p in pieces) != size:
                return None
            found.append(tuple(_merged(pieces)))
        return None if left else replace(self, dimensions=tuple(found))

    def to_onnx(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map [channels, rows, columns] as the tensor."""
        split, order = pieces_and_order(self.dimensions)
        return values.reshape(split).transpose(order).reshape(self.shape)


def plain(node: str, shape: Shape, rank: int = 4) -> View:
    """A map as the tensor [1, C, H, W], [1, C, W] or [1, C]."""
    pieces = tuple((Piece(axis, 1, size),) if size > 1 else () for axis, size in enumerate(shape))
    kept = {4: pieces, 3: (pieces[0], pieces[2]), 2: (pieces[0],)}[rank]
    return View(node, ((), *kept))


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one axis that follow one another as one piece."""
    found: list[Piece] = []
    for piece in pieces:
        if found:
            before = found[-1]
            if before.axis == piece.axis and before.stride == piece.stride * piece.size:
                found[-1] = Piece(piece.axis, piece.stride, before.size * piece.size)
                continue
        found.append(piece)
    return found


def pieces_and_order(dimensions: Dimensions) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes of the pieces as they lie in the map, and the order in which the tensor has them."""
    wanted = [piece for pieces in dimensions for piece in pieces]
    stored = sorted(wanted, key=lambda piece: (piece.axis, -piece.stride))
    return tuple(p.size for p in stored), tuple(stored.index(piece) for piece in wanted)
