"""Networks made by others, from an ONNX or torch file: teachers, and makers of labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.training.recipe import TeacherInput

Outputs = dict[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.uint8]], Outputs]
"""From pictures uint8 [N, H, W, 3] to the outputs by name; unnamed ones are "0", "1", ..."""


def open_model_file(path: Path, takes: TeacherInput) -> Run:
    """A function that runs a file on pictures.

    Args:
        path: .onnx, TorchScript (.pt, .pth, .ts) or an exported program (.pt2).
        takes: how pictures become its input.

    Raises:
        ModelError: the file is missing, of another kind, or cannot be read; later, when it is run
            on pictures that it does not take.
    """
    if not path.is_file():
        raise ModelError(f"{path} does not exist; give an ONNX, TorchScript or .pt2 file.")
    if path.suffix == ".onnx":
        run, fixed = _onnx(path)
        if fixed and not takes.height:
            takes = replace(takes, height=fixed[0], width=fixed[1])
    elif path.suffix in (".pt", ".pth", ".ts", ".pt2"):
        run = _torch(path)
    else:
        raise ModelError(f"{path} is none of .onnx, .pt, .pth, .ts and .pt2; export the network.")

    def on_pictures(images: NDArray[np.uint8]) -> Outputs:
        x = prepared(images, takes)
        try:
            return run(x)
        except Exception as error:  # both libraries raise their own, derived from RuntimeError
            first = str(error).strip().splitlines()[0]
            raise ModelError(
                f"{path} does not run on an input of {list(x.shape)} ({first}); correct "
                "teacher_input or --size."
            ) from error

    return on_pictures


def prepared(images: NDArray[np.uint8], takes: TeacherInput) -> NDArray[np.float32]:
    """Pictures uint8 [N, H, W, 3] as the float32 input of a file, [N, 3 or 1, height, width]."""
    if takes.height and takes.width:
        size = (takes.width, takes.height)
        images = np.stack([cv2.resize(i, size, interpolation=cv2.INTER_AREA) for i in images])
    x = images.astype(np.float32) / 255
    if takes.grey:
        x = x.mean(3, keepdims=True)
    mean, std = (np.array(v[: x.shape[3]], np.float32) for v in (takes.mean, takes.std))
    x = (x - mean) / std
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _onnx(path: Path) -> tuple[Callable[[NDArray[np.float32]], Outputs], tuple[int, int] | None]:
    """What runs it, and the height and width of its input where they are fixed."""
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own, not one class
        raise ModelError(f"{path} is not a readable ONNX file; export it again.") from error
    source, names = session.get_inputs()[0], [output.name for output in session.get_outputs()]
    if len(source.shape) != 4:
        raise ModelError(f"{path} takes {source.shape}; a teacher takes pictures [N, 3, H, W].")
    # A graph of a fixed batch takes one picture after another.
    fixed = source.shape[0] if isinstance(source.shape[0], int) else 0

    def run(x: NDArray[np.float32]) -> Outputs:
        parts = [x[i : i + fixed] for i in range(0, len(x), fixed)] if fixed else [x]
        found = [session.run(None, {source.name: part}) for part in parts]
        return {
            name: np.concatenate([np.asarray(one[k], np.float32) for one in found])
            for k, name in enumerate(names)
        }

    rows, columns = source.shape[2:]
    return run, (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None


def _torch(path: Path) -> Callable[[NDArray[np.float32]], Outputs]:
    import torch

    net: Any
    try:
        if path.suffix == ".pt2":
            net = torch.export.load(path).module()
        else:
            net = torch.jit.load(path, map_location="cpu").eval()
    except Exception as error:  # both raise several kinds for files that are something else
        raise ModelError(
            f"{path} is not TorchScript nor an exported program; save the network with "
            "torch.jit.trace(...).save() or torch.export.save()."
        ) from error

    @torch.inference_mode()
    def run(x: NDArray[np.float32]) -> Outputs:
        found = net(torch.from_numpy(x))
        if not isinstance(found, dict):
            parts = found if isinstance(found, tuple | list) else (found,)
            found = {str(k): part for k, part in enumerate(parts)}
        return {name: part.float().numpy() for name, part in found.items()}

    return run
