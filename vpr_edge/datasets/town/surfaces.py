"""Textures shared all over the town: ground, roofs, leaves, fences, cars, traffic signs, sky."""

import numpy as np

from vpr_edge.datasets.town.textures import (
    SIZE,
    WALLS,
    NoiseBank,
    Painter,
    Texture,
    name,
    noise,
    wall,
)

ROAD_WIDTH = 10.0
"""Metres across the road, parking bays included; road textures are square."""
SIGN_SHAPES = (40, 3, 4, 8)
"""Corners of the traffic signs' outlines; 40 is a disc."""


def shared_textures(rng: np.random.Generator, bank: NoiseBank) -> dict[str, Texture]:
    """All textures of the town that several things share, by name."""
    textures = {"plain": Texture(np.full((8, 8, 3), 255, np.uint8))}
    for i in range(6):
        textures[f"road{i}"] = _road(rng, bank, marked=True)
    for i in range(3):
        textures[f"crossing{i}"] = _road(rng, bank, marked=False)
        textures[f"zebra{i}"] = _zebra(rng, bank)
        textures[f"pavement{i}"] = _pavement(rng, bank)
        textures[f"leaves{i}"] = _leaves(rng, bank)
        textures[f"roof{i}"] = _roof(rng, bank)
        textures[f"fence{i}"] = _fence(rng, bank)
    for kind in WALLS:
        grey = np.clip(wall(rng, bank, kind, (200, 200, 200)), 0, 255)
        textures[f"wall_{kind}"] = Texture(grey.astype(np.uint8))
    textures["grass"] = _flat(bank, (92, 112, 58), 0.22)
    textures["bark"] = _flat(bank, (92, 74, 56), 0.25)
    textures["flat_roof"] = _flat(bank, (95, 95, 98), 0.1)
    for i in range(8):
        textures[f"sign{i}"] = _sign(rng, SIGN_SHAPES[i % len(SIGN_SHAPES)])
    for i in range(24):
        textures[f"board{i}"] = _board(rng)
    textures |= {
        "car_side": _car_side(rng),
        "car_end": _car_end(rng),
        "car_glass": _car_glass(rng),
        "lamp": _lamp(),
    }
    return textures


def sky(rng: np.random.Generator, zenith: np.ndarray, horizon: np.ndarray, cloud: np.ndarray,
        cover: float) -> np.ndarray:  # fmt: skip
    """A sky, uint8 [SIZE, 2 SIZE, 3]: row 0 is the zenith, the last row the horizon.

    Args:
        rng: shapes the clouds.
        zenith, horizon, cloud: colours 0..255, [3].
        cover: 0 = clear, 1 = overcast.
    """
    height = np.linspace(1, 0, SIZE)[:, None, None]
    gradient = horizon + (zenith - horizon) * np.sqrt(height)
    field = np.concatenate([noise(rng, 1.6)] * 2, axis=1)[::2].repeat(2, axis=0)
    cloudy = np.clip(field * 0.8 + (cover - 0.5) * 3, 0, 1)[..., None]
    return np.clip(gradient + (cloud - gradient) * cloudy, 0, 255).astype(np.uint8)


def _asphalt(rng: np.random.Generator, bank: NoiseBank) -> Painter:
    p = Painter(rng)
    p.albedo[:] = 88 + 9 * bank(0.0)[..., None] + 8 * bank(1.3)[..., None]
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.integers(10, SIZE - 90, 2)
        w, h = rng.integers(14, 80, 2)
        p.albedo[y : y + h, x : x + w] *= rng.uniform(0.72, 0.92)
    return p


def _road(rng: np.random.Generator, bank: NoiseBank, marked: bool) -> Texture:
    p = _asphalt(rng, bank)
    if rng.random() < 0.6:
        y, x = np.mgrid[:SIZE, :SIZE]
        cx, cy = rng.uniform(70, 190, 2)
        radius = np.hypot(x - cx, y - cy)
        p.albedo[radius < 9] = 52 + 22 * ((x + y) % 6 < 3)[radius < 9][:, None]
    if marked:
        white = np.array((222, 222, 214))
        p.fill(126, 0, 131, 150, white)
        for x in (54, 199):
            p.fill(x, 0, x + 3, SIZE, white * 0.9)
        p.albedo *= 1 - 0.12 * np.clip(bank(0.7), 0, 1)[..., None]
    return p.done()


def _zebra(rng: np.random.Generator, bank: NoiseBank) -> Texture:
    p = _asphalt(rng, bank)
    for x in range(10, SIZE - 10, 28):
        p.fill(x, 20, x + 15, 236, (226, 226, 220))
    p.albedo *= 1 - 0.25 * np.clip(bank(0.7), 0, 1)[..., None]
    return p.done()


def _pavement(rng: np.random.Generator, bank: NoiseBank) -> Texture:
    p = Painter(rng)
    step = int(rng.choice([16, 32, 64]))
    y, x = np.mgrid[:SIZE, :SIZE]
    shift = (y // step % 2) * (step // 2) * int(rng.integers(0, 2))
    column = (x + shift) % SIZE // step
    tone = rng.normal(1, 0.07, (SIZE // step, SIZE // step))[y // step, column]
    seam = (y % step < 2) | ((x + shift) % step < 2)
    shade = tone * np.where(seam, 0.72, 1) * (1 + 0.05 * bank(0.0))
    p.albedo[:] = shade[..., None] * rng.uniform((150, 145, 132), (182, 178, 172))
    return p.done()


def _leaves(rng: np.random.Generator, bank: NoiseBank) -> Texture:
    shade = np.clip(1 + 0.35 * bank(0.7) + 0.18 * bank(0.0), 0.3, 2.0)
    color = rng.uniform((58, 84, 30), (112, 124, 52))
    return Texture(np.clip(shade[..., None] * color, 0, 255).astype(np.uint8))


def _roof(rng: np.random.Generator, bank: NoiseBank) -> Texture:
    y, x = np.mgrid[:SIZE, :SIZE]
    tone = rng.normal(1, 0.1, (32, 32))[y // 8, (x + (y // 8 % 2) * 8) % SIZE // 8]
    shade = tone * np.where(y % 8 < 2, 0.65, 1) * (1 + 0.08 * bank(1.3))
    color = np.array([(158, 78, 54), (96, 98, 108), (120, 92, 72)])[int(rng.integers(3))]
    return Texture(np.clip(shade[..., None] * color, 0, 255).astype(np.uint8))


def _fence(rng: np.random.Generator, bank: NoiseBank) -> Texture:
    p = Painter(rng, 128)
    color = rng.uniform((70, 55, 45), (220, 205, 190))
    step = int(rng.choice([16, 32]))
    tone = rng.normal(1, 0.1, SIZE // step)[np.arange(SIZE) // step]
    gap = np.where(np.arange(SIZE) % step < 4, 0.3, tone)[None, :, None]
    p.albedo[:] = gap * (1 + 0.08 * bank(0.7)[:128, :, None]) * color
    for y in (24, 92):
        p.fill(0, y, SIZE, y + 10, color * 0.75)
    return p.done()


def _flat(bank: NoiseBank, color: tuple[float, float, float], contrast: float) -> Texture:
    shade = 1 + contrast * (0.6 * bank(0.7) + 0.4 * bank(0.0))
    return Texture(np.clip(shade[..., None] * color, 0, 255).astype(np.uint8))


def _sign(rng: np.random.Generator, corners: int) -> Texture:
    p = Painter(rng, 64, 64)
    rim = np.array([(200, 20, 25), (25, 70, 175), (200, 20, 25), (240, 190, 20)])
    p.fill(0, 0, 64, 64, rim[SIGN_SHAPES.index(corners)])
    if corners != 8:
        p.fill(12, 12 + 14 * (corners == 3), 52, 52, (240, 240, 235))
    mark = str(rng.choice(["30", "50", "P", "!", "X", "STOP"]))
    p.text(18, 24, 46, 48, mark, (20, 20, 20) if corners != 8 else (250, 250, 250))
    return p.done()


def _board(rng: np.random.Generator) -> Texture:
    p = Painter(rng, 64, 128)
    paint = rng.uniform(0, 255, 3)
    p.fill(0, 0, 128, 64, 255 - paint)
    p.fill(5, 5, 123, 59, paint)
    p.text(12, 14, 116, 50, name(rng), np.where(paint.mean() > 120, 15.0, 245.0) * np.ones(3))
    p.light(0, 0, 128, 64, np.array((250, 240, 225)))
    return p.done()


def _car_side(rng: np.random.Generator) -> Texture:
    p = Painter(rng, 64, 128)
    p.fill(0, 0, 128, 64, (240, 240, 240))
    p.fill(0, 50, 128, 64, (70, 70, 72))
    p.fill(63, 4, 64.5, 50, (120, 120, 120))
    y, x = np.mgrid[:64, :128]
    for cx in (25, 102):
        radius = np.hypot((x - cx) * 0.8, y - 52)
        p.albedo[radius < 17] = (18, 18, 20)
        p.albedo[radius < 8] = (150, 150, 155)
    return p.done()


def _car_end(rng: np.random.Generator) -> Texture:
    p = Painter(rng, 64, 64)
    p.fill(0, 0, 64, 64, (225, 225, 225))
    p.fill(0, 46, 64, 64, (60, 60, 62))
    p.fill(20, 30, 44, 38, (250, 250, 245))
    for x in (3, 49):
        p.fill(x, 14, x + 12, 26, (255, 120, 90))
        p.light(x, 14, x + 12, 26, np.array((255, 60, 40)))
    return p.done()


def _car_glass(rng: np.random.Generator) -> Texture:
    p = Painter(rng, 32, 64)
    p.fill(0, 0, 64, 32, (225, 225, 225))
    p.fill(4, 4, 60, 30, (38, 46, 54))
    p.fill(8, 4, 30, 14, (92, 108, 120))
    p.fill(31, 0, 34, 32, (200, 200, 200))
    return p.done()


def _lamp() -> Texture:
    return Texture(np.full((8, 8, 3), 235, np.uint8), np.full((8, 8, 3), 255, np.uint8))
