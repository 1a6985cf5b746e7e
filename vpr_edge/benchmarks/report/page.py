"""A report as data: sections of tables and charts, written as one HTML file or as Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from vpr_edge import __version__
from vpr_edge.escapes import for_markdown, for_markdown_code

Mark = Literal["", "good", "bad", "soft"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what it says; a line break sets the rest small.
        bar: length of a bar behind the text, 0 to 1; None for no bar.
        mark: how it is judged.
        prose: whether it is a sentence, to be broken into lines, and not a figure.
    """

    text: str
    bar: float | None = None
    mark: Mark = ""
    prose: bool = False


@dataclass(frozen=True)
class Table:
    """Lines of cells under headings.

    Attributes:
        headings: of the columns; a line break sets the rest of a heading small.
        lines: as many cells each as there are headings; a text alone is a cell.
        words: how many columns from the left hold words; the others hold figures.
        title: above the table; "" for none.
    """

    headings: tuple[str, ...]
    lines: tuple[tuple[Cell | str, ...], ...]
    words: int = 1
    title: str = ""

    @property
    def prose(self) -> tuple[int, ...]:
        """Columns that hold sentences, counted from 1."""
        return tuple(
            index
            for index in range(1, len(self.headings) + 1)
            if any(line[index - 1].prose for line in self.cells())
        )

    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """The lines, every cell a `Cell`."""
        return tuple(
            tuple(Cell(cell) if isinstance(cell, str) else cell for cell in line)
            for line in self.lines
        )


@dataclass(frozen=True)
class Chart:
    """A drawing: inline SVG in HTML, its caption alone in Markdown."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Charts:
    """Charts side by side where the page is wide enough, and what their colours stand for."""

    charts: tuple[Chart, ...]
    legend: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sentences:
    """A list of sentences."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What and its value, a line each."""

    lines: tuple[tuple[str, str], ...]
    title: str = ""


Block = Table | Charts | Sentences | Facts


@dataclass(frozen=True)
class Section:
    """A heading, what the reader must know, and what is shown."""

    title: str
    note: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Headline:
    """A figure to be seen first: what it is, its value, and its terms."""

    label: str
    value: str
    terms: str


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    subtitle: str
    headlines: tuple[Headline, ...] = ()
    sections: tuple[Section, ...] = field(default=())


def template_environment() -> Environment:
    """The templates of all reports, with `figure` and `gap` as filters."""
    environment = Environment(
        loader=PackageLoader("vpr_edge.benchmarks", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": figure, "gap": gap, "breakable": breakable}
    environment.globals["version"] = __version__
    return environment


def html(page: Page) -> str:
    """The page as HTML that needs no other file."""
    return template_environment().get_template("page.html.j2").render(page=page)


def markdown(page: Page) -> str:
    """The page as Markdown (GitHub's tables); charts are left to the HTML."""
    text = for_markdown
    lines = [f"# {text(page.title)}", "", text(page.subtitle), ""]
    lines += [f"- **{text(h.label)}: {text(h.value)}** ({text(h.terms)})" for h in page.headlines]
    for section in page.sections:
        lines += ["", f"## {text(section.title)}", ""]
        if section.note:
            lines += [text(section.note), ""]
        for block in section.blocks:
            lines += [*_markdown_block(block), ""]
    return "\n".join([*lines, f"vpr-edge {__version__}", ""])


def _markdown_block(block: Block) -> list[str]:
    match block:
        case Table():
            cells = [[cell.text for cell in line] for line in block.cells()]
            sides = ["---" if i < block.words else "---:" for i in range(len(block.headings))]
            title = [f"**{for_markdown(block.title)}**", ""] if block.title else []
            rows = [_row(map(for_markdown, line)) for line in (block.headings, *cells)]
            return [*title, rows[0], _row(sides), *rows[1:]]
        case Sentences():
            return [f"- {for_markdown(line)}" for line in block.lines]
        case Facts():
            title = [f"**{for_markdown(block.title)}**", ""] if block.title else []
            return title + [
                f"- {for_markdown(what)}: {for_markdown_code(value)}" for what, value in block.lines
            ]
        case Charts():
            return [f"({for_markdown(chart.caption)})" for chart in block.charts if chart.caption]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def breakable(text: str) -> Markup:
    """Text that may be broken into lines behind its underscores."""
    return Markup("_<wbr>").join(escape(part) for part in text.split("_"))


def figure(value: float | None, unit: str) -> str:
    """A figure with as many digits as it deserves, shares in per cent; "-" for None."""
    if value is None:
        return "-"
    if unit == "fraction":
        return f"{100 * value:.1f} %"
    if unit in ("bytes", "count"):
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:,.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def rough(value: float) -> str:
    """A predicted figure: three digits, as more would promise too much."""
    return f"{float(f'{value:.3g}'):,.10g}"


def gap(values: tuple[float | None, ...], unit: str) -> str:
    """The second value less the first; of shares in percentage points."""
    first, second = values
    if first is None or second is None:
        return ""
    if unit == "fraction":
        return f"{100 * (second - first):+.1f}"
    return f"{second - first:+,.0f}" if unit in ("bytes", "count") else f"{second - first:+.2f}"
