"""Small things on the streets: trees, lamps, traffic signs, cars, pedestrians, bicyclists."""

from enum import IntEnum

import numpy as np

from vpr_edge.datasets.town.mesh import Frame, MeshBuilder

KERB = 0.12
"""Height of the pavement above the road in metres."""
_PAINTS = np.array([
    (0.9, 0.9, 0.9), (0.62, 0.64, 0.66), (0.3, 0.32, 0.34), (0.08, 0.08, 0.09),
    (0.6, 0.1, 0.1), (0.12, 0.2, 0.5), (0.35, 0.5, 0.65), (0.15, 0.32, 0.2), (0.75, 0.62, 0.3),
])  # fmt: skip
_SKIN = (0.78, 0.6, 0.5)


class Label(IntEnum):
    """CamVid's 11 classes."""

    SKY = 0
    BUILDING = 1
    POLE = 2
    ROAD = 3
    PAVEMENT = 4
    TREE = 5
    SIGN = 6
    FENCE = 7
    CAR = 8
    PEDESTRIAN = 9
    BICYCLIST = 10
    IGNORE = 11


def add_tree(mesh: MeshBuilder, frame: Frame, rng: np.random.Generator, size: float) -> None:
    """A trunk and a lumpy crown of one to three balls."""
    trunk = 1.7 * size
    mesh.box(frame, (-0.13, -0.13, 0), (0.13, 0.13, trunk + 0.6), "bark", Label.TREE, tile=2)
    leaves = f"leaves{rng.integers(3)}"
    for _ in range(int(rng.integers(1, 4))):
        radius = size * rng.uniform(0.8, 1.35)
        centre = (*rng.uniform(-0.4, 0.4, 2) * size, trunk + radius * rng.uniform(0.7, 1.3))
        faces = _BALL * rng.normal(1, 0.1, (len(_BALL_POINTS), 1))[_BALL_INDEX] * radius + centre
        shade = np.clip(0.8 + 0.25 * _BALL[..., 2:], 0.5, 1) * rng.uniform(0.85, 1, 3)
        uv = np.array([(0, 0), (0.5, 0), (0.25, 0.5), (0.25, 0.5)]) + rng.uniform(
            0, 1, (len(_BALL), 1, 2)
        )
        mesh.quads(frame, faces, leaves, Label.TREE, shade, uv)
        x, y, z = centre
        mesh.shadow(frame, (x - 0.7 * radius, y - 0.7 * radius),
                    (x + 0.7 * radius, y + 0.7 * radius), z + 0.6 * radius)  # fmt: skip


def add_lamp(mesh: MeshBuilder, frame: Frame) -> np.ndarray:
    """A street lamp whose arm reaches along local y; returns where its light is, [3]."""
    grey = (0.36, 0.38, 0.4)
    mesh.box(frame, (-0.08, -0.08, 0), (0.08, 0.08, 4.8), "plain", Label.POLE, grey)
    mesh.box(frame, (-0.05, 0, 4.7), (0.05, 1.4, 4.8), "plain", Label.POLE, grey)
    mesh.box(frame, (-0.14, 1.0, 4.55), (0.14, 1.7, 4.7), "lamp", Label.POLE)
    under = np.array([(-0.14, 1.0, 4.55), (-0.14, 1.7, 4.55), (0.14, 1.7, 4.55), (0.14, 1.0, 4.55)])
    mesh.quads(frame, under[None], "lamp", Label.POLE)
    return frame.world(np.array([0, 1.35, 4.5]))


def add_traffic_sign(mesh: MeshBuilder, frame: Frame, rng: np.random.Generator) -> None:
    """A pole with one or two signs that face local -y."""
    height = rng.uniform(2.1, 2.7)
    mesh.box(frame, (-0.05, -0.05, 0), (0.05, 0.05, height + 0.3), "plain", Label.POLE,
             (0.55, 0.55, 0.56))  # fmt: skip
    for z in (height, height - 0.75)[: int(rng.integers(1, 3))]:
        kind = int(rng.integers(8))
        corners = (12, 3, 4, 8)[kind % 4]
        start = {3: -30, 4: 45, 8: 22.5, 12: 15}[corners]
        angle = np.radians(start + np.arange(corners) * 360 / corners)
        rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        outline = np.stack([rim[:, 0] * 0.4, np.full(corners, -0.08), rim[:, 1] * 0.4 + z], axis=1)
        fan = np.array([(0, i, min(i + 1, corners - 1), min(i + 2, corners - 1))
                        for i in range(1, corners - 1, 2)])  # fmt: skip
        mesh.quads(frame, outline[fan], f"sign{kind}", Label.SIGN, uv=(rim * 0.5 + 0.5)[fan])
        mesh.quads(frame, outline[fan][:, ::-1], "plain", Label.SIGN, (0.5, 0.5, 0.5))


def add_car(mesh: MeshBuilder, frame: Frame, rng: np.random.Generator) -> None:
    """A car along local x, its middle at the origin."""
    tint = np.clip(rng.choice(_PAINTS) + rng.normal(0, 0.05, 3), 0.04, 0.95)
    van = rng.random() < 0.2
    long, wide = rng.uniform(3.7, 4.7) / 2, rng.uniform(1.65, 1.8) / 2
    waist, roof = (1.1, 2.1) if van else (rng.uniform(0.78, 0.92), rng.uniform(1.38, 1.6))
    sides = ("car_side", "car_end", "car_side", "car_end", "plain")
    mesh.box(frame, (-long, -wide, 0.02), (long, wide, waist), sides, Label.CAR, tint)
    tail, nose = -long * rng.uniform(0.75, 1.0), long * (0.75 if van else rng.uniform(0.3, 0.5))
    inset = 0.1
    low = [(tail, -wide), (nose, -wide), (nose, wide), (tail, wide)]
    high = [(tail + 0.3, -wide + inset), (nose - (0.2 if van else 0.6), -wide + inset),
            (nose - (0.2 if van else 0.6), wide - inset), (tail + 0.3, wide - inset)]  # fmt: skip
    for i in range(4):
        j = (i + 1) % 4
        wall = np.array([(*low[i], waist), (*low[j], waist), (*high[j], roof), (*high[i], roof)])
        mesh.quads(frame, wall[None], "car_glass", Label.CAR, tint * 0.6 + 0.3)
    mesh.quads(frame, np.array([[(*corner, roof) for corner in high]]), "plain", Label.CAR, tint)
    mesh.shadow(frame, (-long, -wide), (long, wide), 0.8)
    mesh.shadow(frame, (tail + 0.3, -wide), (nose - 0.4, wide), roof - 0.1)


def add_pedestrian(
    mesh: MeshBuilder, frame: Frame, rng: np.random.Generator, label: Label = Label.PEDESTRIAN
) -> None:
    """A person looking along local x."""
    coat, trousers = rng.uniform(0.1, 0.9, 3), rng.uniform(0.1, 0.5, 3)
    tall = rng.uniform(0.88, 1.05)
    for y, swing in ((-0.17, 0.12), (0.02, -0.12)):
        mesh.box(frame, (swing - 0.09, y, 0), (swing + 0.09, y + 0.15, 0.85 * tall), "plain", label,
                 trousers)  # fmt: skip
    mesh.box(frame, (-0.15, -0.25, 0.8 * tall), (0.15, 0.25, 1.45 * tall), "plain", label, coat)
    for y in (-0.34, 0.24):
        mesh.box(frame, (-0.07, y, 0.85 * tall), (0.07, y + 0.1, 1.42 * tall), "plain", label,
                 coat * 0.8)  # fmt: skip
    mesh.box(frame, (-0.1, -0.1, 1.47 * tall), (0.1, 0.1, 1.7 * tall), "plain", label, _SKIN)
    mesh.box(frame, (-0.12, -0.11, 1.64 * tall), (0.08, 0.11, 1.75 * tall), "plain", label,
             rng.uniform(0.05, 0.5) * np.ones(3))  # fmt: skip
    mesh.shadow(frame, (-0.2, -0.25), (0.2, 0.25), 1.6)


def add_bicyclist(mesh: MeshBuilder, frame: Frame, rng: np.random.Generator) -> None:
    """A rider on a bicycle along local x."""
    angle = np.radians(np.arange(8) * 45)
    rim = np.stack([np.cos(angle) * 0.34, np.zeros(8), np.sin(angle) * 0.34], axis=1)
    fan = np.array([(0, 1, 2, 3), (0, 3, 4, 5), (0, 5, 6, 7)])
    for x in (-0.52, 0.52):
        wheel = rim[fan] + np.array([x, 0, 0.34])
        both = np.concatenate([wheel, wheel[:, ::-1]])
        mesh.quads(frame, both, "plain", Label.BICYCLIST, (0.13, 0.13, 0.14))
    paint = rng.uniform(0.1, 0.9, 3)
    mesh.box(frame, (-0.5, -0.03, 0.55), (0.5, 0.03, 0.65), "plain", Label.BICYCLIST, paint)
    mesh.box(frame, (0.42, -0.25, 0.65), (0.48, 0.25, 1.0), "plain", Label.BICYCLIST, paint)
    coat, dark = rng.uniform(0.15, 0.95, 3), rng.uniform(0.1, 0.4, 3)
    mesh.box(frame, (-0.3, -0.16, 0.4), (0.05, 0.16, 0.95), "plain", Label.BICYCLIST, dark)
    mesh.box(frame, (-0.3, -0.22, 0.95), (0.08, 0.22, 1.5), "plain", Label.BICYCLIST, coat)
    mesh.box(frame, (0.0, -0.25, 1.15), (0.45, 0.25, 1.28), "plain", Label.BICYCLIST, coat * 0.8)
    mesh.box(frame, (-0.12, -0.1, 1.5), (0.1, 0.1, 1.74), "plain", Label.BICYCLIST, _SKIN)
    mesh.shadow(frame, (-0.8, -0.2), (0.8, 0.2), 1.5)


def _icosphere() -> tuple[np.ndarray, np.ndarray]:
    golden = (1 + 5**0.5) / 2
    rectangle = np.array([(s, t * golden, 0.0) for s in (-1, 1) for t in (-1, 1)])
    corners = np.concatenate([np.roll(rectangle, shift, axis=1) for shift in range(3)])
    corners /= np.linalg.norm(corners, axis=1, keepdims=True)
    n = len(corners)
    near = np.linalg.norm(corners[:, None] - corners, axis=2) < 1.1
    triples = [(i, j, k) for i in range(n) for j in range(i + 1, n) for k in range(j + 1, n)
               if near[i, j] and near[j, k] and near[i, k]]  # fmt: skip
    triangles = []
    for i, j, k in triples:
        outward = np.linalg.det(corners[[i, j, k]]) > 0
        triangles.append((i, j, k, k) if outward else (i, k, j, j))
    return corners, np.array(triangles)


_BALL_POINTS, _BALL_INDEX = _icosphere()
_BALL = _BALL_POINTS[_BALL_INDEX]
