"""manifest.json of a generated folder: what the C computes and what it needs."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vpr_edge import __version__
from vpr_edge.command_line import recorded_command
from vpr_edge.files import file_list
from vpr_edge.firmware_bridge.compile.emit import Emitter, Port
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.operators.shared.storage import ALIGNMENT


def manifest(
    plan: Plan, name: str, folder: Path, target: str, vectors: int, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The manifest of the files that lie in `folder`, as JSON-ready values.

    Args:
        plan: the compiled model.
        name: the model's in C.
        folder: with every file but the manifest.
        target: of the export, "c" or "firmware".
        vectors: how many golden vectors the folder has.
        about: the model's own metadata, from which come preprocessing, output transforms and
            provenance; empty where it has none.
    """
    program = plan.program
    emitter = Emitter(plan, name)
    transforms = about.get("outputs", {})
    ports = [_port(port) for port in emitter.ports]
    inputs = len(program.inputs)
    return {
        "name": name,
        "target": target,
        "tool": f"vpr-edge {__version__}",
        "command": recorded_command(),
        "model": {"file": program.source, "sha256": program.sha256},
        "inputs": ports[:inputs],
        "outputs": [port | transforms.get(port["name"], {}) for port in ports[inputs:]],
        **{key: about[key] for key in ("preprocessing", "provenance") if key in about},
        "macs": program.macs,
        "weights_bytes": emitter.weight_bytes,
        "arena": {
            "bytes": plan.arena_bytes,
            "bound_bytes": plan.bound_bytes,
            "alignment": ALIGNMENT,
            "plan": [
                {
                    "tensor": buffer.tensor.name if buffer.tensor else None,
                    "offset": offset,
                    "bytes": buffer.bytes,
                    "first_step": max(buffer.first, 0),
                    "last_step": buffer.last,
                }
                for buffer, offset in plan.buffers
            ],
        },
        "layers": [_layer(emitter, index) for index in range(len(emitter.layers))],
        "golden": {"vectors": vectors, "oracle": f"tflite-micro {version('tflite-micro')}"}
        if vectors
        else None,
        "files": file_list(folder),
    }


def _port(port: Port) -> dict[str, Any]:
    tensor = port.tensor
    about: dict[str, Any] = {
        "name": tensor.name,
        "identifier": port.identifier,
        "dtype": tensor.dtype.name,
        "shape": list(tensor.shape),
        "offset": port.offset,
    }
    if tensor.scale.size == 1:
        about |= {"scale": float(tensor.scale[0]), "zero_point": port.zero_point}
    return about


def _layer(emitter: Emitter, index: int) -> dict[str, Any]:
    """By index of the hook; `step` is the index in the memory plan, which counts views too."""
    layer = emitter.layers[index]
    operator = emitter.plan.program.operators[layer.index]
    written = (*operator.outputs, *operator.updates)[0]
    return {
        "layer": index,
        "step": layer.index,
        "operator": operator.code,
        "function": layer.function,
        "output": written.name,
        "shape": list(written.shape),
        "macs": operator.macs,
        "scratch_bytes": operator.scratch_bytes,
    }
