"""Textured, labelled quads: the one kind of geometry that the town is made of."""

from dataclasses import dataclass

import numpy as np

# The faces of a unit cube seen from outside, counter-clockwise: front, right, back, left, top.
_CUBE = np.array([
    [(0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)],
    [(1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)],
    [(1, 1, 0), (0, 1, 0), (0, 1, 1), (1, 1, 1)],
    [(0, 1, 0), (0, 0, 0), (0, 0, 1), (0, 1, 1)],
    [(0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)],
], dtype=float)  # fmt: skip
UNIT_UV = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float)
WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Faces:
    """Flat quads (a triangle repeats its last corner), counter-clockwise from outside.

    Attributes:
        vertices: float64 [n, 4, 3], metres in the town's frame (east, north, up).
        uv: float64 [n, 4, 2], v up.
        tint: float64 [n, 4, 3], multiplies the texture; 0..1.
        textures: name of each face's texture.
        labels: class of each face, uint8 [n].
        casters: boxes (x0, y0, x1, y1, top) that cast shadows, float64 [m, 5].
    """

    vertices: np.ndarray
    uv: np.ndarray
    tint: np.ndarray
    textures: list[str]
    labels: np.ndarray
    casters: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __add__(self, other: "Faces") -> "Faces":
        arrays = [
            np.concatenate([getattr(self, k), getattr(other, k)])
            for k in ("vertices", "uv", "tint", "labels", "casters")
        ]
        vertices, uv, tint, labels, casters = arrays
        return Faces(vertices, uv, tint, self.textures + other.textures, labels, casters)

    def planes(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit normals float64 [n, 3] and offsets float64 [n]: points of a face have n . x = d."""
        # Of the diagonals, as a triangle has an edge of length zero.
        a, b, c, d = self.vertices.transpose(1, 0, 2)
        normal = np.cross(c - a, d - b)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return normal, (normal * a).sum(axis=1)


@dataclass(frozen=True)
class Frame:
    """A local frame: x along `angle` (0 = east, counter-clockwise), y to its left, z up."""

    x: float
    y: float
    angle_deg: float = 0.0

    def world(self, points: np.ndarray) -> np.ndarray:
        """Local points [..., 3] in the town's frame."""
        angle = np.radians(self.angle_deg)
        sine, cosine = np.sin(angle), np.cos(angle)
        turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
        return points @ turn + (self.x, self.y, 0)

    def at(self, x: float, y: float, turn_deg: float = 0.0) -> "Frame":
        """A frame whose origin is the local point (x, y), turned by `turn_deg`."""
        origin = self.world(np.array([x, y, 0.0]))
        return Frame(float(origin[0]), float(origin[1]), self.angle_deg + turn_deg)


class MeshBuilder:
    """Collects faces; every method takes positions in the given local frame."""

    def __init__(self) -> None:
        self._vertices: list[np.ndarray] = []
        self._uv: list[np.ndarray] = []
        self._tint: list[np.ndarray] = []
        self._textures: list[str] = []
        self._labels: list[np.ndarray] = []
        self._casters: list[tuple[float, ...]] = []

    def quads(
        self, frame: Frame, corners: np.ndarray, texture: str, label: int,
        tint: np.ndarray | tuple[float, ...] = WHITE, uv: np.ndarray = UNIT_UV,
    ) -> None:  # fmt: skip
        """Add quads [n, 4, 3] of one texture; `tint` and `uv` broadcast to [n, 4, .]."""
        count = len(corners)
        self._vertices.append(frame.world(np.asarray(corners, float)))
        self._uv.append(np.broadcast_to(uv, (count, 4, 2)))
        self._tint.append(np.broadcast_to(tint, (count, 4, 3)))
        self._textures.extend([texture] * count)
        self._labels.append(np.full(count, label, np.uint8))

    def box(
        self, frame: Frame, low: tuple[float, float, float], high: tuple[float, float, float],
        textures: str | tuple[str, str, str, str, str], label: int,
        tint: np.ndarray | tuple[float, ...] = WHITE, tile: float = 0.0,
    ) -> None:  # fmt: skip
        """Add a box without its bottom.

        Args:
            frame: local frame.
            low, high: opposite corners in metres.
            textures: one for all, or front (-y), right (+x), back, left, top.
            label: class.
            tint: colour.
            tile: metres that a texture spans; 0 stretches it over each face.
        """
        size = np.subtract(high, low)
        names = (textures,) * 5 if isinstance(textures, str) else textures
        for face, name in zip(_CUBE, names, strict=True):
            spans = np.abs(face[2] - face[0]) * size
            across, up = spans[[0, 1]] if face[0, 2] == 1 else (spans[:2].max(), spans[2])
            uv = UNIT_UV * (across / tile, up / tile) if tile else UNIT_UV
            self.quads(frame, (face * size + low)[None], name, label, tint, uv)

    def shadow(self, frame: Frame, low: tuple[float, float], high: tuple[float, float],
               top: float) -> None:  # fmt: skip
        """Let a box from the ground up to `top` cast a shadow."""
        corners = frame.world(np.array([(*low, 0.0), (*high, 0.0)]))
        x, y = np.sort(corners[:, 0]), np.sort(corners[:, 1])
        self._casters.append((x[0], y[0], x[1], y[1], top))

    def done(self) -> Faces:
        """All faces collected."""
        return Faces(
            np.concatenate(self._vertices), np.concatenate(self._uv), np.concatenate(self._tint),
            list(self._textures), np.concatenate(self._labels),
            np.array(self._casters, float).reshape(-1, 5),
        )  # fmt: skip
