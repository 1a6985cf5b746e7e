"""Cuts the README's picture out of the demo's report: queries and the places that were found.

make demo && python tools/strip.py demo/report.html docs/pictures/places.jpg
"""

import base64
import io
import re
import sys
from pathlib import Path

from PIL import Image, ImageDraw

COLORS = {"query": (29, 39, 51), "right": (30, 150, 90), "wrong": (200, 60, 50)}
STRIPS, EDGE = 3, 4


def main(report: Path, picture: Path) -> None:
    """Draw the first strip of each of three conditions."""
    found = re.findall(
        r'<figure class="(query|right|wrong)">\s*<img src="data:image/jpeg;base64,([^"]+)"',
        report.read_text(),
    )
    strips = [found[start : start + 6] for start in range(0, len(found), 6)]
    # Each condition has two strips, one recognised and one not; the first of each is shown.
    chosen = strips[:: max(1, len(strips) // STRIPS)][:STRIPS]
    first = Image.open(io.BytesIO(base64.b64decode(chosen[0][0][1])))
    width, height = first.width + 2 * EDGE, first.height + 2 * EDGE
    sheet = Image.new("RGB", (6 * width, len(chosen) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for row, strip in enumerate(chosen):
        for column, (kind, data) in enumerate(strip):
            x, y = column * width, row * height
            draw.rectangle((x, y, x + width - 2, y + height - 2), COLORS[kind])
            image = Image.open(io.BytesIO(base64.b64decode(data)))
            sheet.paste(image, (x + EDGE, y + EDGE))
    picture.parent.mkdir(exist_ok=True, parents=True)
    sheet.save(picture, quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
