"""Labels made by a network: read back as they are trained on."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.training.networks import Brightness, reddest_onnx, save_torchscript
from vpr_edge.cli import cli
from vpr_edge.errors import ModelError
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.training.pseudo_labels import classes_of, depth_steps, label_pictures
from vpr_edge.training.recipe import TeacherInput
from vpr_edge.training.sources import folder_labelled

AS_IT_IS = TeacherInput(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
FIT = Preprocessing(48, 64)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of one name in two folders: red, green and blue thirds, and grey."""
    image = np.zeros((48, 64, 3), np.uint8)
    for k in range(3):
        image[:, k * 21 : (k + 1) * 21 + 1, k] = 200
    for folder, picture in (("one", image), ("two", np.full_like(image, 51))):
        (tmp_path / "drive" / folder).mkdir(parents=True)
        Image.fromarray(picture).save(tmp_path / "drive" / folder / "frame.png")
    return tmp_path / "drive"


def test_classes_are_named_anew_and_doubt_is_ignored(pictures: Path, tmp_path: Path) -> None:
    model = reddest_onnx(tmp_path / "net.onnx", 48, 64)
    result = CliRunner().invoke(
        cli,
        [
            "pseudo-label", str(model), "--pictures", str(pictures), "--classes", "3,5,0",
            "--confidence", "0.9", "--mean", *"000", "--std", *"111",
            "--output", str(tmp_path / "labels"),
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    source = folder_labelled(str(tmp_path / "labels"), FIT)
    assert len(source.images) == 2 and source.depth is not None and not source.depth.any()
    expected = np.repeat([3, 5, 0], [21, 21, 22])
    inner = np.abs(np.arange(64)[:, None] - [21, 42]).min(1) > 2
    assert (source.labels[0][:, inner] == expected[inner]).all()
    assert (source.labels[1] == 11).all()


def test_depth_comes_back_in_metres(pictures: Path, tmp_path: Path) -> None:
    model = save_torchscript(Brightness(), tmp_path / "net.pt", 48, 64)
    files = sorted(pictures.rglob("*.png"))
    folder = label_pictures(model, files, tmp_path / "depth", "depth", AS_IT_IS)
    source = folder_labelled(str(folder), FIT)
    assert source.depth is not None and (source.labels == 11).all()
    np.testing.assert_allclose(source.depth, source.images.mean(3) / 255 * 10, atol=1 / 256)


def test_inverse_depth_keeps_its_ratios_and_what_is_infinitely_far_is_unknown() -> None:
    disparity = np.array([[0.5, 1.0, 0.25, 0.0]], np.float32)
    steps = depth_steps(disparity, (1, 4), inverse=True)
    assert steps[0, 3] == 0
    np.testing.assert_allclose(steps[0, :3] / steps[0, 0], [1, 0.5, 2], atol=2e-3)
    assert steps[0, 0] == 10 * 256


def test_probabilities_are_taken_as_they_are_and_a_wrong_table_is_refused() -> None:
    probabilities = np.array([[[0.6]], [[0.4]]], np.float32)
    assert classes_of(probabilities, (2, 2), (7, 8), 0.5, Path("net")).tolist() == [[7, 7], [7, 7]]
    assert (classes_of(probabilities, (2, 2), (7, 8), 0.7, Path("net")) == 11).all()
    with pytest.raises(ModelError, match="3 classes were named"):
        classes_of(probabilities, (2, 2), (7, 8, 9), 0.5, Path("net"))
