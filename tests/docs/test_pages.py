"""The pages: links lead somewhere, and what is drawn or measured by a command is up to date."""

import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("examples/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_picture_of_the_packages_is_drawn_from_the_contracts() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "architecture.py"))
    assert tool["PICTURE"].read_text() == tool["draw"]()


def test_no_figure_of_the_results_is_typed() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "results.py"))
    assert tool["PAGE"].read_text() == tool["page"]()


def test_what_was_measured_says_on_which_commit() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "results.py"))
    kept = sorted(tool["KEPT"].glob("*.json"))
    assert kept
    for path in kept:
        found = json.loads(path.read_text())
        assert found["rows"] and found["commit"]


def test_the_readme_stays_a_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
