"""Driving through one town in every condition: the frames of its traversals, one by one."""

from collections.abc import Iterator

import numpy as np

from vpr_edge.datasets.town.camera import Pose
from vpr_edge.datasets.town.conditions import CONDITIONS, Weather, sun_direction
from vpr_edge.datasets.town.config import DATABASE, TownConfig
from vpr_edge.datasets.town.files import Shot
from vpr_edge.datasets.town.plan import drive
from vpr_edge.datasets.town.render import Renderer
from vpr_edge.datasets.town.scene import Town, make_town, make_traffic
from vpr_edge.datasets.town.surfaces import sky

_ALONG = 0.25
"""Frames of one place lie up to this share of the spacing before or after it."""


def drive_through(config: TownConfig, split: str, seed: int) -> Iterator[Shot]:
    """All frames of the town of `seed`: first the database's, then each condition's queries."""
    places = config.places(split)
    town = make_town(seed, places, config.spacing)
    yield from _traverse(config, town, seed, 0, DATABASE, np.arange(places))
    for number, condition in enumerate(config.conditions, start=1):
        yield from _traverse(config, town, seed, number, condition, config.query_indices(split))


def _traverse(
    config: TownConfig, town: Town, seed: int, number: int, name: str, indices: np.ndarray
) -> Iterator[Shot]:
    rng = np.random.default_rng([seed, 2, number])
    condition, camera = CONDITIONS[name], config.camera
    faces = town.faces + make_traffic(town.plan, rng)
    sun = sun_direction(condition, rng.uniform(0, 360))
    distances = (indices + rng.uniform(-_ALONG, _ALONG, len(indices))) * config.spacing
    path = drive(rng, town.plan, distances, config.sideways, config.turn_deg)
    weather = Weather(condition, camera, faces, sun, town.lamps, rng)
    colors = [np.array(c) for c in (condition.zenith, condition.horizon, condition.cloud)]
    background = sky(rng, colors[0], colors[1], colors[2], condition.cover)
    easting, northing = config.origin(seed)
    with Renderer(camera, faces, town.textures, background, condition, sun) as renderer:
        for index, x, y, heading in zip(indices, path.x, path.y, path.heading_deg, strict=True):
            local = Pose(x, y, config.camera_height, heading)
            view = renderer.render(local)
            image = weather.apply(view, local)
            pose = Pose(easting + x, northing + y, config.camera_height, heading)
            yield Shot(seed, number, name, int(index), pose, image, view.labels, view.depth)
