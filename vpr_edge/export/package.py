"""`vpr-edge export`: a checkpoint becomes an output folder with its artefact and manifest."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vpr_edge import __version__
from vpr_edge.command_line import recorded_command
from vpr_edge.errors import CheckpointError, ModelError, OutputError
from vpr_edge.export.c_source import GOLDEN, c_name, write_c_source, write_firmware
from vpr_edge.export.onnx import OPSET, output_transforms, write_onnx, write_qdq_onnx
from vpr_edge.export.onnx2tf_converter import convert_with_onnx2tf
from vpr_edge.export.tensorrt import read_onnx, write_tensorrt
from vpr_edge.export.tflite import write_tflite
from vpr_edge.export.tflm_package import write_tflm
from vpr_edge.files import atomic_folder, sha256, write_json
from vpr_edge.models.checkpoint import Checkpoint, load_checkpoint
from vpr_edge.models.graph import Node
from vpr_edge.names import RULE, is_name
from vpr_edge.quantize.model import Int8Model
from vpr_edge.tflite.read import op_list

TARGETS = ("onnx", "onnx-int8", "tflite-int8", "c-array", "c", "firmware", "tensorrt")
# What can be made of anyone's TFLite file too.
TFLITE_TARGETS = ("c-array", "c", "firmware")
CONVERTERS = ("native", "onnx2tf")


def export(
    checkpoint: Path,
    target: str,
    folder: Path,
    name: str | None = None,
    converter: str = "native",
    images: Sequence[NDArray[np.uint8]] = (),
    overwrite: bool = False,
    golden: int = GOLDEN,
    backend: str = "portable",
    height: int | None = None,
    width: int | None = None,
) -> Path:
    """Export a checkpoint, or to the targets of firmware any TFLite file.

    Args:
        checkpoint: float for "onnx" (and for "onnx2tf"), either for "tensorrt", int8 for the other
            targets; or a .tflite file for one of `TFLITE_TARGETS`, or QDQ ONNX for these and
            "tflite-int8".
        target: one of `TARGETS`; each holds what it is made from as well.
        folder: to be written, whole or not at all.
        name: stem of the files; by default the network's name.
        converter: "native" carries every learned number; "onnx2tf" takes the float network and
            calibrates anew on `images`.
        images: uint8 [H, W, 3], fitted to the input; for "onnx2tf" only.
        overwrite: whether a folder that exists may be replaced.
        golden: for "c" and "firmware" how many golden vectors the self-test has; 0 for none.
        backend: for "c" whose kernels, one of `compiler.BACKENDS`.
        height, width: of the input; by default the checkpoint's.

    Returns:
        The folder.

    Raises:
        CheckpointError: the checkpoint is of the other kind, or no such input size is possible.
        ModelError: the TFLite file is corrupt, or asks for what the compiler lacks.
        OutputError: the folder exists, or could not be written, or `name` names no file.
    """
    if name is not None and not is_name(name):
        raise OutputError(f"{name!r} cannot be the --name of files; {RULE}.")
    if backend != "portable" and target != "c":
        raise OutputError(f"--backend {backend} is for --target c; leave it out for {target}.")
    if checkpoint.suffix in (".tflite", ".onnx"):
        if height or width:
            raise ModelError(
                f"the input size of {checkpoint} is fixed; leave out --height and --width."
            )
        return _export_file(checkpoint, target, folder, name, overwrite, golden, backend)
    source = load_checkpoint(checkpoint)
    if height or width:
        fit = source.preprocessing
        source = source.resized(height or fit.height, width or fit.width)
    stem = name or source.graph.name
    needs = "float" if target == "onnx" or converter == "onnx2tf" else "int8"
    if target == "tensorrt":
        needs = source.kind
    if source.kind != needs:
        advice = (
            f"quantise it first (vpr-edge quantize {checkpoint})"
            if needs == "int8"
            else "give the float checkpoint it was made from"
        )
        raise CheckpointError(
            f"{checkpoint} is of kind {source.kind!r}, but this export needs {needs!r}; {advice}."
        )
    with atomic_folder(folder, overwrite) as scratch:
        onnx_path = scratch / f"{stem}.onnx"
        if needs == "float":
            write_onnx(source, onnx_path)
        else:
            write_qdq_onnx(Int8Model.from_checkpoint(source), onnx_path)
        if target == "tensorrt":
            write_tensorrt(read_onnx(onnx_path), scratch, stem, checkpoint)
        if target in ("tflite-int8", *TFLITE_TARGETS):
            tflite_path = scratch / f"{stem}.tflite"
            if converter == "onnx2tf":
                convert_with_onnx2tf(onnx_path, tflite_path, images)
            else:
                write_tflite(onnx_path, tflite_path)
            _write_target(tflite_path, target, scratch, stem, golden, backend)
        if target not in ("c", "firmware"):
            write_json(scratch / "manifest.json", _manifest(source, target, converter, scratch))
    return folder


def _export_file(
    path: Path,
    target: str,
    folder: Path,
    name: str | None,
    overwrite: bool,
    golden: int,
    backend: str,
) -> Path:
    is_onnx = path.suffix == ".onnx"
    targets = ("tflite-int8", *TFLITE_TARGETS) if is_onnx else TFLITE_TARGETS
    if target not in targets:
        raise ModelError(
            f"{path} is {'an ONNX' if is_onnx else 'a TFLite'} file, of which only "
            f"{', '.join(targets)} can be made; give a checkpoint for the others."
        )
    if not path.is_file():
        raise ModelError(f"{path} is not a file; check the path of the model.")
    with atomic_folder(folder, overwrite) as scratch:
        stem = name or path.stem
        copy = scratch / (f"{stem}.tflite" if is_onnx else path.name)
        if is_onnx:
            write_tflite(path, copy)
        else:
            shutil.copyfile(path, copy)
        _write_target(copy, target, scratch, stem, golden, backend)
        if target == "tflite-int8":
            write_json(scratch / "manifest.json", _manifest_of_file(path, copy))
    return folder


def _write_target(
    tflite_path: Path, target: str, folder: Path, stem: str, golden: int, backend: str
) -> None:
    """What is made of the TFLite file, if anything, in the same folder."""
    match target:
        case "c-array":
            write_tflm(tflite_path, folder, stem)
        case "c":
            write_c_source(tflite_path, folder, c_name(stem), golden, backend)
        case "firmware":
            write_firmware(tflite_path, folder, c_name(stem), golden)


def _manifest(source: Checkpoint, target: str, converter: str, folder: Path) -> dict[str, Any]:
    graph = source.graph
    int8 = Int8Model.from_checkpoint(source) if source.kind == "int8" else None
    transforms = output_transforms(graph, int8.place_gain if int8 else None)
    manifest: dict[str, Any] = {
        "network": graph.name,
        "target": target,
        "converter": converter,
        "tool": f"vpr-edge {__version__}",
        "command": recorded_command(),
        "opset": OPSET,
        "parameters": graph.parameters(),
        "macs": graph.macs(),
        "preprocessing": source.preprocessing.to_dict(),
        "input": _tensor(graph[graph.input.name], int8),
        "outputs": [_tensor(graph[name], int8) | transforms[name] for name in graph.outputs],
        "provenance": source.provenance,
    }
    for path in sorted(folder.glob("*.tflite")):
        manifest["operators"] = list(op_list(path))
    return manifest


def _manifest_of_file(source: Path, written: Path) -> dict[str, Any]:
    return {
        "source": source.name,
        "source_sha256": sha256(source),
        "tool": f"vpr-edge {__version__}",
        "command": recorded_command(),
        "operators": list(op_list(written)),
        "files": {written.name: {"sha256": sha256(written), "bytes": written.stat().st_size}},
    }


def _tensor(node: Node, int8: Int8Model | None) -> dict[str, Any]:
    channels, height, width = node.shape
    about: dict[str, Any] = {"name": node.name, "shape_nhwc": [1, height, width, channels]}
    if int8:
        affine = int8.activations[node.name]
        about |= {"scale": float(affine.scale), "zero_point": affine.zero_point}
    return about
