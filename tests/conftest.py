"""Fixtures that several test folders use, and what becomes of tests that lack something."""

import importlib.util
import os
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.town_sets import (
    write_corridor,
    write_labelled,
    write_pairs,
    write_photographs,
    write_seasons,
    write_views,
    write_walks,
)
from vpr_edge.datasets.town.rendered import TownConfig, load_split, render_town

SHARED = Path(__file__).parents[2] / "shared"
# By parameter of a test what it runs.
PROGRAMS = {"clang": ("clang",), "gcc+qemu": ("arm-none-eabi-gcc", "qemu-system-arm")}
CMSIS_NN = "VPR_EDGE_CMSIS_NN"
TOWN = TownConfig(
    splits=("test",), test_seeds=(7,), test_places=24, conditions=("dusk",), test_query_step=1,
    width=320, height=240,
)  # fmt: skip


def _lacking(item: pytest.Item) -> str:
    """The sentence that says what a test needs and this machine has not; "" where all is here."""
    if "shared" in getattr(item, "fixturenames", ()) and not (SHARED / "data").is_dir():
        return "the real data sets are not here: no ../shared/data beside the checkout"
    if "cmsis_nn" in getattr(item, "fixturenames", ()) and not os.environ.get(CMSIS_NN):
        return f"CMSIS-NN is not here: {CMSIS_NN} names no folder with it"
    needed = [name for mark in item.iter_markers("needs") for name in mark.args]
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        chosen = [value for value in item.callspec.params.values() if isinstance(value, str)]
        needed += [program for value in chosen for program in PROGRAMS.get(value, ())]
    for name in needed:
        if not shutil.which(name) and importlib.util.find_spec(name) is None:
            return f"{name} is not installed"
    return ""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One skip speaks for all tests that lack the same thing; the others are deselected."""
    lacking = defaultdict(list)
    for item in items:
        lacking[_lacking(item)].append(item)
    kept = lacking.pop("", [])
    for sentence, same in lacking.items():
        more = f" ({len(same)} tests need it)" if len(same) > 1 else ""
        same[0].add_marker(pytest.mark.skip(reason=sentence + more))
        kept.append(same[0])
        config.hook.pytest_deselected(items=same[1:])
    items[:] = kept


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the checkout."""
    return SHARED / "data"


@pytest.fixture(scope="session")
def town_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A street of the built-in town by day and by dusk, 24 places each, 240x320."""
    return render_town(tmp_path_factory.mktemp("town") / "render", TOWN)


@pytest.fixture(scope="session")
def frames(town_folder: Path) -> list[NDArray[np.uint8]]:
    """Its 48 pictures, uint8 [240, 320, 3]: the day's, then those at dusk."""
    split = load_split(town_folder, "test")
    return [frame.image() for frame in (*split.database, *split.queries)]


@pytest.fixture(scope="session")
def data_sets(
    town_folder: Path, frames: list[NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder of data sets in the layouts and by the names that the readers know."""
    root = tmp_path_factory.mktemp("data")
    shots = load_split(town_folder, "test").database[:9]
    write_corridor(root / "vpr_corridor", frames)
    write_pairs(root / "vpr_sped", frames[:16])
    write_seasons(root / "vpr_nordland64")
    write_walks(root / "places_ie_tower", frames)
    write_labelled(root / "camvid", [s.image() for s in shots], [s.labels() for s in shots])
    write_photographs(root / "natural_bsds500", frames)
    write_photographs(root / "natural_imagenet1000", frames[24:])
    write_views(root / "homography", frames[2])
    return root
