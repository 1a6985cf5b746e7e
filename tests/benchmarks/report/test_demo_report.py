"""The demo and its report, for real: render, export, bench, evaluate, write."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vpr_edge.errors import OutputError
from vpr_edge.files import sha256
from vpr_edge.workflows.demo import run_demo


class _Page(HTMLParser):
    """Collects headings, links out of the page, pictures, and the depth of open elements."""

    VOID = ("meta", "img", "br", "wbr", "link", "path", "use", "rect")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.headings: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.links += [values[k] or "" for k in ("href", "src") if k in values]
        if tag == "img":
            self.pictures.append(values["src"] or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VPR_EDGE_CACHE", str(folder / "cache"))
        return run_demo(folder / "demo", False, lambda _line: None)


def test_report_is_one_whole_file_that_needs_no_other(demo: Path) -> None:
    page = _Page(demo.read_text())
    assert not page.open
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    assert len(page.pictures) > 40
    for heading in ("Places recognised", "Keypoints", "Segmentation", "Where int8 loses", "Parity"):
        assert heading in page.headings


def test_demo_recognises_unseen_places_in_int8_about_as_well_as_in_float(demo: Path) -> None:
    rows = json.loads((demo.parent / "bench.json").read_text())["rows"]
    judged = [row for row in rows if row["metric"] == "recall_at_1"]
    recall = {row["artefact"]: row["value"] for row in judged if "database" in row["data"]}
    assert set(recall) == {"nano.onnx", "nano_int8.tflite"}
    assert recall["nano_int8.tflite"] > 0.7
    assert recall["nano.onnx"] - recall["nano_int8.tflite"] <= 0.01
    assert {"arena_bytes", "weights_bytes", "latency_median_ms", "miou", "repeatability"} <= {
        row["metric"] for row in rows
    }


def test_manifests_of_the_demo_name_its_files(demo: Path) -> None:
    for folder in ("float", "int8"):
        manifest = json.loads((demo.parent / folder / "manifest.json").read_text())
        for name, about in manifest["files"].items():
            assert sha256(demo.parent / folder / name) == about["sha256"]


def test_demo_keeps_an_output_that_exists(demo: Path) -> None:
    before = sha256(demo)
    with pytest.raises(OutputError, match="exists already"):
        run_demo(demo.parent, False, lambda _line: None)
    assert sha256(demo) == before
