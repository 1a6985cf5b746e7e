"""Whether what came in computes what the original computes, in ONNX Runtime."""

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from vpr_edge.errors import ModelError
from vpr_edge.export.door.source import constants_of, shapes_of
from vpr_edge.export.door.views import View
from vpr_edge.export.onnx import write_onnx
from vpr_edge.models.checkpoint import Checkpoint

# Below this the network that came out is not the one that went in.
LEAST_DB = 15.0
LARGEST_DB = 150.0
SAMPLES = 3


def compared(
    path: Path,
    model: onnx.ModelProto,
    checkpoint: Checkpoint,
    views: Mapping[str, tuple[str, View]],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> dict[str, float]:
    """Both networks on the same random inputs.

    Args:
        path: of the original, for messages.
        model: the original, simplified.
        checkpoint: what came in.
        views: by our output's name the ONNX output, and how the map is read as that tensor.
        mean, std: of the pixels, as the original takes them.

    Returns:
        By output the power of the original's values over that of the difference, decibels.

    Raises:
        ModelError: ONNX Runtime refuses one of them, or they differ beyond approximation.
    """
    import onnxruntime

    constants = constants_of(model)
    (entry,) = [v.name for v in model.graph.input if v.name not in constants]
    full = shapes_of(model)[entry]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        written = write_onnx(checkpoint, Path(folder) / "ours.onnx").read_bytes()
    try:
        theirs, ours = (
            onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
            for content in (model.SerializeToString(), written)
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"ONNX Runtime does not take {path} ({reason}); export it again."
        ) from error
    random = np.random.default_rng(0)
    fit, shape = checkpoint.preprocessing, checkpoint.graph.input.shape
    signal, noise = dict.fromkeys(views, 0.0), dict.fromkeys(views, 0.0)
    for _ in range(SAMPLES):
        if fit.channels == "values":
            seen = random.normal(size=shape).astype(np.float32)
            given = seen
        else:
            pixels = random.integers(0, 256, (*shape[1:], shape[0]), np.uint8)
            seen = fit.to_float(pixels)
            shift, spread = (np.array(v)[:, None, None] for v in (mean, std))
            given = ((np.moveaxis(pixels, -1, 0) / 255 - shift) / spread).astype(np.float32)
        last = len(full) == 4 and full[1:] != shape
        tensor = (given.transpose(1, 2, 0) if last else given).reshape(full)
        wanted = dict(
            zip([o.name for o in theirs.get_outputs()], theirs.run(None, {entry: tensor}),
                strict=True)
        )  # fmt: skip
        found = ours.run(list(views), {"image": seen[None]})
        for (name, (original, view)), value in zip(views.items(), found, strict=True):
            real = np.asarray(wanted[original], np.float64)
            signal[name] += float((real**2).sum())
            noise[name] += float(((view.to_onnx(np.asarray(value)[0]) - real) ** 2).sum())
    snr = {
        name: LARGEST_DB
        if noise[name] == 0
        else min(10 * math.log10(max(signal[name], 1e-30) / noise[name]), LARGEST_DB)
        for name in views
    }
    worst = min(snr, key=lambda name: snr[name])
    if not snr[worst] > LEAST_DB:
        raise ModelError(
            f"what came in of {path} computes another '{worst}' than the original "
            f"({snr[worst]:.0f} dB); report the file."
        )
    return snr
