"""The readers on the real sets where they are here, and on small or damaged sets made for it."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vpr_edge.datasets.camvid import load_camvid
from vpr_edge.datasets.corridor import load_corridor
from vpr_edge.datasets.homographies import (
    HomographyPair,
    random_homography,
    read_homography_pairs,
    synthetic_homography_pairs,
)
from vpr_edge.datasets.images import Images, find_images
from vpr_edge.datasets.nordland import load_nordland
from vpr_edge.datasets.photographs import load_photographs
from vpr_edge.datasets.registry import (
    ROOT_VARIABLE,
    describe_data,
    find_data,
    load_places,
    load_segmentation,
)
from vpr_edge.datasets.segmentation_set import COLORS, Labels
from vpr_edge.datasets.sped import load_sped
from vpr_edge.datasets.tower import load_tower, split_by_stem
from vpr_edge.datasets.utm import load_utm
from vpr_edge.errors import DataError


def paint(path: Path, height: int = 40, width: int = 50) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def corridor(tmp_path: Path) -> Path:
    for i in range(4):
        paint(tmp_path / "ref" / f"{i}.png")
        paint(tmp_path / "query" / f"{i}.png")
    rows = [f"query/{i}.png,{' '.join(str(r) for r in (i - 1, i, i + 1) if 0 <= r < 4)}"
            for i in range(4)]  # fmt: skip
    (tmp_path / "gt.csv").write_text("\n".join(["query,ref_acceptable", *rows]) + "\n")
    return tmp_path


def test_each_layout_is_read_as_it_was_laid_out(
    data_sets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(data_sets))
    corridor = load_places("vpr_corridor")
    assert corridor.positives[0].tolist() == [0, 1, 2]
    assert corridor.positives[23].tolist() == [21, 22, 23]
    assert corridor.terms == "query->ref, tolerance 2 frames, database 24"
    sped = load_places("vpr_sped")
    # The strip is left out, and those after it move up.
    assert sped.queries.names == tuple(f"{i:04}" for i in (0, 1, 3, 4, 5, 6, 7))
    assert [p.tolist() for p in sped.positives] == [[i] for i in range(7)]
    assert sped.drives == () and "1 too low, left out" in sped.terms
    assert len(load_places("vpr_nordland64").queries) == 4
    camvid = load_segmentation(data_sets / "camvid")
    assert camvid.terms == "val, 3 images"
    assert camvid.images[0].shape == (*camvid.labels[0].shape, 3)
    assert len(load_camvid(data_sets / "camvid", "train").images) == 6


def test_walks_are_in_order_of_time_and_split_whole(data_sets: Path) -> None:
    videos = load_tower(data_sets / "places_ie_tower")
    assert [video.stem for video in videos] == [f"walk{i:02}" for i in range(12)]
    for video in videos:
        # By number: as text 9 would come last.
        assert video.frames.names == tuple(f"{video.stem}_frame_{n}" for n in (9, 10, 11))
        assert video.label == f"floor{int(video.stem[-2:]) % 2}" and video.area == "hall"
    training, held_out = split_by_stem(videos, 0.4)
    assert training and held_out and len(training) + len(held_out) == 12
    assert not {v.stem for v in training} & {v.stem for v in held_out}
    assert split_by_stem(videos[::2], 0.4)[1] == tuple(v for v in videos[::2] if v in held_out)


def test_photographs_are_chosen_by_their_names(data_sets: Path, tmp_path: Path) -> None:
    folder = data_sets / "natural_bsds500"
    assert [len(load_photographs(folder, s)) for s in ("train", "val", "test")] == [6, 3, 12]
    assert len(load_photographs(folder)) == 21
    paint(tmp_path / "picture.png")
    with pytest.raises(DataError, match="named test_"):
        load_photographs(tmp_path, "test")


def views_map_onto_the_first(pairs: list[HomographyPair]) -> None:
    for pair in (pairs[0], pairs[0].resized((120, 160))):
        size = pair.image_b.shape[1::-1]
        warped = cv2.warpPerspective(pair.image_a, pair.homography, size)
        seen = cv2.warpPerspective(np.ones_like(pair.image_a), pair.homography, size) > 0
        agreement = np.corrcoef(warped[seen], pair.image_b[seen])[0, 1]
        assert agreement > 0.85
        assert agreement > np.corrcoef(pair.image_a[seen], pair.image_b[seen])[0, 1] + 0.2


def test_homographies_map_the_first_picture_onto_the_others(data_sets: Path) -> None:
    pairs = list(read_homography_pairs(data_sets / "homography"))
    assert [pair.name for pair in pairs] == [f"v_town 1-{k}" for k in range(2, 7)]
    views_map_onto_the_first(pairs)


def test_corridor_takes_the_acceptable_references_of_its_table(shared: Path) -> None:
    places = load_corridor(shared / "vpr_corridor")
    assert (len(places.database), len(places.queries)) == (111, 111)
    assert places.positives[0].tolist() == [0, 1, 2]
    assert places.positives[110].tolist() == [108, 109, 110]
    assert places.terms == "query->ref, tolerance 2 frames, database 111"
    assert places.queries[3].shape == (120, 160, 3)


def test_sped_leaves_out_the_place_that_is_a_strip(shared: Path) -> None:
    places = load_sped(shared / "vpr_sped")
    assert len(places.database) == len(places.queries) == 606
    assert "0115" not in places.queries.names and "0114" in places.queries.names
    assert places.positives[115].tolist() == [115] and places.queries.names[115] == "0116"


def test_nordland_parts_share_no_place_and_directions_swap_the_seasons(shared: Path) -> None:
    folder = shared / "vpr_nordland64"
    train, held_out = load_nordland(folder, part="train"), load_nordland(folder)
    assert len(train.queries) == 2500 and len(held_out.queries) == 1076
    assert not set(train.queries.names) & set(held_out.queries.names)
    back = load_nordland(folder, "summer->winter")
    assert np.array_equal(back.queries[7], held_out.database[7])
    assert np.array_equal(back.queries[7][..., 0], np.load(folder / "summer.npz")["images"][2507])
    assert [p.tolist() for p in held_out.positives[:2]] == [[0, 1], [0, 1, 2]]
    assert held_out.positives[-1].tolist() == [1074, 1075]


def test_tower_videos_are_in_order_of_time_and_split_whole(shared: Path) -> None:
    videos = load_tower(shared / "places_ie_tower")
    assert sum(len(video.frames) for video in videos) == 2877
    assert {video.label for video in videos} >= {"basement0", "floor10"}
    for video in videos:
        numbers = [int(name.rsplit("_", 1)[1]) for name in video.frames.names]
        assert numbers == sorted(numbers)
        assert {name.rsplit("_frame_", 1)[0] for name in video.frames.names} == {video.stem}
    training, held_out = split_by_stem(videos, 0.25)
    assert len(training) + len(held_out) == len(videos) and 0.1 < len(held_out) / 124 < 0.4
    assert not {v.stem for v in training} & {v.stem for v in held_out}
    assert split_by_stem(videos[::2], 0.25)[1] == tuple(v for v in videos[::2] if v in held_out)


def test_camvid_pairs_each_picture_with_labels_of_its_size(shared: Path) -> None:
    for part, count in (("train", 367), ("val", 101)):
        data = load_camvid(shared / "camvid", part)  # type: ignore[arg-type]
        assert len(data.images) == len(data.labels) == count
        assert data.images[0].shape == (*data.labels[0].shape, 3)
    assert set(np.unique(data.labels[0])) <= set(range(12))
    # The lower middle of a driving scene is road, which CamVid paints purple.
    assert COLORS[data.labels[0]][200, 160].tolist() == [128, 64, 128]


def test_photographs_are_split_by_name(shared: Path) -> None:
    folder = shared / "natural_bsds500"
    sizes = [len(load_photographs(folder, split)) for split in ("train", "val", "test")]
    assert sizes == [200, 100, 200]
    assert len(load_photographs(shared / "natural_imagenet1000")) == 1000
    with pytest.raises(DataError, match="named test_"):
        load_photographs(shared / "natural_imagenet1000", "test")


def test_grey_arrays_read_as_rgb_and_slices_stay_lazy() -> None:
    array = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    images = Images(("a", "b", "c"), array)
    assert images[1].shape == (4, 5, 3) and np.array_equal(images[1][..., 2], array[1])
    assert images[1:].names == ("b", "c") and np.array_equal(images[1:][0], images[1])
    assert [image.shape for image in images] == [(4, 5, 3)] * 3


def test_utm_positives_equal_all_pairs_of_distances(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    poses = {}
    for part, count in (("database", 40), ("queries", 12)):
        poses[part] = np.column_stack([rng.uniform(0, 120, (count, 2)), rng.uniform(0, 360, count)])
        for e, n, h in poses[part]:
            paint(tmp_path / part / "tiles" / f"@{e:.9f}@{n:.9f}@32@N@@@@@{h:.9f}@@@@@@.png", 4, 4)
        labels = tmp_path / part / "labels" / "not_a_picture.png"
        paint(labels, 4, 4)

    def read(images: Images) -> np.ndarray:
        fields = [name.split("@") for name in images.names]
        return np.array([[float(f[1]), float(f[2]), float(f[9])] for f in fields])

    for tolerance_deg in (None, 40.0):
        places = load_utm(tmp_path, 25, tolerance_deg)
        d, q = read(places.database), read(places.queries)
        assert (len(d), len(q)) == (40, 12)
        near = np.linalg.norm(q[:, None, :2] - d[None, :, :2], axis=2) <= 25
        if tolerance_deg is not None:
            turn = np.deg2rad(q[:, None, 2] - d[None, :, 2])
            near &= np.cos(turn) >= np.cos(np.deg2rad(tolerance_deg))
        assert [p.tolist() for p in places.positives] == [np.flatnonzero(r).tolist() for r in near]
        assert near.any()
    assert "tolerance 25 m and 40 degrees, database 40" in places.terms


def test_utm_names_without_a_position_are_refused(tmp_path: Path) -> None:
    paint(tmp_path / "database" / "@1@2@@@@@@@@@@@@@.png")
    paint(tmp_path / "queries" / "holiday.png")
    with pytest.raises(DataError, match=r"holiday\.png has no position in its name"):
        load_utm(tmp_path)
    (tmp_path / "queries" / "holiday.png").unlink()
    paint(tmp_path / "queries" / "@1@2@@@@@@@@@@@@@.png")
    assert [p.tolist() for p in load_utm(tmp_path).positives] == [[0]]
    with pytest.raises(DataError, match="no position and heading"):
        load_utm(tmp_path, 25, 40)


def test_hpatches_homographies_map_the_first_picture_onto_the_others(shared: Path) -> None:
    pairs = list(read_homography_pairs(shared / "homography"))
    assert [pair.name for pair in pairs] == [f"v_graf 1-{k}" for k in range(2, 7)]
    views_map_onto_the_first(pairs)


def test_resizing_a_pair_moves_its_homography_with_the_pixel_centres() -> None:
    rng = np.random.default_rng(0)
    picture = np.zeros((240, 320, 3), np.uint8)
    homography = random_homography(rng, (240, 320))
    small = HomographyPair("p", picture, picture, homography).resized((120, 80)).homography
    scale = np.array([80 / 320, 120 / 240])
    points = rng.uniform(0, 200, (1, 9, 2))
    there = cv2.perspectiveTransform(points, homography)
    again = cv2.perspectiveTransform((points + 0.5) * scale - 0.5, small)
    np.testing.assert_allclose(again, (there + 0.5) * scale - 0.5, atol=1e-6)


def test_synthetic_pairs_repeat_from_the_seed_and_are_what_their_homography_says() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (214, 320, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4).astype(np.uint8)
    photographs = [smooth, np.rot90(smooth)]
    first, second = (list(synthetic_homography_pairs(photographs, 5)) for _ in range(2))
    assert len(first) == 2
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.image_b, b.image_b) and a.image_a.shape == (240, 320, 3)
        back = cv2.warpPerspective(a.image_b, np.linalg.inv(a.homography), (320, 240))
        inside = cv2.warpPerspective(
            np.full((240, 320), 255, np.uint8), np.linalg.inv(a.homography), (320, 240)
        )
        gap = np.abs(back.astype(int) - a.image_a)[cv2.erode(inside, np.ones((9, 9))) == 255]
        assert gap.mean() < 2
    assert not np.allclose(first[0].homography, first[1].homography)


def test_a_folder_is_read_by_what_lies_in_it(
    corridor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_places(corridor).positives[0].tolist() == [0, 1]
    monkeypatch.setenv(ROOT_VARIABLE, str(corridor.parent))
    corridor.rename(corridor.with_name("vpr_corridor"))
    assert load_places("vpr_corridor").name == "vpr_corridor"
    rows = {row.name: row for row in describe_data()}
    assert rows["vpr_corridor"].count == 8 and rows["vpr_corridor"].note == ""
    assert rows["camvid"].count is None and "SegNet" in rows["camvid"].note
    (corridor.with_name("vpr_corridor") / "gt.csv").unlink()
    rows = {row.name: row for row in describe_data()}
    assert rows["vpr_corridor"].count is None and "layout" in rows["vpr_corridor"].note


def test_every_real_place_set_is_recognised(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(shared))
    sizes = {n: len(load_places(n).queries) for n in ("vpr_corridor", "vpr_sped", "vpr_nordland64")}
    assert sizes == {"vpr_corridor": 111, "vpr_sped": 606, "vpr_nordland64": 1076}
    assert load_segmentation(shared / "camvid").terms == "val, 101 images"


def test_unknown_and_absent_data_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    assert find_data("vpr_sped") is None
    with pytest.raises(DataError, match=f"vpr_sped is not here.*{ROOT_VARIABLE}"):
        load_places("vpr_sped")
    with pytest.raises(DataError, match="neither a folder nor a known data set"):
        load_places("vpr_spedd")
    with pytest.raises(DataError, match=r"no layout of places.*gt\.csv.*database/"):
        load_places(tmp_path)
    with pytest.raises(DataError, match="valannot"):
        load_segmentation(tmp_path)


def _drop_reference(folder: Path) -> None:
    (folder / "ref" / "2.png").unlink()


def _drop_query(folder: Path) -> None:
    (folder / "query" / "2.png").unlink()


def _drop_column(folder: Path) -> None:
    (folder / "gt.csv").write_text("query,ref\nquery/0.png,0\n")


def _empty_references(folder: Path) -> None:
    for path in (folder / "ref").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_drop_reference, r"gt\.csv names the reference '2', which is not in .*ref"),
        (_drop_query, r"gt\.csv names .*2\.png, which is absent"),
        (_drop_column, r"gt\.csv, line 2, has no column 'ref_acceptable'"),
        (_empty_references, r"ref holds no images"),
    ],
)
def test_a_damaged_place_set_is_one_sentence(
    corridor: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    damage(corridor)
    with pytest.raises(DataError, match=sentence) as caught:
        load_corridor(corridor)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_truncated_picture_names_its_file(corridor: Path) -> None:
    path = corridor / "ref" / "1.png"
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match=r"1\.png is not a readable image"):
        load_corridor(corridor).database[1]
    with pytest.raises(DataError, match="is not a folder"):
        find_images(corridor / "nowhere")


def test_damaged_nordland_archives_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"winter\.npz is absent"):
        load_nordland(tmp_path)
    images = np.zeros((30, 4, 8), np.uint8)
    np.savez(tmp_path / "summer.npz", images=images)
    np.savez(tmp_path / "winter.npz", images=images[1:])
    with pytest.raises(DataError, match="29 frames of winter but 30 of summer"):
        load_nordland(tmp_path)
    np.savez(tmp_path / "winter.npz", images=images.astype(float))
    with pytest.raises(DataError, match="must be uint8"):
        load_nordland(tmp_path)
    np.savez(tmp_path / "winter.npz", pictures=images)
    with pytest.raises(DataError, match=r"winter\.npz is damaged"):
        load_nordland(tmp_path)
    whole = (tmp_path / "summer.npz").read_bytes()
    (tmp_path / "winter.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"winter\.npz is damaged"):
        load_nordland(tmp_path)
    with pytest.raises(DataError, match="choose of winter->summer"):
        load_nordland(tmp_path, "spring->summer")  # type: ignore[arg-type]
    for shape in ((0, 4, 8), (30, 0, 8), (30, 4, 8, 4)):
        np.savez(tmp_path / "winter.npz", images=np.zeros(shape, np.uint8))
        with pytest.raises(DataError, match="and not empty"):
            load_nordland(tmp_path)


def test_a_short_drive_in_nordlands_layout_is_judged_whole(tmp_path: Path) -> None:
    for frames, judged in ((30, 30), (2500, 2500), (2503, 3)):
        for season in ("summer", "winter"):
            np.savez(tmp_path / f"{season}.npz", images=np.zeros((frames, 1, 1), np.uint8))
        assert len(load_places(tmp_path, "summer->winter").queries) == judged
    np.savez(tmp_path / "summer.npz", images=np.zeros((30, 1, 1), np.uint8))
    np.savez(tmp_path / "winter.npz", images=np.zeros((30, 1, 1), np.uint8))
    with pytest.raises(DataError, match="none belong to the part 'evaluation'"):
        load_nordland(tmp_path)


def test_labels_out_of_range_or_in_colour_are_refused(tmp_path: Path) -> None:
    colour = paint(tmp_path / "colour.png")
    high = tmp_path / "high.png"
    Image.fromarray(np.full((4, 4), 12, np.uint8)).save(high)
    for i in range(2):
        with pytest.raises(DataError, match="is not a label image"):
            Labels((colour, high))[i]


def test_a_homography_that_is_no_matrix_names_its_file(tmp_path: Path) -> None:
    paint(tmp_path / "1.png")
    with pytest.raises(DataError, match="holds no sequence"):
        list(read_homography_pairs(tmp_path))
    (tmp_path / "H_1_2").write_text("1 0 0 0 1 0 0 0")
    with pytest.raises(DataError, match="has no picture 2"):
        list(read_homography_pairs(tmp_path))
    paint(tmp_path / "2.png")
    with pytest.raises(DataError, match="H_1_2 does not hold nine numbers"):
        list(read_homography_pairs(tmp_path))
    (tmp_path / "H_1_2").write_text("1 0 0 1 0 0 0 0 1")
    with pytest.raises(DataError, match="no homography that can be inverted"):
        list(read_homography_pairs(tmp_path))
