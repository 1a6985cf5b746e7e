"""Where the sun is hidden and where street lamps shine, as maps of the town seen from above."""

from dataclasses import dataclass

import numpy as np

_CELL = 0.4
_LAMP_REACH = 14.0


@dataclass(frozen=True)
class Shadows:
    """For each cell of the map the height below which houses and trees hide the sun.

    Attributes:
        origin: south-western corner, metres [2].
        height: metres, float32 [columns, rows].
    """

    origin: np.ndarray
    height: np.ndarray

    @classmethod
    def cast(cls, casters: np.ndarray, sun: np.ndarray) -> "Shadows":
        """The shadows of boxes (x0, y0, x1, y1, top) [n, 5] with the sun towards `sun` [3].

        A point is hidden when some box, `t` metres along the sun's direction on the map, is higher
        than the ray to the sun is there; so the map is the largest of its own shifted copies, each
        lowered by what the ray has climbed.
        """
        origin = casters[:, :2].min(axis=0) - 2
        shape = np.ceil((casters[:, 2:4].max(axis=0) + 2 - origin) / _CELL).astype(int)
        top = np.zeros(shape, np.float32)
        low = np.round((casters[:, :2] - origin) / _CELL).astype(int)
        high = np.maximum(np.round((casters[:, 2:4] - origin) / _CELL).astype(int), low + 1)
        for (i0, j0), (i1, j1), z in zip(low, high, casters[:, 4], strict=True):
            np.maximum(top[i0:i1, j0:j1], z, out=top[i0:i1, j0:j1])
        hidden = np.zeros_like(top)
        flat = float(np.hypot(sun[0], sun[1]))
        climb = sun[2] / flat
        for distance in np.arange(2 * _CELL, float(top.max()) / climb, _CELL):
            di, dj = (int(s) for s in np.round(sun[:2] / flat * distance / _CELL))
            to = (_overlap(-di, shape[0]), _overlap(-dj, shape[1]))
            of = (_overlap(di, shape[0]), _overlap(dj, shape[1]))
            np.maximum(hidden[to], top[of] - np.float32(distance * climb), out=hidden[to])
        return cls(origin, hidden)

    def at(self, points: np.ndarray) -> np.ndarray:
        """How much of the sun is hidden, 0..1 [...], at points [..., 3]."""
        return np.clip((_look_up(self.height, self.origin, points) - points[..., 2]) / 0.5, 0, 1)


@dataclass(frozen=True)
class Lamplight:
    """For each cell of the map the light that street lamps shed on it.

    Attributes:
        origin: south-western corner, metres [2].
        light: relative brightness, float32 [columns, rows].
    """

    origin: np.ndarray
    light: np.ndarray

    @classmethod
    def shine(cls, lamps: np.ndarray) -> "Lamplight":
        """The light of lamps at [n, 3], by the inverse square of the distance."""
        origin = lamps[:, :2].min(axis=0) - _LAMP_REACH - 2
        reach = round(_LAMP_REACH / _CELL)
        shape = np.ceil((lamps[:, :2].max(axis=0) - origin) / _CELL).astype(int) + reach + 4
        light = np.zeros(shape, np.float32)
        x, y = np.meshgrid(*[np.arange(-reach, reach + 1) * _CELL] * 2, indexing="ij")
        for lamp in lamps:
            spot = 45 / (x**2 + y**2 + lamp[2] ** 2 * 0.6)
            i, j = np.round((lamp[:2] - origin) / _CELL).astype(int)
            edge = 45 / (_LAMP_REACH**2 + lamp[2] ** 2 * 0.6)
            light[i - reach : i + reach + 1, j - reach : j + reach + 1] += np.maximum(
                spot - edge, 0
            )
        return cls(origin, light)

    def at(self, points: np.ndarray) -> np.ndarray:
        """Relative brightness [...] at points [..., 3]; little above the lamps' own height."""
        above = np.clip((points[..., 2] - 4.0) / 4.0, 0, 1)
        return _look_up(self.light, self.origin, points) * (1 - above)


def _overlap(shift: int, size: int) -> slice:
    return slice(max(0, shift), max(0, size + min(0, shift)))


def _look_up(grid: np.ndarray, origin: np.ndarray, points: np.ndarray) -> np.ndarray:
    i = np.clip((points[..., 0] - origin[0]) / _CELL, 0, grid.shape[0] - 1).astype(np.int32)
    j = np.clip((points[..., 1] - origin[1]) / _CELL, 0, grid.shape[1] - 1).astype(np.int32)
    return grid[i, j]
