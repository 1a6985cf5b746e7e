"""Pictures of every kind come in as what a person sees, or are refused by a sentence."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vpr_edge.datasets.images import find_images
from vpr_edge.errors import DataError
from vpr_edge.preprocessing import read_image

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 9, 3)).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_as_opencv_applies_it(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PICTURE).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    found = read_image(tmp_path / "turned.jpg")
    expected = cv2.cvtColor(cv2.imread(str(path.with_suffix(".jpg"))), cv2.COLOR_BGR2RGB)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_of_grey_are_scaled_exactly(tmp_path: Path, suffix: str) -> None:
    grey = PICTURE[:, :, 0]
    path = tmp_path / f"deep{suffix}"
    cv2.imwrite(str(path), grey.astype(np.uint16) * 257)
    assert np.array_equal(read_image(path), np.repeat(grey[:, :, None], 3, axis=2))


def test_ordinary_pictures_keep_every_bit(tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Image.fromarray(PICTURE).save(path)
    assert np.array_equal(read_image(path), PICTURE)


def test_floating_point_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "float.tiff"
    Image.fromarray(PICTURE[:, :, 0].astype(np.float32)).save(path)
    with pytest.raises(DataError, match=r"float\.tiff has values of 32 bits"):
        read_image(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ppm"
    path.write_bytes(b"P6 12000 12000 255\n")  # Decoding it would end as "truncated".
    with pytest.raises(DataError, match="12000x12000 pixels"):
        read_image(path)


def test_frames_come_in_the_order_of_their_numbers_without_hidden_files(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame2.png", "frame1.png"):
        Image.fromarray(PICTURE).save(tmp_path / name)
    for name in ("._frame1.png", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"\0")
    assert [path.stem for path in find_images(tmp_path)] == ["frame1", "frame2", "frame10"]
