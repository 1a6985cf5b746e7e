"""Labels made by a given network: pictures without labels become a folder to train on.

The folder has the layout that `training.sources.folder_labelled` reads: `train/` beside
`trainannot/` (classes, PNG) or `traindepth/` (uint16, metres * 256).
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.datasets.segmentation_set import CLASSES, IGNORE
from vpr_edge.errors import ModelError
from vpr_edge.files import atomic_folder, write_json
from vpr_edge.preprocessing import read_image
from vpr_edge.training.model_file import Outputs, open_model_file
from vpr_edge.training.recipe import TeacherInput
from vpr_edge.training.sources import DEPTH_STEPS

# Cityscapes' 19 in their usual order; terrain and trains have no class here.
CITYSCAPES = (3, 4, 1, 1, 7, 2, 6, 6, 5, 11, 0, 9, 10, 8, 8, 8, 11, 10, 10)
TABLES = {"camvid": tuple(range(len(CLASSES))), "cityscapes": CITYSCAPES}
RELATIVE_MEDIAN = 10.0
"""Metres that the median of a picture becomes where a network gives depth without a scale."""
Progress = Callable[[int, int], None]


def label_pictures(
    model: Path,
    pictures: Sequence[Path],
    output: Path,
    task: str,
    takes: TeacherInput,
    classes: tuple[int, ...] = TABLES["camvid"],
    confidence: float = 0.0,
    inverse: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Run a network on pictures and write what it says as labels.

    Args:
        model: an ONNX or TorchScript file; its output named as the task, or else its first one.
        pictures: image files.
        output: the folder to write, whole or not at all.
        task: "segmentation": logits or probabilities [N, K, h, w] become classes; or "depth":
            [N, 1, h, w] or [N, h, w], metres.
        takes: what the file takes.
        classes: for each of its K classes one of CamVid's 11, or 11 to ignore.
        confidence: pixels whose class is less probable are ignored.
        inverse: the network gives inverse depth of no known scale.
        overwrite: whether `output` may be replaced.
        progress: called with the pictures done and in total.

    Returns:
        `output`.

    Raises:
        ModelError: the file cannot be used, or gives something else.
        DataError: a picture cannot be read.
        OutputError: `output` exists or cannot be written.
    """
    run = open_model_file(model, takes)
    labels = "trainannot" if task == "segmentation" else "traindepth"
    with atomic_folder(output, overwrite) as scratch:
        for part in ("train", labels):
            (scratch / part).mkdir()
        for number, path in enumerate(pictures, start=1):
            image = read_image(path)
            found = _output(run(image[None]), task, model)
            made = (
                classes_of(found, image.shape[:2], classes, confidence, model)
                if task == "segmentation"
                else depth_steps(found, image.shape[:2], inverse)
            )
            name = f"{number:06d}-{path.stem}"
            shutil.copyfile(path, scratch / "train" / f"{name}{path.suffix.lower()}")
            (scratch / labels / f"{name}.png").write_bytes(_png(made))
            if progress:
                progress(number, len(pictures))
        write_json(
            scratch / "pseudo-labels.json",
            {
                "model": model.name,
                "task": task,
                "classes": list(classes),
                "confidence": confidence,
                "inverse": inverse,
            },
        )
    return output


def classes_of(
    scores: NDArray[np.float32],
    size: tuple[int, int],
    classes: tuple[int, ...],
    confidence: float,
    model: Path,
) -> NDArray[np.uint8]:
    """Logits or probabilities [K, h, w] to classes uint8 of (height, width); 11 where unsure.

    Raises:
        ModelError: there are not as many classes as in the table.
    """
    if scores.ndim != 3 or len(scores) != len(classes):
        raise ModelError(
            f"{model} gives {list(scores.shape)} for a picture, but {len(classes)} classes were "
            "named; correct --classes."
        )
    are_probabilities = scores.min() >= 0 and np.allclose(scores.sum(0), 1, atol=1e-3)
    if not are_probabilities:
        powers = np.exp(scores - scores.max(0))
        scores = powers / powers.sum(0)
    large = np.stack([cv2.resize(s, size[::-1], interpolation=cv2.INTER_LINEAR) for s in scores])
    found = np.array(classes, np.uint8)[large.argmax(0)]
    return np.where(large.max(0) < confidence, np.uint8(IGNORE), found)


def depth_steps(
    depth: NDArray[np.float32], size: tuple[int, int], inverse: bool
) -> NDArray[np.uint16]:
    """Depth [1, h, w] or [h, w] to uint16 of (height, width), metres * 256; 0 where unknown."""
    large = cv2.resize(depth.reshape(depth.shape[-2:]), size[::-1], interpolation=cv2.INTER_LINEAR)
    known = np.isfinite(large) & (large > 0)
    metres = np.where(known, large, 1.0).astype(np.float64)
    if inverse:
        metres = 1 / metres
        metres *= RELATIVE_MEDIAN / np.median(metres[known]) if known.any() else 1.0
    steps = np.clip(np.rint(metres * DEPTH_STEPS), 1, np.iinfo(np.uint16).max)
    return np.where(known, steps, 0).astype(np.uint16)


def _output(outputs: Outputs, task: str, model: Path) -> NDArray[np.float32]:
    found = outputs.get(task, next(iter(outputs.values())))
    if found.ndim not in (3, 4):
        raise ModelError(f"{model} gives {list(found.shape)}; a map [1, K, h, w] is needed.")
    return found[0]


def _png(values: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()
