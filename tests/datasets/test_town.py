"""The built-in town: layout, ground truth against independent geometry, determinism, errors."""

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vpr_edge.datasets.town.rendered import (
    TownConfig,
    TownSplit,
    contact_sheet,
    correspondences,
    default_cache,
    load_split,
    positives,
    render_town,
)
from vpr_edge.errors import DataError, OutputError, ToolMissingError

pytest.importorskip("panda3d", reason="The town is rendered by Panda3D, which is not installed.")

TINY = TownConfig(
    splits=("test",), test_seeds=(7,), test_places=12, conditions=("night", "fog"),
    test_query_step=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_town(tmp_path_factory.mktemp("town") / "render", TINY)


@pytest.fixture(scope="module")
def split(folder: Path) -> TownSplit:
    return load_split(folder, "test")


def test_frames_lie_and_are_named_as_in_vpr_datasets(folder: Path, split: TownSplit) -> None:
    assert len(split.database) == 12
    assert len(split.queries) == 2 * 4
    for part, frames in (("database", split.database), ("queries", split.queries)):
        pictures = sorted((folder / "test" / part).glob("@*@.jpg"))
        assert pictures == sorted(frame.path for frame in frames)
    for frame in split.database + split.queries:
        fields = frame.path.name.split("@")
        assert len(fields) == 16
        assert float(fields[1]) == pytest.approx(frame.pose.easting, abs=0.006)
        assert float(fields[2]) == pytest.approx(frame.pose.northing, abs=0.006)
        assert float(fields[9]) == pytest.approx(frame.pose.heading_deg, abs=0.006)
        assert fields[14] == frame.condition
        assert frame.image().shape == (120, 160, 3)
        assert frame.labels().shape == frame.depth().shape == (120, 160)
        assert Image.open(frame.depth_path).mode == "I;16"


def test_same_configuration_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = render_town(tmp_path / "again", TINY)
    files = [p.relative_to(folder) for p in sorted(folder.rglob("*")) if p.is_file()]
    assert len(files) == 3 * 20 + 3
    for file in files:
        assert (folder / file).read_bytes() == (again / file).read_bytes(), file


def test_another_seed_is_another_town(split: TownSplit, tmp_path: Path) -> None:
    config = replace(TINY, test_seeds=(8,), test_places=3, conditions=())
    other = load_split(render_town(tmp_path / "other", config), "test")
    for mine, theirs in zip(split.database, other.database, strict=False):
        assert (mine.labels() != theirs.labels()).mean() > 0.1


def test_finished_render_is_kept_and_another_is_refused(folder: Path, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    assert render_town(folder, TINY, lambda *step: calls.append(step)) == folder
    assert calls == []
    with pytest.raises(OutputError, match="exists already"):
        render_town(folder, replace(TINY, spacing=4.0))
    assert default_cache(TINY) != default_cache(replace(TINY, spacing=4.0))


def test_interrupted_render_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 20
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_town(tmp_path / "town", TINY, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_labels_hold_the_classes_of_a_street(split: TownSplit) -> None:
    seen = np.zeros(12)
    for frame in split.database + split.queries:
        seen += np.bincount(frame.labels().ravel(), minlength=12)
    share = seen / seen.sum()
    sky, building, pole, road, pavement, tree, sign, fence, car, person, rider, ignored = share
    assert min(sky, building, road) > 0.05
    assert min(pole, pavement, tree, car) > 0.001
    assert min(sign, fence, person, rider) > 0
    assert ignored < 0.01


def test_road_depth_follows_from_the_cameras_height(split: TownSplit) -> None:
    camera = TINY.camera
    rows = np.arange(120)[:, None]
    focal = 80 / np.tan(np.radians(37.5))
    with np.errstate(divide="ignore"):
        expected = 1.5 * focal / (rows - (0.62 * 120 - 0.5)) * np.ones((1, 160))
    assert camera.focal == pytest.approx(focal)
    for frame in split.database:
        road = frame.labels() == 3
        assert road.sum() > 1000
        np.testing.assert_allclose(frame.depth()[road], expected[road], atol=0.00501)


def test_depth_and_labels_agree_with_ray_casting() -> None:
    from vpr_edge.datasets.town.camera import Pose
    from vpr_edge.datasets.town.conditions import CONDITIONS, sun_direction
    from vpr_edge.datasets.town.plan import drive
    from vpr_edge.datasets.town.render import Renderer
    from vpr_edge.datasets.town.scene import make_town, make_traffic

    rng = np.random.default_rng(0)
    town = make_town(5, 12, 4.5)
    faces = town.faces + make_traffic(town.plan, rng)
    day = CONDITIONS["day"]
    path = drive(rng, town.plan, np.array([20.0, 31.0]), 0.8, 6.0)
    camera = TINY.camera
    sky = np.full((8, 16, 3), 200, np.uint8)
    same_label, same_depth = [], []
    with Renderer(camera, faces, town.textures, sky, day, sun_direction(day, 90)) as renderer:
        for x, y, heading in zip(path.x, path.y, path.heading_deg, strict=True):
            pose = Pose(x, y, 1.5, heading)
            view = renderer.render(pose)
            rows, columns = rng.integers(0, 120, 120), rng.integers(0, 160, 120)
            for row, column in zip(rows, columns, strict=True):
                ray = camera.rays()[row, column] @ pose.rotation
                hit, depth = _first_hit(faces.vertices, pose.position, ray)
                label = faces.labels[hit] if depth else 0
                same_label.append(label == view.labels[row, column])
                same_depth.append(abs(depth - view.depth[row, column]) < 1e-6 * (1 + depth))
    assert np.mean(same_label) > 0.96
    assert np.mean(same_depth) > 0.94


def _first_hit(quads: np.ndarray, origin: np.ndarray, ray: np.ndarray) -> tuple[int, float]:
    """The first front face that a ray meets and how many times its length away (0 = none)."""
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    a = triangles[:, 0] - origin
    e1, e2 = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    normal = np.cross(e1, e2)
    with np.errstate(divide="ignore", invalid="ignore"):
        facing = normal @ ray
        t = (normal * a).sum(axis=1) / facing
        inside = t[:, None] * ray - a
        size = (normal**2).sum(axis=1)
        u = (np.cross(inside, e2) * normal).sum(axis=1) / size
        v = (np.cross(e1, inside) * normal).sum(axis=1) / size
        met = (facing < 0) & (t > 0.25) & (u >= 0) & (v >= 0) & (u + v <= 1)
    if not met.any():
        return -1, 0.0
    nearest = int(np.where(met, t, np.inf).argmin())
    return nearest % len(quads), float(t[nearest])


def test_corresponding_pixels_have_equal_labels_and_similar_colors(split: TownSplit) -> None:
    equal, colors_a, colors_b = [], [], []
    for a, b in zip(split.database[:-1], split.database[1:], strict=True):
        xy_a, xy_b = correspondences(a, b)
        assert xy_a.dtype == xy_b.dtype == np.float32
        assert len(xy_a) == len(xy_b) > 500
        (xa, ya), (xb, yb) = xy_a.astype(int).T, np.round(xy_b).astype(int).T
        equal.append(a.labels()[ya, xa] == b.labels()[yb, xb])
        colors_a.append(a.image()[ya, xa].mean(axis=1))
        colors_b.append(b.image()[yb, xb].mean(axis=1))
    assert np.concatenate(equal).mean() > 0.95
    assert np.corrcoef(np.concatenate(colors_a), np.concatenate(colors_b))[0, 1] > 0.8


def test_correspondences_lead_there_and_back(split: TownSplit) -> None:
    a = split.database[4]
    for b in (split.database[5], split.database[3]):
        there_a, there_b = correspondences(a, b)
        back_b, back_a = correspondences(b, a)
        # The pixel of B nearest to a point's image sees a point less than about a pixel off.
        index = {tuple(xy): i for i, xy in enumerate(back_b.astype(int))}
        zoom = a.depth()[tuple(there_a.astype(int).T[::-1])]
        off = [
            np.abs(back_a[index[key]] - xy).max()
            for xy, key, far in zip(there_a, map(tuple, np.round(there_b).astype(int)), zoom,
                                    strict=True)
            if key in index and far > 6
        ]  # fmt: skip
        assert len(off) > 200
        assert np.median(off) < 0.6


def test_positives_are_near_and_look_the_same_way(split: TownSplit) -> None:
    for query, found in zip(split.queries, positives(split), strict=True):
        expected = []
        for i, frame in enumerate(split.database):
            east = frame.pose.easting - query.pose.easting
            north = frame.pose.northing - query.pose.northing
            turn = np.radians(frame.pose.heading_deg - query.pose.heading_deg)
            if (east**2 + north**2) ** 0.5 <= 8 and np.cos(turn) >= np.cos(np.radians(40)):
                expected.append(i)
        assert found.tolist() == expected
        assert query.index in [split.database[i].index for i in found]


def test_night_is_dark_and_fog_hides_what_is_far(split: TownSplit) -> None:
    by_condition = {c: [f for f in split.queries if f.condition == c] for c in ("night", "fog")}
    day = [f for f in split.database if f.index % 3 == 0]
    night_level = np.mean([f.image().mean() for f in by_condition["night"]])
    assert night_level < 0.5 * np.mean([f.image().mean() for f in day])

    def far_contrast(frames: list) -> float:
        spread = [f.image().mean(axis=2)[(f.depth() > 40)].std() for f in frames]
        return float(np.mean(spread))

    assert far_contrast(by_condition["fog"]) < 0.6 * far_contrast(day)


def test_contact_sheet_shows_places_by_conditions(folder: Path, tmp_path: Path) -> None:
    sheet = Image.open(contact_sheet(folder, tmp_path / "sheet.png"))
    assert sheet.format == "PNG"
    assert sheet.width == 6 + 5 * 166  # day, night, fog, classes, depth


def test_bad_input_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a rendered town"):
        load_split(tmp_path, "test")
    with pytest.raises(DataError, match="no split 'train'"):
        load_split(folder, "train")
    with pytest.raises(DataError, match="no snow"):
        TownConfig(conditions=("snow",))
    with pytest.raises(DataError, match="choose different seeds"):
        TownConfig(train_seeds=(1, 2), test_seeds=(2,))


def test_damaged_table_is_named(tmp_path: Path) -> None:
    config = replace(TINY, test_places=2, conditions=())
    folder = render_town(tmp_path / "town", config)
    table = folder / "test" / "poses.csv"
    with table.open(newline="") as stream:
        rows = list(csv.reader(stream))
    rows[1][6] = "east"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(DataError, match=r"poses\.csv is damaged"):
        load_split(folder, "test")


def test_missing_renderer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("render", "drive"):
        monkeypatch.delitem(sys.modules, f"vpr_edge.datasets.town.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "panda3d", None)
    with pytest.raises(ToolMissingError, match="pip install"):
        render_town(tmp_path / "town", TINY)
    assert list(tmp_path.iterdir()) == []
