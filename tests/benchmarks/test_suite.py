"""Every place set of a folder in one command: the sets, the figures, and the table."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from vpr_edge.benchmarks.tasks.places import evaluate_places, hog_descriptor
from vpr_edge.benchmarks.tasks.suite import MACRO, run_suite, suite_rows, suite_sets
from vpr_edge.cli import cli
from vpr_edge.datasets.registry import load_places
from vpr_edge.errors import DataError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corridor, a railway and webcams of random pictures, and a folder of something else."""
    monkeypatch.setenv("VPR_EDGE_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    root = tmp_path / "sets"

    def save(path: Path, picture: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)

    corridor = ["query,ref_acceptable"]
    for k in range(4):
        picture = rng.integers(0, 256, (32, 48, 3), np.uint8)
        save(root / "corridor" / "ref" / f"{k}.png", picture)
        save(root / "corridor" / "query" / f"{k}.png", picture // 2)
        corridor.append(f"query/{k}.png,{k}")
    (root / "corridor" / "gt.csv").write_text("\n".join(corridor))
    (root / "rail").mkdir()
    for season in ("summer", "winter"):
        frames = rng.integers(0, 256, (6, 16, 32), np.uint8)
        np.savez(root / "rail" / f"{season}.npz", images=frames)
    cameras = ["image,camera,place,condition"]
    for camera in ("640x439", "other"):
        for condition in ("day", "night"):
            for k in range(2):
                name = f"{camera}/{condition}_{k}.png"
                save(root / "cams" / name, rng.integers(0, 256, (24, 32, 3), np.uint8))
                cameras.append(f"{name},{camera},{camera},{condition}")
    (root / "cams" / "gt.csv").write_text("\n".join(cameras))
    (root / "letters").mkdir()
    return root


def test_every_set_of_a_folder_is_found_and_both_directions_of_a_railway(root: Path) -> None:
    names = [(one.name, one.terms.split(",")[0]) for one in suite_sets(root)]
    assert names == [
        ("cams", "night->day"),
        ("corridor", "query->ref"),
        ("rail", "winter->summer"),
        ("rail", "summer->winter"),
    ]
    with pytest.raises(DataError, match="no folder below"):
        suite_sets(root / "letters")


def test_webcams_look_up_nights_of_cameras_that_nothing_was_trained_on(root: Path) -> None:
    cams = load_places(root / "cams")
    assert len(cams.database) == 4 and len(cams.queries) == 2
    assert all(name.startswith("night") for name in cams.queries.names)
    assert [list(right) for right in cams.positives] == [[0, 1], [0, 1]]


def test_the_suites_recall_is_that_of_each_set_judged_alone(root: Path) -> None:
    sets = suite_sets(root)
    scores = run_suite(hog_descriptor, sets)
    for one, found in zip(sets, scores, strict=True):
        alone = evaluate_places(hog_descriptor, one).recall
        assert {n: found.found[f"recall_at_{n}"].value for n in alone} == pytest.approx(alone)
    rows = suite_rows(scores, "hog", "host/python")
    mean = next(r for r in rows if r.data.startswith(MACRO) and r.metric == "recall_at_1")
    assert mean.value == pytest.approx(np.mean([s.found["recall_at_1"].value for s in scores]))


def test_the_command_prints_rows_with_intervals_and_a_table(root: Path) -> None:
    done = CliRunner().invoke(cli, ["eval", "hog", "--suite", "--data", str(root), "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    metrics = {row["metric"] for row in rows if row["data"].startswith("corridor")}
    assert {"recall_at_1", "recall_at_1_low", "recall_at_full_precision_high"} <= metrics
    table = CliRunner().invoke(cli, ["eval", "hog", "thumbnail", "--suite", "--data", str(root)])
    assert table.exit_code == 0 and MACRO in table.output and "thumbnail" in table.output
