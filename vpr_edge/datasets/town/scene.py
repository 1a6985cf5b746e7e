"""A whole town as geometry and textures, and the traffic that differs by traversal."""

from dataclasses import dataclass

import numpy as np

from vpr_edge.datasets.town.houses import build_up
from vpr_edge.datasets.town.mesh import UNIT_UV, Faces, Frame, MeshBuilder
from vpr_edge.datasets.town.plan import PAVEMENT, Block, Plan, make_plan
from vpr_edge.datasets.town.props import (
    KERB,
    Label,
    add_bicyclist,
    add_car,
    add_lamp,
    add_pedestrian,
    add_traffic_sign,
    add_tree,
)
from vpr_edge.datasets.town.surfaces import ROAD_WIDTH, shared_textures
from vpr_edge.datasets.town.textures import NoiseBank, Texture

_HALF = ROAD_WIDTH / 2


@dataclass(frozen=True)
class Town:
    """What stays the same in every traversal.

    Attributes:
        plan: streets and route.
        faces: all that does not move.
        textures: by name.
        lamps: positions of the street lamps' lights, float64 [n, 3].
    """

    plan: Plan
    faces: Faces
    textures: dict[str, Texture]
    lamps: np.ndarray


def make_town(seed: int, places: int, spacing: float) -> Town:
    """Build the town of a seed with a route of `places` x `spacing` metres."""
    rng = np.random.default_rng([seed, 1])
    plan = make_plan(rng, places, spacing)
    bank = NoiseBank(rng)
    textures = shared_textures(rng, bank)
    mesh = MeshBuilder()
    _streets(mesh, plan, rng)
    lamps = []
    for block in plan.blocks():
        _pavement(mesh, block, rng)
        build_up(mesh, textures, block, rng, bank)
        for kerb, length in _kerbs(block):
            lamps += _furnish(mesh, kerb, length, rng)
    _close_street_ends(mesh, plan, rng)
    return Town(plan, mesh.done(), textures, np.array(lamps))


def make_traffic(plan: Plan, rng: np.random.Generator) -> Faces:
    """Parked and oncoming cars, pedestrians and bicyclists of one traversal.

    Nothing stands where the route passes: right of each street's centre line (in the route's
    direction) only the parking bays are used.
    """
    mesh = MeshBuilder()
    for block in plan.blocks():
        for kerb, length in _kerbs(block):
            x = rng.uniform(7, 12)
            while x < length - 9:
                if rng.random() < 0.4:
                    add_car(mesh, kerb.at(x, -0.98, 180 * (rng.random() < 0.9)), rng)
                x += rng.uniform(5.2, 9)
            for _ in range(int(rng.poisson(length / 22))):
                spot = kerb.at(rng.uniform(3, length - 3), rng.uniform(1.1, 2.1),
                               float(rng.choice([0, 180])))  # fmt: skip
                add_pedestrian(mesh, spot, rng)
    for frame, length in _oncoming_lanes(plan):
        for x in np.arange(12, length - 12, 14):
            chance = rng.random()
            if chance < 0.16:
                add_car(mesh, frame.at(x, 0.1), rng)
            elif chance < 0.32:
                add_bicyclist(mesh, frame.at(x, -0.6), rng)
    return mesh.done()


def _kerbs(block: Block) -> list[tuple[Frame, float]]:
    """Frames along the block's kerbs: x against the traffic's direction, y towards the houses."""
    width, height = block.x1 - block.x0, block.y1 - block.y0
    frames = {
        "south": (Frame(block.x0, block.y0, 0), width),
        "east": (Frame(block.x1, block.y0, 90), height),
        "north": (Frame(block.x1, block.y1, 180), width),
        "west": (Frame(block.x0, block.y1, 270), height),
    }
    return [frames[side] for side in block.sides]


def _oncoming_lanes(plan: Plan) -> list[tuple[Frame, float]]:
    """Lanes opposite to the route, with x along their traffic."""
    line = plan.centre_line()[::-1]
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    direction = np.degrees(np.arctan2(*np.diff(line, axis=0).T[::-1]))
    straight = np.abs(direction - np.round(direction / 90) * 90) < 0.01
    lanes, start = [], None
    for i, on in enumerate([*straight, False]):
        if on and start is None:
            start = i
        elif not on and start is not None:
            length = float(steps[start:i].sum())
            if length > 24:
                origin = Frame(
                    float(line[start, 0]), float(line[start, 1]), float(direction[start])
                )
                lanes.append((origin.at(0, -2.0), length))
            start = None
    return lanes


def _streets(mesh: MeshBuilder, plan: Plan, rng: np.random.Generator) -> None:
    (west, east), (south, north) = plan.x_edges, plan.y_edges
    for x in plan.xs:
        for y in plan.ys:
            _tile(mesh, Frame(x - _HALF, y - _HALF), ROAD_WIDTH, f"crossing{rng.integers(3)}")
    for lines, crossings, ends, angle in (
        (plan.xs, plan.ys, (south, north), 90.0),
        (plan.ys, plan.xs, (west, east), 0.0),
    ):
        stops = [ends[0], *(s for c in crossings for s in (c - _HALF, c + _HALF)), ends[1]]
        for line in lines:
            for a, b in zip(stops[::2], stops[1::2], strict=True):
                start = Frame(line + _HALF, a, 90.0) if angle else Frame(a, line - _HALF)
                _street(mesh, start, b - a, (a != ends[0], b != ends[1]), rng)


def _street(
    mesh: MeshBuilder, start: Frame, length: float, meets: tuple[bool, bool],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Road tiles along x; zebra crossings at the ends that meet another street."""
    zebra = 4.0
    first, last = zebra * meets[0], length - zebra * meets[1]
    if meets[0]:
        _tile(mesh, start, zebra, f"zebra{rng.integers(3)}")
    if meets[1]:
        _tile(mesh, start.at(last, 0), zebra, f"zebra{rng.integers(3)}")
    count = max(1, round((last - first) / ROAD_WIDTH))
    for x in np.linspace(first, last, count + 1)[:-1]:
        _tile(mesh, start.at(float(x), 0), (last - first) / count, f"road{rng.integers(6)}")


def _tile(mesh: MeshBuilder, frame: Frame, length: float, texture: str) -> None:
    corners = np.array([(0, 0, 0), (length, 0, 0), (length, ROAD_WIDTH, 0), (0, ROAD_WIDTH, 0)])
    mesh.quads(frame, corners[None], texture, Label.ROAD, uv=UNIT_UV[:, ::-1])


def _pavement(mesh: MeshBuilder, block: Block, rng: np.random.Generator) -> None:
    width, height = block.x1 - block.x0, block.y1 - block.y0
    corner = Frame(block.x0, block.y0)
    inner = np.array([(0, 0, KERB), (width, 0, KERB), (width, height, KERB), (0, height, KERB)])
    inset = inner + np.array([(1, 1, 0), (-1, 1, 0), (-1, -1, 0), (1, -1, 0)]) * PAVEMENT
    mesh.quads(corner, inset[None], "grass", Label.IGNORE, uv=inset[:, :2] / 6)
    texture, kerb = f"pavement{rng.integers(3)}", (0.62, 0.62, 0.6)
    for i in range(4):
        j = (i + 1) % 4
        strip = np.stack([inner[i], inner[j], inset[j], inset[i]])
        along = np.abs(inner[j] - inner[i]).argmax()
        pieces = max(1, round(abs(inner[j] - inner[i])[along] / 8))
        cuts = np.linspace(0, 1, pieces + 1)[:, None]
        outer_line = strip[0] + (strip[1] - strip[0]) * cuts
        inner_line = strip[3] + (strip[2] - strip[3]) * cuts
        parts = np.stack([outer_line[:-1], outer_line[1:], inner_line[1:], inner_line[:-1]], axis=1)
        mesh.quads(corner, parts, texture, Label.PAVEMENT, uv=parts[..., :2] / 3)
        down = np.array([0, 0, KERB])
        stones = np.stack([outer_line[:-1] - down, outer_line[1:] - down,
                           outer_line[1:], outer_line[:-1]], axis=1)  # fmt: skip
        mesh.quads(corner, stones, "plain", Label.PAVEMENT, kerb)


def _furnish(
    mesh: MeshBuilder, kerb: Frame, length: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """Lamps, trees and signs along a kerb; returns the lamps' lights."""
    leafy, lamps = rng.random() < 0.6, []
    for x in np.arange(rng.uniform(4, 9), length - 3, 19):
        lamps.append(add_lamp(mesh, kerb.at(float(x), 0.45, 180)))
        mesh.shadow(kerb.at(float(x), 0.45), (-0.08, -0.08), (0.08, 0.08), 4.8)
    if leafy:
        x = rng.uniform(6, 14)
        while x < length - 5:
            add_tree(mesh, kerb.at(x, 0.8), rng, rng.uniform(0.9, 1.6))
            x += rng.uniform(8, 22)
    for x in rng.uniform(2, length - 2, int(rng.integers(1, 4))):
        add_traffic_sign(mesh, kerb.at(float(x), 0.35, 90), rng)
    return lamps


def _close_street_ends(mesh: MeshBuilder, plan: Plan, rng: np.random.Generator) -> None:
    """A wall with trees across each street's end, so that no view runs off the map."""
    (west, east), (south, north) = plan.x_edges, plan.y_edges
    ends = [Frame(x - 8, north, 0) for x in plan.xs] + [Frame(x + 8, south, 180) for x in plan.xs]
    ends += [Frame(east, y + 8, 270) for y in plan.ys] + [Frame(west, y - 8, 90) for y in plan.ys]
    for end in ends:
        mesh.box(end, (0, 0, 0), (16, 1, 2.6), f"wall_{rng.choice(['brick', 'stone'])}",
                 Label.FENCE, rng.uniform(0.5, 0.9, 3), tile=6)  # fmt: skip
        for x in np.arange(1, 16, 2.4):
            add_tree(mesh, end.at(float(x), 3), rng, rng.uniform(1.6, 2.6))
