"""Where a network's time, memory and int8 accuracy go, layer by layer, and what would help.

For exports of vpr-edge with their float checkpoint each layer's error is measured, and for those
that cost the outputs most remedies are tried. For anyone's TFLite file there are work, bytes and,
on inputs that are given, the use of the int8 range.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vpr_edge.arithmetic.affine import Affine
from vpr_edge.benchmarks.diagnosis.diagnosis import LARGEST_DB, Diagnosis, LayerError, Remedy
from vpr_edge.benchmarks.diagnosis.layers import plan_layers, plan_memory_blocks, range_use
from vpr_edge.datasets.images import Images, find_images
from vpr_edge.datasets.registry import find_data, load_places, resolve
from vpr_edge.errors import DataError, ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import Arrays
from vpr_edge.firmware_bridge.compile.importer import import_tflite
from vpr_edge.models.checkpoint import (
    Checkpoint,
    find_checkpoint,
    load_checkpoint,
    shipped_checkpoints,
)
from vpr_edge.quantize.gem import with_cubes
from vpr_edge.quantize.model import Int8Layer, Int8Model
from vpr_edge.runtimes.runtime import read_declaration
from vpr_edge.tflite.read import METADATA_KEY, read_metadata, read_tflite

if TYPE_CHECKING:
    from vpr_edge.benchmarks.diagnosis.remedies import Errors, Patient

WORST = 3
PICTURES = 16
# Outputs of networks that have nothing to do with one another.
STRANGERS_DB = 5.0
Progress = Callable[[int, int], None]


def diagnose(
    path: Path,
    reference: Path | None = None,
    images: Sequence[NDArray[np.uint8]] = (),
    inputs: Sequence[Arrays] = (),
    qat_steps: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Look into an int8 TFLite file.

    Args:
        path: the file.
        reference: the float checkpoint it was made from; without it errors are not measured.
        images: pictures uint8 [H, W, 3] of any size, for a file that declares its preprocessing.
        inputs: for any other, one tuple of arrays a run.
        qat_steps: more QAT to try, on the pictures; 0 for none.
        progress: called with the layers done and in total.

    Raises:
        ModelError: the file is corrupt, asks for what the compiler lacks, or is not of the
            reference's network.
        CheckpointError: the reference cannot be read.
    """
    plan = compile_model(path)
    fitted: list[NDArray[np.uint8]] = []
    model, float_checkpoint = None, None
    if reference is not None:
        float_checkpoint = load_checkpoint(reference)
        model = int8_model(path, float_checkpoint)
    if images:
        preprocessing = read_declaration(path, read_metadata(path)).preprocessing
        fitted = [preprocessing.fit(image) for image in images]
        inputs = [(preprocessing.to_int8(image)[None],) for image in fitted]
    ranges = range_use(path, inputs)
    errors: dict[str, LayerError] = {}
    outputs: dict[str, float] = {}
    remedies: tuple[Remedy, ...] = ()
    terms = (
        f"{len(inputs)} inputs"
        if inputs
        else "no pictures (pass --data, or run vpr-edge data town)"
    )
    if images and reference is None:
        terms += "; errors need the float checkpoint it was made from (--reference)"
    if model is not None and float_checkpoint is not None and len(fitted) >= 2:
        errors, outputs, remedies = _errors(
            model, float_checkpoint, np.stack(fitted), qat_steps, progress
        )
        terms = (
            f"against {reference.name if reference else ''} in float; remedies fitted to "
            f"{len(fitted) // 2} pictures, judged on {-(-len(fitted) // 2)} others"
        )
        if max(outputs.values()) < STRANGERS_DB:
            terms += "; they hardly agree, so that may not be the checkpoint it was made from"
    return Diagnosis(
        path.name,
        plan.arena_bytes,
        plan_layers(plan),
        plan_memory_blocks(plan),
        ranges,
        errors,
        outputs,
        remedies,
        terms,
    )


def diagnose_artefact(
    path: Path,
    reference: str = "",
    data: str = "",
    inputs: Path | None = None,
    qat_steps: int = 0,
    progress: Progress | None = None,
) -> Diagnosis:
    """Look into an int8 TFLite file with whatever there is to look with.

    Args:
        path: the file.
        reference: float checkpoint or name of a shipped one; "" for the one that the file names.
        data: data set whose pictures are shown to the network; "" for the town where it has been
            rendered.
        inputs: .npy file of inputs [N, ...], for a file that declares no preprocessing.
        qat_steps, progress: see `diagnose`.

    Raises:
        DataError: no such data, or inputs that the file does not take.
        ModelError, CheckpointError: see `diagnose`.
    """
    if METADATA_KEY not in read_tflite(path).metadata:
        return diagnose(path, inputs=_inputs(path, inputs) if inputs else ())
    images = _pictures(data or "town") if data or find_data("town") else []
    return diagnose(path, _reference(path, reference), images, (), qat_steps, progress)


def _reference(path: Path, given: str) -> Path | None:
    if given:
        return find_checkpoint(given)
    named = str(read_metadata(path).get("provenance", {}).get("recipe", {}).get("init", ""))
    tried = [path.with_name(f"{named}.safetensors"), Path(named)]
    found = [one for one in tried if one.suffix == ".safetensors" and one.is_file()]
    return found[0] if found else shipped_checkpoints().get(named)


def _pictures(data: str) -> list[NDArray[np.uint8]]:
    """Some of a data set, evenly spread: queries of a set of places, or any pictures."""
    try:
        found: Images = load_places(data).queries
    except DataError:
        found = Images.from_files(find_images(resolve(data), recursive=True))
    chosen = np.unique(np.linspace(0, len(found) - 1, PICTURES).astype(int))
    return [found[int(index)] for index in chosen]


def _inputs(path: Path, file: Path) -> list[Arrays]:
    (wanted, *more) = import_tflite(path).inputs
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} is not a .npy file of numbers; write one by numpy.save."
        ) from error
    shape = wanted.shape[1:] if values.ndim == len(wanted.shape) else ()
    if more or values.dtype != wanted.dtype or values.shape[1:] != shape or not len(values):
        raise DataError(
            f"{file} holds {values.dtype} {list(values.shape)} where {path} takes {len(more) + 1} "
            f"input of {wanted.dtype} [N, {', '.join(map(str, wanted.shape[1:]))}]; save it so."
        )
    return [(value[None],) for value in values]


def int8_model(path: Path, reference: Checkpoint) -> Int8Model:
    """The numbers of one of our TFLite files, as the network of a float checkpoint.

    Raises:
        ModelError: the file lacks a tensor of that network.
    """
    file = read_tflite(path)
    tensors = {tensor.name: tensor for tensor in file.tensors}
    writers = {file.tensors[op.outputs[0]].name: op for op in file.operators}
    # A GeM's power is learned in float alone.
    graph = with_cubes(reference.graph)
    names = {tensor.name for tensor in file.outputs}
    if missing := [node.name for node in graph.nodes if node.name not in tensors]:
        raise ModelError(
            f"{path} has no tensor '{missing[0]}', which the network of the reference has; give "
            "the float checkpoint that it was made from."
        )
    if not names <= {node.name for node in graph.nodes}:
        raise ModelError(f"{path} has other outputs than the reference; give its own checkpoint.")
    activations = {
        node.name: Affine(
            np.float32(tensors[node.name].scale[0]), int(tensors[node.name].zero_point[0])
        )
        for node in graph.nodes
    }
    layers = {}
    for node in graph.weighted():
        read = [file.tensors[index] for index in writers[node.name].inputs]
        # Shapes and axes have no scale.
        constants = [(t.values, t.scale) for t in read if t.values is not None and t.scale.size]
        # TFLite has [O, rows, columns, I], of depthwise convolutions [1, rows, columns, O].
        order = (3, 0, 1, 2) if node.op == "depthwise" else (0, 3, 1, 2)
        stored = constants[0][0]
        if stored.ndim == 3:
            # PRELU's slopes, [1, 1, channels].
            stored = stored[None]
        layers[node.name] = Int8Layer(
            np.ascontiguousarray(stored.transpose(order)),
            constants[0][1],
            constants[1][0] if len(constants) > 1 else np.zeros(0, np.int32),
        )
    outputs = read_metadata(path)["outputs"]
    gain = outputs.get("place", {}).get("transform", {}).get("gain")
    return Int8Model(
        graph,
        activations,
        layers,
        reference.preprocessing,
        {},
        None if gain is None else np.array(gain, np.float32),
    )


def _errors(
    model: Int8Model,
    reference: Checkpoint,
    images: NDArray[np.uint8],
    qat_steps: int,
    progress: Progress | None,
) -> tuple[dict[str, LayerError], dict[str, float], tuple[Remedy, ...]]:
    # Here, because it needs torch, and layers of anyone's file must not.
    from vpr_edge.benchmarks.diagnosis import remedies
    from vpr_edge.models.network import Network
    from vpr_edge.quantize.sensitivity import layer_errors

    patient = remedies.Patient(Network.from_checkpoint(reference), model, images)
    found = layer_errors(patient.network, model, patient.judging)
    before, after = remedies.wide_errors(patient, progress)
    gains = {name: after[name].mean - before[name].mean for name in before}
    errors = {
        row.node: LayerError(min(row.snr_db, LARGEST_DB), row.cosine, gains.get(row.node))
        for row in found
        if row.op != "input"
    }
    worst = sorted(gains, key=lambda name: -gains[name])[:WORST]
    tried = []
    for name in worst:
        tried.append(_remedy(name, "kept in 16 bits", True, before[name], after[name]))
        tried += _fitted(patient, name)
    whole = patient.errors(model, patient.graph.outputs[0])
    if qat_steps:
        trained = patient.errors(remedies.train_on(patient, qat_steps), patient.graph.outputs[0])
        tried.append(_remedy("", f"QAT went on for {qat_steps} steps", False, whole, trained))
    return errors, dict(whole.outputs), tuple(tried)


def _fitted(patient: "Patient", name: str) -> list[Remedy]:
    from vpr_edge.benchmarks.diagnosis import remedies

    exact = patient.errors(patient.model, name)
    clip, clipped = remedies.move_clip(patient, name)
    tried = [_remedy(name, f"clip moved to {clip}", False, exact, clipped)]
    if evened := remedies.equalise(patient, patient.graph[name]):
        tried.append(_remedy(name, f"channels equalised, {evened[0]}", False, exact, evened[1]))
    return tried


def _remedy(layer: str, what: str, simulated: bool, before: "Errors", after: "Errors") -> Remedy:
    return Remedy(
        layer,
        what,
        simulated,
        before.layer,
        after.layer,
        dict(before.outputs),
        dict(after.outputs),
    )
