"""The town's plan: a 3 x 3 grid of streets, the blocks between them, and a closed route."""

from dataclasses import dataclass

import numpy as np

from vpr_edge.datasets.town.surfaces import ROAD_WIDTH

PAVEMENT = 2.5
LANE = 1.5
"""Metres from the street's centre line to the centre of the right lane, where the car drives."""
_CORNER_RADIUS = 6.0
_CORNERS = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
_SHORTEST_LOOP = 240.0


@dataclass(frozen=True)
class Block:
    """A rectangle between four streets, kerb to kerb.

    Attributes:
        x0, y0, x1, y1: metres.
        sides: of "south", "east", "north", "west" those with a street.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    sides: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Streets run along x = each of `xs` and y = each of `ys`, from edge to edge of the map.

    Attributes:
        xs, ys: centre lines in metres, ascending, three each.
        x_edges, y_edges: where the map ends.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    x_edges: tuple[float, float]
    y_edges: tuple[float, float]

    def blocks(self) -> list[Block]:
        """The sixteen blocks; outer ones have streets on some sides only."""
        half = ROAD_WIDTH / 2
        x_lines = [self.x_edges[0] - half, *self.xs, self.x_edges[1] + half]
        y_lines = [self.y_edges[0] - half, *self.ys, self.y_edges[1] + half]
        last = len(x_lines) - 2
        blocks = []
        for i in range(last + 1):
            for j in range(last + 1):
                present = {"south": j > 0, "east": i < last, "north": j < last, "west": i > 0}
                sides = tuple(side for side, street in present.items() if street)
                x0, x1 = x_lines[i] + half, x_lines[i + 1] - half
                y0, y1 = y_lines[j] + half, y_lines[j + 1] - half
                blocks.append(Block(x0, y0, x1, y1, sides))
        return blocks

    def centre_line(self) -> np.ndarray:
        """The closed route's centre line with rounded corners, float64 [N, 2], 5 cm steps."""
        corners = np.array([(self.xs[i], self.ys[j]) for i, j in _CORNERS])
        pieces = []
        for before, corner, after in zip(
            np.roll(corners, 1, 0), corners, np.roll(corners, -1, 0), strict=True
        ):
            into = (corner - before) / np.linalg.norm(corner - before)
            out = (after - corner) / np.linalg.norm(after - corner)
            t = np.linspace(0, np.pi / 2, 200)[:, None]
            centre = corner + _CORNER_RADIUS * (out - into)
            pieces.append(centre + _CORNER_RADIUS * (np.sin(t) * into - np.cos(t) * out))
        rough = np.concatenate([*pieces, pieces[0][:1]])
        arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(rough, axis=0), axis=1))])
        even = np.arange(0, arc[-1], 0.05)
        return np.stack([np.interp(even, arc, rough[:, k]) for k in (0, 1)], axis=1)


@dataclass(frozen=True)
class Drive:
    """Where the camera was on one traversal, all float64 [N].

    Attributes:
        x, y: metres in the town's own frame.
        heading_deg: compass heading of the camera.
    """

    x: np.ndarray
    y: np.ndarray
    heading_deg: np.ndarray


def make_plan(rng: np.random.Generator, places: int, spacing: float) -> Plan:
    """A plan whose route is `places` x `spacing` metres long (240 m at least)."""
    shortened = len(_CORNERS) * _CORNER_RADIUS * (2 - np.pi / 2)
    half = (max(places * spacing, _SHORTEST_LOOP) + shortened) / 2
    width = half * rng.uniform(0.48, 0.56)
    split_x, split_y = rng.uniform(0.45, 0.55, 2)
    xs = (0.0, width * split_x, width)
    ys = (0.0, (half - width) * split_y, half - width)
    margin = 42.0
    return Plan(xs, ys, (-margin, width + margin), (-margin, half - width + margin))


def drive(
    rng: np.random.Generator, plan: Plan, distances: np.ndarray, sideways: float, turn_deg: float
) -> Drive:
    """Drive the right lane past the given distances, swaying as a driver does.

    Args:
        rng: shapes the sway.
        plan: the town.
        distances: metres along the route, [N].
        sideways: largest offset from the lane's centre in metres.
        turn_deg: largest offset of the heading from the lane's direction in degrees.
    """
    line = plan.centre_line()
    index = np.round(distances / 0.05).astype(int) % len(line)
    ahead = np.roll(line, -10, axis=0) - np.roll(line, 10, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    forward, right = ahead[index], ahead[index] @ np.array([[0.0, -1.0], [1.0, 0.0]])
    offset = LANE + sideways * _sway(rng, distances)
    heading = np.degrees(np.arctan2(forward[:, 0], forward[:, 1]))
    position = line[index] + right * offset[:, None]
    heading = (heading + turn_deg * _sway(rng, distances)) % 360
    return Drive(position[:, 0], position[:, 1], heading)


def _sway(rng: np.random.Generator, distances: np.ndarray) -> np.ndarray:
    """A smooth wander with some jitter, within [-1, 1]."""
    phase, length = rng.uniform(0, 2 * np.pi, 3), rng.uniform((60, 25, 11), (120, 45, 17))
    waves = np.sin(distances[:, None] * 2 * np.pi / length + phase) @ (0.45, 0.25, 0.15)
    return waves + rng.uniform(-0.15, 0.15, len(distances))
