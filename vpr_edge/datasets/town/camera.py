"""The town's camera: a level pinhole on a car, its poses, and what two views see in common.

Pixel convention: integer coordinates are pixel centres, so a W x H image spans
[-0.5, W - 0.5] x [-0.5, H - 0.5].
"""

from dataclasses import dataclass

import numpy as np

DEPTH_TOLERANCE = 0.01
"""Relative difference of depth up to which two views are taken to see the same surface."""
DEPTH_STEP_M = 0.01
"""Depth images hold whole centimetres."""


@dataclass(frozen=True)
class Pinhole:
    """An ideal camera with square pixels.

    Attributes:
        width, height: image size in pixels.
        fov_deg: horizontal field of view in degrees, edge to edge of the image.
        horizon: where the optical axis, and so the horizon, lies from the top (0) to the bottom
            (1) of the image; below the middle, as after cutting away the road at the bottom.
    """

    width: int
    height: int
    fov_deg: float
    horizon: float = 0.5

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.width / 2 / float(np.tan(np.radians(self.fov_deg) / 2))

    @property
    def center(self) -> tuple[float, float]:
        """Pixel coordinates (x, y) of the optical axis."""
        return (self.width - 1) / 2, self.horizon * self.height - 0.5

    def rays(self) -> np.ndarray:
        """Directions (right, forward, up) of all pixels with forward = 1, float64 [H, W, 3]."""
        cx, cy = self.center
        x = (np.arange(self.width) - cx) / self.focal
        z = (cy - np.arange(self.height)) / self.focal
        rays = np.ones((self.height, self.width, 3))
        rays[..., 0] = x
        rays[..., 2] = z[:, None]
        return rays

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixel coordinates (x, y) float64 [N, 2] of points (right, forward, up) [N, 3]."""
        scaled = points[:, [0, 2]] * (self.focal / points[:, 1:2])
        return scaled * (1, -1) + self.center


@dataclass(frozen=True)
class Pose:
    """Where the level camera stands and looks.

    Attributes:
        easting, northing: metres.
        height: metres above the road.
        heading_deg: compass heading, 0 = north, 90 = east.
    """

    easting: float
    northing: float
    height: float
    heading_deg: float

    @property
    def position(self) -> np.ndarray:
        """(easting, northing, height), float64 [3]."""
        return np.array([self.easting, self.northing, self.height])

    @property
    def rotation(self) -> np.ndarray:
        """Rows are the camera's right, forward and up in (east, north, up), float64 [3, 3]."""
        angle = np.radians(self.heading_deg)
        sine, cosine = np.sin(angle), np.cos(angle)
        return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class View:
    """One rendered frame.

    Attributes:
        color: uint8 [H, W, 3].
        face: index into the faces of what each pixel sees, int32 [H, W]; -1 is sky.
        depth: metres along the optical axis, float64 [H, W]; 0 is sky.
        labels: classes, uint8 [H, W].
    """

    color: np.ndarray
    face: np.ndarray
    depth: np.ndarray
    labels: np.ndarray


def heading_difference(a_deg: np.ndarray | float, b_deg: np.ndarray | float) -> np.ndarray:
    """Absolute angle between two headings in degrees, 0..180."""
    return np.abs((np.asarray(a_deg) - b_deg + 180) % 360 - 180)


def shared_pixels(
    camera: Pinhole, pose_a: Pose, depth_a: np.ndarray, pose_b: Pose, depth_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of view A and where view B sees the same surface points.

    A point is kept when it falls inside B's image and B's own depth there agrees. B's inverse
    depth is interpolated bilinearly: inverse depth is linear in pixel coordinates on a plane, so
    the check is exact on flat surfaces and fails where the four pixels straddle an edge.

    Args:
        camera: the camera of both views.
        pose_a, pose_b: their poses in one frame of reference.
        depth_a, depth_b: depth along the optical axis in metres [H, W]; 0 = nothing was hit.

    Returns:
        xy_a and xy_b, float32 [N, 2]; xy_a are pixel centres, xy_b have sub-pixel positions.
    """
    rows, columns = np.nonzero(depth_a > 0)
    points_a = camera.rays()[rows, columns] * depth_a[rows, columns, None]
    world = points_a @ pose_a.rotation + (pose_a.position - pose_b.position)
    points_b = world @ pose_b.rotation.T
    ahead = points_b[:, 1] > 0.05
    rows, columns, points_b = rows[ahead], columns[ahead], points_b[ahead]
    xy_b = camera.project(points_b)
    inside = ((xy_b >= 0) & (xy_b <= (camera.width - 1, camera.height - 1))).all(axis=1)
    rows, columns, points_b, xy_b = (a[inside] for a in (rows, columns, points_b, xy_b))

    with np.errstate(divide="ignore"):
        inverse = np.where(depth_b > 0, 1 / depth_b, 0.0)
    corner = np.minimum(xy_b.astype(int), (camera.width - 2, camera.height - 2))
    (fx, fy), (x, y) = (xy_b - corner).T, corner.T
    top = inverse[y, x] * (1 - fx) + inverse[y, x + 1] * fx
    bottom = inverse[y + 1, x] * (1 - fx) + inverse[y + 1, x + 1] * fx
    seen = top * (1 - fy) + bottom * fy
    depth = points_b[:, 1]
    agrees = np.abs(seen * depth - 1) <= DEPTH_TOLERANCE + DEPTH_STEP_M / depth
    xy_a = np.stack([columns, rows], axis=1)
    return xy_a[agrees].astype(np.float32), xy_b[agrees].astype(np.float32)
