"""Quantising a network of one's own: calibration first, then training that imitates the float one.

Nothing is asked of the data but that they are inputs as the network will see them: no labels. All
outputs are imitated, each relative to its own spread, and judged on inputs that were held back.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpr_edge.datasets.images import find_images
from vpr_edge.errors import DataError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.network import Network
from vpr_edge.preprocessing import Preprocessing, read_image
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.quantize.integer import IntegerNetwork
from vpr_edge.quantize.model import Int8Model

STEPS = 200
BATCH = 8
LEARNING_RATE = 5e-5
MOST_INPUTS = 400
CALIBRATION_INPUTS = 64
# Every so manieth input is held back to judge by.
JUDGED = 5
LARGEST_DB = 150.0


@dataclass(frozen=True)
class Quantized:
    """What came of it.

    Attributes:
        checkpoint: of kind "int8": the better of the two.
        calibrated, trained: by output the power of the float map over that of the error of the
            int8 one, as TFLM computes it, decibels, on inputs held back; trained is empty where
            no steps were asked for.
        kept: "ptq" or "qat".
        inputs: how many were learned from, and how many judged by.
    """

    checkpoint: Checkpoint
    calibrated: Mapping[str, float]
    trained: Mapping[str, float]
    kept: str
    inputs: tuple[int, int]


def quantize_own(
    source: Checkpoint,
    folder: Path,
    steps: int = STEPS,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Quantized:
    """Quantise a float checkpoint of any network.

    Args:
        source: of kind "float".
        folder: pictures, or .npy and .npz files of arrays; or one such file.
        steps: of training; 0 for calibration alone.
        provenance: JSON-ready; what is known of the checkpoint is added to it.
        progress: called with the steps done and in total.

    Raises:
        CheckpointError: the checkpoint is of another kind.
        DataError: there are fewer than two inputs, or some do not fit the network.
    """
    network = Network.from_checkpoint(source)
    inputs = read_inputs(folder, source)
    if len(inputs) < 2:
        raise DataError(f"{folder} holds {len(inputs)} inputs; give at least 2, better 100.")
    judged = inputs[::JUDGED]
    learned = np.delete(inputs, slice(None, None, JUDGED), axis=0)
    about = source.provenance | (provenance or {}) | {"inputs": len(inputs)}
    fake = FakeQuantNetwork(network, image=source.preprocessing.affine())
    chosen = torch.from_numpy(learned[:CALIBRATION_INPUTS])
    calibrate(fake, list(chosen.split(BATCH)))
    real = _run(network, judged)
    model = to_int8_model(fake, source.config, source.preprocessing, about | {"method": "ptq"})
    calibrated, trained, kept = int8_snr(model, judged, real), {}, "ptq"
    if steps:
        _imitate(network, fake, learned, steps, progress)
        better = to_int8_model(fake, source.config, source.preprocessing, about | {"method": "qat"})
        trained = int8_snr(better, judged, real)
        if sum(trained.values()) > sum(calibrated.values()):
            model, kept = better, "qat"
    sizes = (len(learned), len(judged))
    return Quantized(model.to_checkpoint(), calibrated, trained, kept, sizes)


def read_inputs(folder: Path, source: Checkpoint) -> NDArray[np.float32]:
    """Inputs float32 [N, C, H, W] of a folder or a file, evenly spread, at most `MOST_INPUTS`.

    Raises:
        DataError: nothing that the network takes.
    """
    fit, shape = source.preprocessing, source.graph.input.shape
    arrays = [folder] if folder.suffix in (".npy", ".npz") else []
    if folder.is_dir() and fit.channels == "values":
        arrays = sorted(p for p in folder.rglob("*") if p.suffix in (".npy", ".npz"))
    if arrays:
        parts = [_array(path, shape) for path in arrays]
        values = np.concatenate(parts)
        return values[_spread(len(values))]
    if fit.channels == "values":
        raise DataError(
            f"{folder} holds no .npy or .npz file, and the network takes arrays "
            f"[N, {', '.join(map(str, shape))}]; save some there by numpy.save."
        )
    paths = find_images(folder, recursive=True)
    chosen = [paths[index] for index in _spread(len(paths))]
    return np.stack([_picture(path, fit) for path in chosen])


def _picture(path: Path, fit: Preprocessing) -> NDArray[np.float32]:
    return fit.to_float(fit.fit(read_image(path)))


def _spread(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_INPUTS)).astype(np.int64))


def _array(path: Path, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    try:
        with np.load(path, allow_pickle=False) if path.suffix == ".npz" else _Bare(path) as file:
            values = [np.asarray(file[name], np.float32) for name in file]
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} holds no arrays of numbers; save them by numpy.save.") from error
    size = int(np.prod(shape))
    for value in values:
        alone = [s for s in value.shape if s != 1] == [s for s in shape if s != 1]
        if not alone and (value.ndim < 2 or int(np.prod(value.shape[1:])) != size):
            raise DataError(
                f"{path} holds an array {list(value.shape)}, and the network takes "
                f"[N, {', '.join(map(str, shape))}]; save it so."
            )
        if not np.isfinite(value).all():
            raise DataError(f"{path} holds NaN or infinity; leave such inputs out.")
    return np.concatenate([value.reshape(-1, *shape) for value in values])


class _Bare:
    """A .npy file as a .npz file of one array."""

    def __init__(self, path: Path) -> None:
        self.array = np.load(path, allow_pickle=False)

    def __enter__(self) -> dict[str, NDArray[Any]]:
        return {"array": self.array}

    def __exit__(self, *_: object) -> None:
        pass


@torch.no_grad()
def _run(network: Network, inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    parts = [network(batch) for batch in torch.from_numpy(inputs).split(BATCH)]
    return {n: torch.cat([p[n] for p in parts]).numpy() for n in network.graph.outputs}


def int8_snr(
    model: Int8Model, inputs: NDArray[np.float32], real: Mapping[str, NDArray[np.float32]]
) -> dict[str, float]:
    """By output the signal to noise of the int8 network, decibels.

    Args:
        model: the int8 network.
        inputs: float32 [N, C, H, W].
        real: what the float network gives, [N, C, h, w].
    """
    stored = IntegerNetwork(model).run_stored(stored_inputs(model, inputs))
    found = {}
    for name, values in stored.items():
        affine = model.activations[name]
        map_ = np.moveaxis(values.astype(np.float64) - affine.zero_point, -1, 1)
        wanted = real[name].astype(np.float64)
        noise = float(((map_ * float(affine.scale) - wanted) ** 2).sum())
        signal = max(float((wanted**2).sum()), 1e-30)
        found[name] = min(10 * math.log10(signal / noise), LARGEST_DB) if noise else LARGEST_DB
    return found


def stored_inputs(model: Int8Model, inputs: NDArray[np.float32]) -> NDArray[np.int8]:
    """Inputs float32 [N, C, H, W] as the int8 [N, H, W, C] that the device is given."""
    affine = model.activations[model.graph.input.name]
    steps = np.rint(np.moveaxis(inputs, 1, -1) / affine.scale) + affine.zero_point
    return np.ascontiguousarray(np.clip(steps, -128, 127).astype(np.int8))


def _imitate(
    network: Network,
    fake: FakeQuantNetwork,
    inputs: NDArray[np.float32],
    steps: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    values = torch.from_numpy(inputs)
    optimizer = torch.optim.Adam(fake.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        batch = values[torch.randperm(len(values), generator=generator)[:BATCH]]
        with torch.no_grad():
            wanted = network(batch)
        found = fake(batch)
        loss = torch.stack(
            [
                (found[name] - target).square().mean()
                / (target - target.mean()).square().mean().clamp(min=1e-12)
                for name, target in wanted.items()
            ]
        ).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1, steps)
