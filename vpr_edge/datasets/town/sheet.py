"""A contact sheet of the rendered town: places by conditions, with their ground truth."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vpr_edge.datasets.town.config import DATABASE
from vpr_edge.datasets.town.files import TownFrame, TownSplit
from vpr_edge.files import atomic_file

# CamVid's own colours, class 0..10, and black for ignore.
PALETTE = np.array([
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0),
], np.uint8)  # fmt: skip
_PLACES = 6
_GAP, _TITLE = 6, 26


def draw_sheet(split: TownSplit, output: Path) -> Path:
    """Draw a split's sheet as a PNG: rows are places, columns conditions, classes and depth.

    Raises:
        OutputError: `output` could not be written.
    """
    conditions = list(dict.fromkeys(query.condition for query in split.queries))
    queries = {(q.town, q.index, q.condition): q for q in split.queries}
    complete = [
        frame
        for frame in split.database
        if all((frame.town, frame.index, c) in queries for c in conditions)
    ]
    chosen = [complete[i] for i in np.linspace(0, len(complete) - 1, _PLACES + 1).astype(int)[:-1]]
    titles = [DATABASE, *conditions, "classes", "depth"]
    width, height = split.config.width, split.config.height
    sheet = Image.new("RGB", (_GAP + len(titles) * (width + _GAP),
                              _TITLE + len(chosen) * (height + _GAP)), "white")  # fmt: skip
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, title in enumerate(titles):
        x = _GAP + column * (width + _GAP) + width / 2
        pen.text((x, _TITLE / 2), title, fill=(40, 40, 40), font=font, anchor="mm")
    for row, frame in enumerate(chosen):
        cells = [frame.image()]
        cells += [queries[frame.town, frame.index, c].image() for c in conditions]
        cells += [PALETTE[frame.labels()], _depth_picture(frame)]
        for column, cell in enumerate(cells):
            spot = (_GAP + column * (width + _GAP), _TITLE + row * (height + _GAP))
            sheet.paste(Image.fromarray(cell), spot)
    with atomic_file(output) as scratch:
        sheet.save(scratch, format="PNG")
    return output


def _depth_picture(frame: TownFrame) -> np.ndarray:
    depth = frame.depth()
    near = np.where(depth > 0, 1 / (1 + depth / 8), 0)[..., None]
    return np.clip(near * (255, 225, 150) + (1 - near) * (20, 24, 60), 0, 255).astype(np.uint8)
