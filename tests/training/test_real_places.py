"""Real pairs for training, and the cameras that stay out of it."""

from pathlib import Path

import numpy as np
from PIL import Image

from vpr_edge.datasets.webcams import DEVELOPMENT
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.real_places import floor_pairs, season_pairs, webcam_pairs

FIT = Preprocessing(24, 32)


def picture(path: Path, seed: int, width: int = 64) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def test_webcams_pair_day_with_night_and_leave_the_development_cameras_out(tmp_path: Path) -> None:
    rows, seed = ["image,camera,place,condition"], 0
    for camera in (DEVELOPMENT[0], "a", "b"):
        for condition in ("day", "day", "night"):
            name, seed = f"{camera}/{seed}.png", seed + 1
            picture(tmp_path / "webcams_amos" / name, seed)
            rows.append(f"{name},{camera},{camera},{condition}")
    (tmp_path / "webcams_amos" / "gt.csv").write_text("\n".join(rows))
    source = webcam_pairs(tmp_path, FIT)
    assert len(source.images) == 6
    np.testing.assert_array_equal(source.pairs, [[0, 2], [1, 2], [3, 5], [4, 5]])
    assert (source.track[source.pairs[:, 0]] == source.track[source.pairs[:, 1]]).all()


def test_seasons_pair_months_of_one_window_and_never_two_windows(tmp_path: Path) -> None:
    rows = ["image,place,month_index"]
    for place in (1, 2):
        for month in (1, 2, 3):
            name = f"place{place}/month{month}.png"
            picture(tmp_path / "seasons_michigan" / name, 10 * place + month, width=96)
            rows.append(f"{name},{place},{month}")
    (tmp_path / "seasons_michigan" / "gt.csv").write_text("\n".join(rows))
    source = season_pairs(tmp_path, FIT)
    assert len(source.images) == 2 * 3 * 3
    # Three windows a picture: pairs are a whole number of pictures apart.
    assert ((source.pairs[:, 0] - source.pairs[:, 1]) % 3 == 0).all()
    assert len(source.pairs) == 2 * 3 * 6


def test_floors_pair_neighbours_and_keep_floors_apart(tmp_path: Path) -> None:
    for floor in (1, 2):
        for k in range(5):
            picture(tmp_path / "corridor_multifloor" / f"floor{floor}" / f"{k:05d}.png", k)
    source = floor_pairs(tmp_path, FIT)
    first, second = source.pairs.T
    assert set(second - first) == {1, 2, 3}
    assert (source.track[first] == source.track[second]).all()
