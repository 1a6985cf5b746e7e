"""Light and weather: what a condition does to textures, to faces, and to the rendered pixels."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageFilter

from vpr_edge.datasets.town.camera import Pinhole, Pose, View
from vpr_edge.datasets.town.light import Lamplight, Shadows
from vpr_edge.datasets.town.mesh import Faces
from vpr_edge.datasets.town.props import Label

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Condition:
    """One kind of light and weather; colours 0..1 unless said otherwise.

    Attributes:
        name: as in file names and tables.
        sun: colour of the direct light; black where clouds or the earth hide the sun.
        ambient: colour of the light from everywhere.
        sun_elevation_deg: height of the sun.
        zenith, horizon, cloud, cover: the sky, colours 0..255 (see `surfaces.sky`).
        albedo: brightness of what reflects, before the picture is taken.
        glow: brightness of lit windows and lamps.
        gamma: exponent of the camera's response; above 1 darkens all but what glows.
        noise: deviation of the sensor's noise, 0..255.
        fog_per_m: extinction; fog has the horizon's colour.
        lamps: whether street lamps and headlights shine.
        rain: whether it rains: wet mirroring ground, streaks, blur.
    """

    name: str
    sun: Rgb = (0.0, 0.0, 0.0)
    ambient: Rgb = (1.0, 1.0, 1.0)
    sun_elevation_deg: float = 45.0
    zenith: Rgb = (88, 138, 205)
    horizon: Rgb = (196, 214, 232)
    cloud: Rgb = (246, 246, 248)
    cover: float = 0.3
    albedo: float = 1.0
    glow: float = 0.0
    gamma: float = 1.0
    noise: float = 1.5
    fog_per_m: float = 0.0008
    lamps: bool = False
    rain: bool = False

    def shade(self, normal: np.ndarray, sun: np.ndarray) -> np.ndarray:
        """Light that reaches faces with unit normals [n, 3], rgb float64 [n, 3]."""
        upward = 0.86 + 0.14 * normal[:, 2:]
        direct = np.clip(normal @ sun, 0, None)[:, None]
        return np.asarray(self.ambient) * upward + np.asarray(self.sun) * direct


CONDITIONS = {
    c.name: c
    for c in (
        Condition("day", (0.46, 0.43, 0.36), (0.68, 0.7, 0.75), 46.0),
        Condition("dusk", (0.6, 0.38, 0.2), (0.5, 0.46, 0.52), 14.0, (72, 78, 128),
                  (240, 172, 120), (186, 128, 136), 0.32, 1.0, 0.8, 1.1, 4.0, 0.002),
        Condition("night", ambient=(0.95, 0.97, 1.0), zenith=(30, 34, 60), horizon=(66, 62, 78),
                  cloud=(52, 50, 66), albedo=0.42, glow=1.0, gamma=1.45, noise=8.0, lamps=True),
        Condition("rain", ambient=(0.7, 0.73, 0.78), zenith=(118, 124, 134),
                  horizon=(168, 174, 180), cloud=(138, 142, 150), cover=0.85, glow=0.6,
                  noise=4.0, fog_per_m=0.008, rain=True),
        Condition("fog", ambient=(0.82, 0.83, 0.85), zenith=(188, 190, 194),
                  horizon=(204, 206, 208), cloud=(196, 198, 202), cover=0.8, glow=0.5,
                  noise=3.0, fog_per_m=0.032),
    )
}  # fmt: skip
"""The conditions that traversals can have, by name."""


def sun_direction(condition: Condition, azimuth_deg: float) -> np.ndarray:
    """Unit vector (east, north, up) towards the sun, float64 [3]."""
    azimuth, height = np.radians([azimuth_deg, condition.sun_elevation_deg])
    flat = np.cos(height)
    return np.array([np.sin(azimuth) * flat, np.cos(azimuth) * flat, np.sin(height)])


@dataclass
class Weather:
    """Turns renderings of one traversal into what its camera would have recorded.

    Attributes:
        condition: light and weather.
        camera: of the traversal.
        faces: what was rendered.
        sun: unit vector towards the sun.
        lamps: positions of street lamps, [n, 3].
        rng: sensor noise and rain.
    """

    condition: Condition
    camera: Pinhole
    faces: Faces
    sun: np.ndarray
    lamps: np.ndarray
    rng: np.random.Generator
    _rays: np.ndarray = field(init=False)
    _normals: np.ndarray = field(init=False)
    _shadows: Shadows | None = field(init=False, default=None)
    _lamplight: Lamplight | None = field(init=False, default=None)
    _shadow_shade: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self._rays = self.camera.rays().astype(np.float32)
        normals, _ = self.faces.planes()
        self._normals = np.append(normals, [[0.0, 0.0, 0.0]], axis=0).astype(np.float32)
        if self.condition.lamps:
            self._lamplight = Lamplight.shine(self.lamps)
        if any(self.condition.sun):
            self._shadows = Shadows.cast(self.faces.casters, self.sun)
            lit = self.condition.shade(self._normals, self.sun)
            dark = (
                lit
                - np.asarray(self.condition.sun)
                * np.clip(self._normals @ self.sun, 0, None)[:, None]
            )
            self._shadow_shade = (dark / np.minimum(lit, 1)).astype(np.float32)

    def apply(self, view: View, pose: Pose) -> np.ndarray:
        """The recorded picture of a rendering, uint8 [H, W, 3]."""
        face, depth = view.face, view.depth.astype(np.float32)
        image: np.ndarray = view.color.astype(np.float32)
        points = (self._rays * depth[..., None]) @ pose.rotation.astype(np.float32)
        points += pose.position.astype(np.float32)
        if self._shadows is not None:
            hidden = self._shadows.at(points + 0.25 * self._normals[face])[..., None]
            hidden = np.where(face[..., None] >= 0, hidden, 0).astype(np.float32)
            image *= 1 + hidden * (self._shadow_shade[face] - 1)
        ground = np.isin(view.labels, (Label.ROAD, Label.PAVEMENT))
        if self.condition.lamps:
            image = self._night(image, points, depth, ground)
        elif self.condition.gamma != 1:
            image = 255 * (image / 255) ** self.condition.gamma
        if self.condition.rain:
            image = self._wet(image, ground)
        far = np.where(depth > 0, depth, 120.0).astype(np.float32)[..., None]
        clear = np.exp(-self.condition.fog_per_m * far)
        image = image * clear + np.asarray(self.condition.horizon, np.float32) * (1 - clear)
        if self.condition.rain:
            image = self._streaks(image)
        image += self.rng.standard_normal(image.shape, np.float32) * self.condition.noise
        return np.clip(image, 0, 255).astype(np.uint8)

    def _night(
        self, image: np.ndarray, points: np.ndarray, depth: np.ndarray, ground: np.ndarray
    ) -> np.ndarray:
        glow = np.clip((image.max(axis=-1, keepdims=True) - 110) / 50, 0, 1)
        dark = 255 * (image / 255) ** self.condition.gamma
        light = np.zeros(depth.shape)
        if self._lamplight is not None:
            light += self._lamplight.at(points)
        seen = np.maximum(depth, 1)
        beam = np.exp(
            -((self._rays[..., 0] / 0.5) ** 2) - ((self._rays[..., 2] + 0.14) / 0.22) ** 2
        )
        light += 70 * beam / (seen + 3) * np.where(ground, 0.6, 1.0) * np.exp(-seen / 30)
        light = np.where(depth > 0, light, 0)[..., None] * (1.0, 0.9, 0.7)
        lit = dark * (1 + (1 - glow) * light) + glow * (image - dark)
        bloom = _blur(glow * image, 3)
        return (lit + 0.45 * bloom).astype(np.float32)

    def _wet(self, image: np.ndarray, ground: np.ndarray) -> np.ndarray:
        """Darker ground that mirrors what stands on it: the camera is level."""
        rows = np.round(2 * self.camera.center[1] - np.arange(len(image))).astype(int)
        mirrored = _blur(image[np.clip(rows, 0, len(image) - 1)], 1)
        wet = image * 0.62 + mirrored * 0.34
        return np.where(ground[..., None], wet, image * 0.9)

    def _streaks(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        image = _blur(image, 0.6)
        count = width * height // 240
        x, y = self.rng.uniform(0, width, count), self.rng.uniform(-6, height, count)
        length, slant = self.rng.uniform(3, 9, count), self.rng.normal(0.12, 0.05)
        for step in np.arange(0, 9):
            on = step < length
            rows = (y + step)[on].astype(int)
            columns = (x + step * slant)[on].astype(int)
            inside = (rows >= 0) & (rows < height) & (columns < width) & (columns >= 0)
            rows, columns = rows[inside], columns[inside]
            image[rows, columns] += (225 - image[rows, columns]) * 0.28
        return image


def _blur(image: np.ndarray, radius: float) -> np.ndarray:
    picture = Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32)
