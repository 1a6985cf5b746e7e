"""Draws docs/pictures/architecture.svg: the packages as pyproject.toml orders them, top to bottom.

    python tools/architecture.py

What a package is for is the first line of its own docstring, so that the picture cannot part from
the code; who may import whom is what import-linter checks in the tests.
"""

import ast
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "pictures" / "architecture.svg"
WIDTH, ROW, LEFT, NAME = 900, 40, 20, 190


def layers() -> list[list[str]]:
    """Names by layer, the highest first."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    whole = next(c for c in tools["contracts"] if c.get("containers") == ["vpr_edge"])
    return [layer.replace("|", ":").replace(" ", "").split(":") for layer in whole["layers"]]


def about(name: str) -> str:
    """First line of a package's or module's docstring."""
    folder = ROOT / "vpr_edge" / name
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("`", "")


def draw() -> str:
    """The picture: a row a layer, an arrow down the side."""
    rows = [name for layer in layers() for name in layer]
    height = ROW * len(rows) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="the packages, each importing only what stands below it" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<line x1="10" x2="10" y1="14" y2="{height - 44}" stroke="#0b7a75" stroke-width="2"/>'
        f'<path d="M4,{height - 46} h12 l-6,12 z" fill="#0b7a75"/>',
    ]
    for number, name in enumerate(rows):
        y = 8 + ROW * number
        parts.append(
            f'<rect x="{LEFT + 6}" y="{y}" width="{NAME - 36}" height="{ROW - 8}" rx="6" '
            'fill="#e7f2f1" stroke="#0b7a75"/>'
            f'<text x="{LEFT + 16}" y="{y + 21}" font-weight="600" fill="#1d2733">{name}</text>'
            f'<text x="{LEFT + NAME - 16}" y="{y + 21}" fill="#3d4a58">{escape(about(name))}</text>'
        )
    parts.append(
        f'<text x="{LEFT + 6}" y="{height - 14}" fill="#5d6b7a">A package imports what stands '
        "below it, never what stands above.</text></svg>"
    )
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw())
