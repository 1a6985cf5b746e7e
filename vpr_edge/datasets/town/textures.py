"""Procedural textures of the town: walls, facades with shops, ground, signs, leaves, cars."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 256
"""Textures are SIZE x SIZE or smaller powers of two, which the software rasteriser asks for."""
WALLS = ("brick", "plaster", "panel", "plank", "stone")
_SYLLABLES = (
    "KA", "MO", "RI", "TEL", "VAN", "SO", "BER", "LU", "NA", "DO",
    "PIZ", "FER", "GAL", "HU", "JO", "MAR", "ZEN", "OPT", "QUI", "WES",
)  # fmt: skip
_PAINTS = np.array([
    (172, 92, 70), (148, 84, 66), (196, 132, 96), (222, 202, 160), (232, 222, 200),
    (206, 170, 110), (182, 180, 174), (140, 144, 150), (150, 178, 196), (164, 188, 158),
    (214, 168, 160), (120, 104, 92), (236, 236, 230), (188, 146, 84),
], float)  # fmt: skip
_WARM = np.array([(255, 208, 120), (255, 226, 160), (250, 190, 100), (226, 236, 255)])

Color = tuple[float, float, float] | np.ndarray


@dataclass(frozen=True)
class Texture:
    """What a surface reflects and what it emits, uint8 [h, w, 3] each; row 0 is its top."""

    albedo: np.ndarray
    glow: np.ndarray | None = None


class Painter:
    """A canvas of albedo and glow with a random generator of its own."""

    def __init__(self, rng: np.random.Generator, height: int = SIZE, width: int = SIZE) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.albedo = np.zeros((height, width, 3), np.float32)
        self.glow = np.zeros((height, width, 3), np.float32)

    def fill(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """Paint a rectangle given in pixels, [x0, x1) x [y0, y1)."""
        self.albedo[_span(y0, y1), _span(x0, x1)] = color

    def light(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """Let a rectangle glow with its own albedo's structure, tinted with `color`."""
        area = (_span(y0, y1), _span(x0, x1))
        self.glow[area] = color * (0.55 + 0.45 * self.albedo[area] / 255)

    def text(self, x0: float, y0: float, x1: float, y1: float, words: str, ink: Color) -> None:
        """Write `words` as large as the rectangle allows."""
        rows, columns = _span(y0, y1), _span(x0, x1)
        mask = _lettering(words, columns.stop - columns.start, rows.stop - rows.start)
        area = self.albedo[rows, columns]
        area += mask[: area.shape[0], : area.shape[1], None] * (np.asarray(ink) - area)

    def done(self) -> Texture:
        """The finished texture."""
        glow = _to_bytes(self.glow) if self.glow.any() else None
        return Texture(_to_bytes(self.albedo), glow)


def name(rng: np.random.Generator) -> str:
    """A shop's name of two or three syllables."""
    return "".join(rng.choice(_SYLLABLES, int(rng.integers(2, 4))))


def noise(rng: np.random.Generator, slope: float, size: int = SIZE) -> np.ndarray:
    """Tileable noise with spectrum 1 / f^slope, zero mean, unit deviation, float32 [size, size]."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), np.float32))
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)
    radius = np.maximum(np.hypot(fy, fx), 1 / size)
    field = np.fft.irfft2(spectrum / radius**slope, (size, size))
    return ((field - field.mean()) / field.std()).astype(np.float32)


class NoiseBank:
    """A few noise fields made once and handed out shifted, as making one costs milliseconds."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._fields = {s: [noise(rng, s) for _ in range(4)] for s in (0.0, 0.7, 1.3)}

    def __call__(self, slope: float) -> np.ndarray:
        fields = self._fields[slope]
        field = fields[int(self._rng.integers(len(fields)))]
        shift = self._rng.integers(0, SIZE, 2)
        return np.roll(field, tuple(int(s) for s in shift), (0, 1))


def wall(rng: np.random.Generator, bank: NoiseBank, kind: str, color: Color) -> np.ndarray:
    """A wall surface, float32 [SIZE, SIZE, 3]; tiles in both directions."""
    y, x = np.mgrid[:SIZE, :SIZE]
    shade = 1 + 0.05 * bank(0.7)[..., None] + 0.04 * bank(1.3)[..., None]
    if kind in ("brick", "stone"):
        bw, bh = (16, 8) if kind == "brick" else (32, 16)
        row = y // bh
        column = ((x + (row % 2) * (bw // 2)) % SIZE) // bw
        tone = rng.normal(1, 0.12, (SIZE // bh, SIZE // bw))[row, column]
        joint = (y % bh == 0) | ((x + (row % 2) * (bw // 2)) % bw == 0)
        shade = np.where(
            joint[..., None], 1.25 if kind == "brick" else 0.7, tone[..., None] * shade
        )
    elif kind == "panel":
        step = int(rng.choice([32, 64]))
        tone = rng.normal(1, 0.05, (SIZE // step, SIZE // step))[y // step, x // step]
        seam = (y % step < 2) | (x % step < 2)
        shade = shade * np.where(seam, 0.6, tone)[..., None]
    elif kind == "plank":
        tone = rng.normal(1, 0.07, SIZE // 8)[y // 8]
        shade = shade * np.where(y % 8 == 0, 0.6, tone)[..., None]
    return (shade * np.asarray(color)).astype(np.float32)


def facade(
    rng: np.random.Generator, bank: NoiseBank, width: float, floors: int, shop: bool
) -> tuple[Texture, np.ndarray]:
    """A house front, unlike any other, and the wall colour for its sides, float [3].

    Args:
        rng, bank: sources of chance.
        width: of the house in metres, which sets the number of bays.
        floors: number of storeys, ground floor included.
        shop: whether the ground floor is a shop.
    """
    color = _wall_color(rng)
    p = Painter(rng)
    kind = str(rng.choice(WALLS))
    p.albedo[:] = wall(rng, bank, kind, color)
    storey = SIZE / floors
    trim = np.clip(color * rng.uniform(0.45, 1.6), 20, 245)
    if shop or rng.random() < 0.4:
        base = np.clip(color * rng.uniform(0.5, 0.9), 10, 245)
        p.albedo[_span(SIZE - storey, SIZE)] = wall(rng, bank, str(rng.choice(WALLS)), base)[
            _span(SIZE - storey, SIZE)
        ]
    bays = max(2, round(width / rng.uniform(1.9, 3.6)))
    _upper_windows(p, bays, floors, storey, trim)
    p.fill(0, 0, SIZE, rng.uniform(4, 14), trim)
    if rng.random() < 0.6:
        for floor in range(1, floors):
            p.fill(0, floor * storey - 2, SIZE, floor * storey + 2, trim * 0.9)
    if shop:
        _shop_front(p, storey)
    else:
        _house_door(p, bays, storey, trim)
    stain = np.clip(bank(1.3), 0, 2)[..., None] * np.linspace(0.03, 0.09, SIZE)[:, None, None]
    p.albedo *= 1 - stain
    return p.done(), color


def _upper_windows(p: Painter, bays: int, floors: int, storey: float, trim: np.ndarray) -> None:
    rng = p.rng
    bay = SIZE / bays
    w, h = bay * rng.uniform(0.38, 0.8), storey * rng.uniform(0.42, 0.72)
    frame = np.array((240, 238, 230)) if rng.random() < 0.6 else rng.uniform(20, 120, 3)
    glass = np.array((62, 76, 90)) * rng.uniform(0.55, 1.5) + rng.normal(0, 8, 3)
    mullions = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    shutters = rng.uniform(20, 170, 3) if rng.random() < 0.35 and w < bay * 0.62 else None
    lintel, sill = rng.random() < 0.5, rng.random() < 0.7
    lit_share = rng.uniform(0.2, 0.6)
    for floor in range(floors - 1):
        y = floor * storey + (storey - h) * 0.55
        for column in range(bays):
            x = (column + 0.5) * bay - w / 2
            if shutters is not None:
                p.fill(x - w * 0.28, y, x + w * 1.28, y + h, shutters)
            if lintel:
                p.fill(x - 3, y - 7, x + w + 3, y - 2, trim)
            if sill:
                p.fill(x - 4, y + h, x + w + 4, y + h + 4, trim * 1.1)
            _window(p, x, y, w, h, frame, glass * rng.uniform(0.7, 1.3), mullions, lit_share)


def _window(
    p: Painter, x: float, y: float, w: float, h: float,
    frame: np.ndarray, glass: np.ndarray, mullions: tuple[int, int], lit_share: float,
) -> None:  # fmt: skip
    rng = p.rng
    p.fill(x - 2, y - 2, x + w + 2, y + h + 2, frame)
    p.fill(x, y, x + w, y + h, glass)
    p.fill(x, y, x + w, y + h * rng.uniform(0.2, 0.5), glass * 1.5 + 25)
    if rng.random() < 0.35:
        p.fill(x, y, x + w * rng.uniform(0.15, 0.4), y + h, rng.uniform(130, 225, 3))
    columns, rows = mullions
    for i in range(1, columns):
        p.fill(x + w * i / columns - 1, y, x + w * i / columns + 1, y + h, frame)
    for i in range(1, rows):
        p.fill(x, y + h * i / rows - 1, x + w, y + h * i / rows + 1, frame)
    if rng.random() < lit_share:
        p.light(x, y, x + w, y + h, rng.choice(_WARM))


def _shop_front(p: Painter, storey: float) -> None:
    rng = p.rng
    top = SIZE - storey
    band = storey * rng.uniform(0.2, 0.3)
    paint, frame = rng.uniform(10, 235, 3), rng.uniform(10, 110, 3)
    ink = np.where(paint.mean() > 120, rng.uniform(0, 60, 3), rng.uniform(200, 255, 3))
    p.fill(4, top + 3, SIZE - 4, top + band, paint)
    logo = rng.random() < 0.6
    if logo:
        _disc(p, 10 + band / 2, top + band / 2 + 2, band * 0.36, rng.uniform(0, 255, 3))
    p.text(14 + band * logo, top + 5, SIZE - 12, top + band - 2, name(rng), ink)
    if rng.random() < 0.7:
        p.light(4, top + 3, SIZE - 4, top + band, np.array((255, 245, 225)))
    panes = int(rng.integers(2, 5))
    door = int(rng.integers(panes))
    step = (SIZE - 16) / panes
    y0, y1 = top + band + 5, SIZE - storey * 0.1
    for pane in range(panes):
        x0, x1 = 8 + pane * step + 3, 8 + (pane + 1) * step - 3
        p.fill(x0 - 3, y0 - 3, x1 + 3, SIZE if pane == door else y1 + 3, frame)
        p.fill(x0, y0, x1, SIZE if pane == door else y1, rng.uniform(40, 100, 3))
        for _ in range(7):
            gx, gy = rng.uniform(x0, x1 - 6), rng.uniform(y0, y1 - 8)
            p.fill(gx, gy, min(gx + rng.uniform(5, 18), x1), gy + rng.uniform(4, 16),
                   rng.uniform(30, 240, 3))  # fmt: skip
        p.light(x0, y0, x1, y1, rng.choice(_WARM))


def _house_door(p: Painter, bays: int, storey: float, trim: np.ndarray) -> None:
    rng = p.rng
    bay, top = SIZE / bays, SIZE - storey
    door = int(rng.integers(bays))
    frame, glass = np.array((225, 225, 220)), rng.uniform(40, 90, 3)
    for column in range(bays):
        x, w = (column + 0.2) * bay, bay * 0.6
        if column != door:
            _window(p, x, top + storey * 0.25, w, storey * 0.45, frame, glass, (2, 2), 0.4)
            continue
        p.fill(x - 5, top + storey * 0.16, x + w + 5, SIZE, trim)
        p.fill(x, top + storey * 0.3, x + w, SIZE, rng.uniform(15, 170, 3))
        p.fill(x, top + storey * 0.2, x + w, top + storey * 0.27, glass)
        p.light(x, top + storey * 0.2, x + w, top + storey * 0.27, _WARM[0])


def _disc(p: Painter, cx: float, cy: float, radius: float, color: Color) -> None:
    y, x = np.mgrid[: p.height, : p.width]
    p.albedo[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = color


def _wall_color(rng: np.random.Generator) -> np.ndarray:
    paint = rng.choice(_PAINTS) * rng.uniform(0.72, 1.12) + rng.normal(0, 10, 3)
    return np.clip(paint, 25, 240)


def _lettering(words: str, width: int, height: int) -> np.ndarray:
    font = ImageFont.load_default(max(6, height))
    left, top, right, bottom = font.getbbox(words)
    image = Image.new("L", (max(1, int(right - left)), max(1, int(bottom - top))))
    ImageDraw.Draw(image).text((-left, -top), words, fill=255, font=font)
    return np.asarray(image.resize((max(1, width), max(1, height)))) / 255.0


def _span(low: float, high: float) -> slice:
    return slice(max(0, round(low)), max(0, round(high)))


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)
