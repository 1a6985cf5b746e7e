"""Outputs exist whole or not at all; pixels reach the network unchanged."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vpr_edge.errors import DataError, OutputError
from vpr_edge.files import atomic_file, atomic_folder, sha256, write_json
from vpr_edge.preprocessing import Preprocessing, read_image


def test_file_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    with atomic_file(target) as scratch:
        scratch.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_interrupted_file_keeps_the_old_one_and_leaves_nothing(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(interruption), atomic_file(target) as scratch:
        scratch.write_text("half")
        raise interruption
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_file_that_exists_is_refused_without_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with (
        pytest.raises(OutputError, match=r"a\.txt exists already; pass --overwrite"),
        atomic_file(target, overwrite=False) as scratch,
    ):
        scratch.write_text("new")
    assert target.read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="the disk is full") as caught,
        atomic_file(tmp_path / "a.bin") as scratch,
    ):
        scratch.symlink_to("/dev/full")
        scratch.write_bytes(bytes(1 << 20))
    assert str(caught.value).startswith(str(tmp_path / "a.bin"))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(OutputError, match=r"could not be written: .*choose another --output"),
        atomic_file(tmp_path / "file" / "a.txt") as scratch,
    ):
        scratch.write_text("x")


def test_folder_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as scratch:
        (scratch / "first").write_text("1")
    with pytest.raises(OutputError, match="out exists already"), atomic_folder(target):
        pass
    with atomic_folder(target, overwrite=True) as scratch:
        (scratch / "second").write_text("2")
        assert (target / "first").exists()
    assert sorted(path.name for path in target.iterdir()) == ["manifest.json", "second"]
    assert target.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == [target]


def test_interrupted_folder_keeps_the_old_one_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as scratch:
        (scratch / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target, overwrite=True) as scratch:
        (scratch / "half").write_text("half")
        raise KeyboardInterrupt
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["manifest.json", "old", "out"]


def test_sha256_is_the_standard_s_example(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_json_reads_back_and_ends_with_a_newline(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "b": {"c": "ü"}}
    write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == value
    assert text.endswith("}\n")


def test_int8_input_is_the_float_input_quantised_exactly() -> None:
    fit = Preprocessing(16, 16)
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)[:, :, None].repeat(3, axis=2)
    real = fit.to_float(pixels).astype(np.float64)
    quantised = np.rint(real / np.float64(np.float32(1 / 255))) - 128
    assert np.array_equal(np.moveaxis(quantised, 0, -1), fit.to_int8(pixels))
    assert real.min() == 0.0 and real.max() == 1.0


def test_float_tensor_is_planar_for_one_picture_and_for_many() -> None:
    fit = Preprocessing(4, 6)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
    batch = fit.to_float(pixels)
    assert batch.shape == (2, 3, 4, 6) and batch.dtype == np.float32
    assert np.array_equal(batch[1], fit.to_float(pixels[1]))
    assert batch[1, 2, 3, 5] == pytest.approx(pixels[1, 3, 5, 2] / 255)


def test_shrinking_averages_over_boxes() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 90, 3), np.uint8)
    boxes = pixels.reshape(10, 4, 30, 3, 3).mean((1, 3))
    assert np.abs(Preprocessing(10, 30).fit(pixels) - boxes).max() <= 0.5


def test_growing_interpolates_between_pixel_centres() -> None:
    row = np.array([[0, 100]], np.uint8).repeat(2, axis=0)
    grown = Preprocessing(2, 4).fit(row)
    assert grown[0, :, 0].tolist() == [0, 25, 75, 100]


def test_picture_of_the_right_size_passes_unchanged_and_grey_fills_three_channels() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (12, 16), np.uint8)
    fitted = Preprocessing(12, 16).fit(pixels)
    assert fitted.shape == (12, 16, 3) and fitted.flags.c_contiguous
    assert all(np.array_equal(fitted[:, :, channel], pixels) for channel in range(3))


def test_declaration_survives_json() -> None:
    fit = Preprocessing(120, 160)
    assert Preprocessing(**json.loads(json.dumps(fit.to_dict()))) == fit


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.tif"
    red = Image.new("RGB", (7, 5), (255, 0, 0))
    (red if mode == "RGB" else red.convert(mode)).save(path)
    found = read_image(path)
    assert found.shape == (5, 7, 3) and found.dtype == np.uint8
    if mode in ("RGB", "P", "RGBA", "CMYK"):
        assert found[2, 3].tolist() == [255, 0, 0]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_truncated_picture_is_refused_by_name(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / f"photo.{kind}"
    noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=rf"photo\.{kind} is not a readable image.*replace"):
        read_image(path)


def test_what_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("not a picture")
    with pytest.raises(DataError, match=r"notes\.jpg is not a readable image"):
        read_image(tmp_path / "notes.jpg")
    for absent in (tmp_path / "absent.jpg", tmp_path):
        with pytest.raises(DataError, match="is not a file; check the path"):
            read_image(absent)
