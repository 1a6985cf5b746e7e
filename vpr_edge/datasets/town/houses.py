"""Houses and gardens along the blocks' sides; every front facade is unique."""

from itertools import pairwise

import numpy as np

from vpr_edge.datasets.town.mesh import Frame, MeshBuilder
from vpr_edge.datasets.town.plan import PAVEMENT, Block
from vpr_edge.datasets.town.props import KERB, Label, add_tree
from vpr_edge.datasets.town.textures import WALLS, NoiseBank, Texture, facade

_DEPTH = 10.0


def build_up(
    mesh: MeshBuilder, textures: dict[str, Texture], block: Block,
    rng: np.random.Generator, bank: NoiseBank,
) -> None:  # fmt: skip
    """Line every side of a block that has a street with lots; adds facades to `textures`.

    A lot's frame has x to the right as seen from the street and y away from the street.
    """
    x0, y0, x1, y1 = block.x0, block.y0, block.x1, block.y1
    inset = PAVEMENT
    starts = {
        "south": (Frame(x0 + inset, y0 + inset, 0), x1 - x0 - 2 * inset, 0.0),
        "east": (Frame(x1 - inset, y0 + inset, 90), y1 - y0 - 2 * inset, _DEPTH),
        "north": (Frame(x1 - inset, y1 - inset, 180), x1 - x0 - 2 * inset, 0.0),
        "west": (Frame(x0 + inset, y1 - inset, 270), y1 - y0 - 2 * inset, _DEPTH),
    }
    for side in block.sides:
        frame, length, margin = starts[side]
        x, end = margin, length - margin
        while end - x > 4:
            width = min(rng.uniform(6.5, 13.5), end - x)
            if end - x - width < 5:
                width = end - x
            # Corner lots are always built up, so that streets have walls where they meet.
            corner = x == margin or x + width >= end - 0.01
            lot = frame.at(x, 0)
            if corner or rng.random() > 0.16:
                _house(mesh, textures, lot, width, corner, rng, bank)
            else:
                _garden(mesh, lot, width, rng)
            x += width


def _house(
    mesh: MeshBuilder, textures: dict[str, Texture], lot: Frame, width: float, corner: bool,
    rng: np.random.Generator, bank: NoiseBank,
) -> None:  # fmt: skip
    floors = int(rng.choice([2, 2, 3, 3, 4, 5]))
    height = floors * rng.uniform(2.7, 3.5)
    shop = bool(rng.random() < 0.4)
    front = f"facade{len(textures)}"
    textures[front], color = facade(rng, bank, width, floors, shop)
    setback = 0.0 if corner or shop else float(rng.choice([0.0, 0.0, 0.5, 2.5]))
    house = lot.at(0, setback)
    side = front if corner else f"wall_{rng.choice(WALLS)}"
    tint = (1.0, 1.0, 1.0) if corner else np.clip(color / 200, 0, 1)
    _walls(mesh, house, width, height, front, side, tint)
    mesh.shadow(house, (0, 0), (width, _DEPTH), height)
    if rng.random() < 0.55:
        _gable(mesh, house, width, height, side, tint, rng)
    else:
        top = np.array([(0, 0, height), (width, 0, height),
                        (width, _DEPTH, height), (0, _DEPTH, height)])  # fmt: skip
        mesh.quads(house, top[None], "flat_roof", Label.BUILDING)
        ledge = rng.uniform(0.15, 0.5)
        paint = np.clip(color / 255 * rng.uniform(0.6, 1.2), 0, 1)
        mesh.box(house, (-0.05, -ledge, height - 0.4), (width + 0.05, 0.2, height + 0.25),
                 "plain", Label.BUILDING, paint)  # fmt: skip
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(0.5, width - 1.5), rng.uniform(2, 5)
        mesh.box(house, (x, y, height), (x + 0.8, y + 0.8, height + rng.uniform(2.2, 3.4)),
                 "wall_brick", Label.BUILDING, (0.7, 0.45, 0.35), tile=3)  # fmt: skip
    if shop:
        _shop_fittings(mesh, house, width, height / floors, rng)
    elif rng.random() < 0.35:
        _balconies(mesh, house, width, height / floors, floors, rng)
    if setback > 1:
        _fence(mesh, lot, width, rng)


def _walls(
    mesh: MeshBuilder, house: Frame, width: float, height: float, front: str, side: str,
    tint: np.ndarray | tuple[float, ...],
) -> None:  # fmt: skip
    corners = [(0, 0), (width, 0), (width, _DEPTH), (0, _DEPTH)]
    for i, texture in enumerate((front, side, side, side)):
        (ax, ay), (bx, by) = corners[i], corners[(i + 1) % 4]
        face = np.array([(ax, ay, 0), (bx, by, 0), (bx, by, height), (ax, ay, height)])
        stretched = texture == front
        span = (1.0, 1.0) if stretched else (max(abs(bx - ax), abs(by - ay)) / 6, height / 6)
        uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * span
        # Walls are darker towards the ground, where less sky lights them.
        shade = np.array([0.78, 0.78, 1.0, 1.0])[:, None] * (
            np.ones(3) if stretched else np.asarray(tint)
        )
        mesh.quads(house, face[None], texture, Label.BUILDING, shade, uv)


def _gable(
    mesh: MeshBuilder, house: Frame, width: float, height: float, side: str,
    tint: np.ndarray | tuple[float, ...], rng: np.random.Generator,
) -> None:  # fmt: skip
    ridge = height + rng.uniform(1.8, 4.2)
    roof = f"roof{rng.integers(3)}"
    eave, mid, low = 0.45, _DEPTH / 2, height - 0.2
    uv = np.array([(0, 0), (width / 4, 0), (width / 4, 1.8), (0, 1.8)])
    a, b = (0.0, mid, ridge), (width, mid, ridge)
    front = np.array([(0, -eave, low), (width, -eave, low), b, a])
    back = np.array([(width, _DEPTH + eave, low), (0, _DEPTH + eave, low), a, b])
    mesh.quads(house, np.stack([front, back]), roof, Label.BUILDING, uv=uv)
    under = front[[1, 0, 3, 2]]
    under[2:] = (0, 0.3, low), (width, 0.3, low)
    mesh.quads(house, under[None], "plain", Label.BUILDING, (0.4, 0.37, 0.34))
    wall = side if side.startswith("wall") else "wall_plaster"
    right = np.array([(width, 0, height), (width, _DEPTH, height), b, b])
    left = np.array([(0, _DEPTH, height), (0, 0, height), a, a])
    mesh.quads(house, np.stack([right, left]), wall, Label.BUILDING, tint,
               np.array([(0, 0), (1.6, 0), (0.8, 0.6), (0.8, 0.6)]))  # fmt: skip
    mesh.shadow(house, (0, mid - 1.5), (width, mid + 1.5), ridge - 0.8)


def _shop_fittings(
    mesh: MeshBuilder, house: Frame, width: float, storey: float, rng: np.random.Generator
) -> None:
    tint = rng.uniform(0.15, 0.95, 3)
    if rng.random() < 0.5:
        x0, x1 = 0.3, width - 0.3
        stripes = np.linspace(x0, x1, int(rng.integers(4, 12)))
        for i, (sx0, sx1) in enumerate(pairwise(stripes)):
            top, bottom = storey * 0.78, storey * 0.78 - 0.55
            cloth = np.array(
                [(sx0, -1.2, bottom), (sx1, -1.2, bottom), (sx1, 0, top), (sx0, 0, top)]
            )
            color = tint if i % 2 else (0.92, 0.92, 0.9)
            mesh.quads(
                house, np.stack([cloth, cloth[[1, 0, 3, 2]]]), "plain", Label.BUILDING, color
            )
    if rng.random() < 0.7:
        x = rng.uniform(0.6, width - 0.6)
        board = f"board{rng.integers(24)}"
        z = storey * rng.uniform(0.95, 1.1)
        mesh.box(house, (x - 0.06, -1.35, z), (x + 0.06, -0.15, z + 0.75),
                 ("plain", board, "plain", board, "plain"), Label.SIGN)  # fmt: skip


def _balconies(
    mesh: MeshBuilder, house: Frame, width: float, storey: float, floors: int,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    size, tint = rng.uniform(1.6, 2.6), rng.uniform(0.2, 0.9, 3)
    columns = rng.uniform(0.2, width - size - 0.2, int(rng.integers(1, 3)))
    for floor in range(1, floors):
        for x in columns:
            z = floor * storey
            mesh.box(house, (x, -1.0, z - 0.15), (x + size, 0, z + 0.85),
                     "fence0", Label.BUILDING, tint)  # fmt: skip


def _fence(mesh: MeshBuilder, lot: Frame, width: float, rng: np.random.Generator) -> None:
    gate = rng.uniform(0.2, 0.6) * width
    texture, height = f"fence{rng.integers(3)}", rng.uniform(0.8, 1.5)
    for x0, x1 in ((0.0, gate), (gate + 1.3, width)):
        mesh.box(lot, (x0, 0.1, KERB), (x1, 0.18, height), texture, Label.FENCE, tile=2.5)
    mesh.shadow(lot, (0, 0.1), (width, 0.18), height)


def _garden(mesh: MeshBuilder, lot: Frame, width: float, rng: np.random.Generator) -> None:
    _fence(mesh, lot, width, rng)
    for x in np.arange(1.6, width - 1, 3.4):
        add_tree(mesh, lot.at(x, rng.uniform(2, 6)), rng, rng.uniform(0.9, 1.5))
    back = np.array([(0, 9, 0), (width, 9, 0), (width, 9, 2.4), (0, 9, 2.4)])
    uv = np.array([(0, 0), (width / 6, 0), (width / 6, 0.4), (0, 0.4)])
    mesh.quads(lot, back[None], "wall_brick", Label.FENCE, (0.75, 0.5, 0.4), uv)
