"""Layers trained on features: what the frozen rest makes of every picture is computed once.

Where all trained layers lie behind one frozen map, a step need not run what comes before it. The
map is computed of each picture as it is and of views in other lights, kept in memory and in the
cache folder, and the layers behind it are trained as a network of their own.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from vpr_edge.export.onnx import write_onnx
from vpr_edge.files import atomic_file
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.training.augment import photometric

CHUNK = 32
Images = NDArray[np.uint8]
Progress = Callable[[int, int], None]


def picture_features(
    checkpoint: Checkpoint,
    name: str,
    images: Images,
    variants: int,
    progress: Progress | None = None,
) -> NDArray[np.float16]:
    """A map of every picture as it is, and of views in other lights; kept in the cache folder.

    Args:
        checkpoint: of kind "float"; must have the task "places".
        name: of the node whose map it is.
        images: uint8 [M, H, W, 3], of the network's input size.
        variants: views in all; the first is the picture itself.
        progress: called with the views done and in total.

    Returns:
        float16 [variants, M, C, h, w].
    """
    root = Path(os.environ.get("VPR_EDGE_CACHE") or Path.home() / ".cache" / "vpr-edge")
    digest = hashlib.sha256(f"{name} {variants}".encode())
    for key in sorted(checkpoint.tensors):
        digest.update(key.encode() + np.ascontiguousarray(checkpoint.tensors[key]).tobytes())
    digest.update(images.tobytes())
    path = root / f"features-{digest.hexdigest()[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path))
    run = _opened(checkpoint, name)
    shape = checkpoint.graph[name].shape
    found = np.empty((variants, len(images), *shape), np.float16)
    g = torch.Generator().manual_seed(0)
    for variant in range(variants):
        for start in range(0, len(images), CHUNK):
            part = images[start : start + CHUNK]
            x = torch.from_numpy(checkpoint.preprocessing.to_float(part))
            if variant:
                x = photometric(x, g, torch.rand(len(x), 1, 1, 1, generator=g))
            for k, one in enumerate(x.numpy()):
                found[variant, start + k] = run(one[None])
            if progress:
                progress(variant * len(images) + start + len(part), variants * len(images))
    with atomic_file(path) as scratch, scratch.open("wb") as stream:
        np.save(stream, found)
    return found


def _opened(
    checkpoint: Checkpoint, name: str
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """The network up to a node, in ONNX Runtime: from [1, 3, H, W] to the node's map."""
    assert checkpoint.config is not None, "a recipe begins from a network of the zoo"
    places = replace(checkpoint, config=replace(checkpoint.config, tasks=("places",)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with TemporaryDirectory() as scratch:
        model = onnx.load(write_onnx(places, Path(scratch) / "backbone.onnx"))
    known = {value.name: value for value in model.graph.value_info}
    del model.graph.output[:]
    model.graph.output.append(known[name])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    return lambda picture: session.run([name], {"image": picture})[0][0]
