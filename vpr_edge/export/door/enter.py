"""Float ONNX in, float checkpoint out, compared with the original in ONNX Runtime."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from vpr_edge.errors import ModelError
from vpr_edge.export.door.compare import compared
from vpr_edge.export.door.draft import Draft, Uncovered
from vpr_edge.export.door.fold import fold, is_affine
from vpr_edge.export.door.operators import OPERATORS
from vpr_edge.export.door.source import constants_of, read_float_onnx, shapes_of
from vpr_edge.export.door.views import View, plain
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.config import TASKS
from vpr_edge.models.graph import Graph, Node
from vpr_edge.preprocessing import Preprocessing

ROLES = tuple(name for names in TASKS.values() for name in names)
ROLE_CHANNELS = {"score": 1, "location": 2, "depth": 1}


@dataclass(frozen=True)
class Wish:
    """How a network is to come in.

    Attributes:
        shapes: of inputs by name.
        roles: by role, one of `ROLES`, the ONNX output.
        mean, std: of the pixels in [0, 1] that the network was trained with: it sees
            (pixel / 255 - mean) / std. One number, or one a channel.
        values: whether the input is no picture though it looks like one.
        name: of the network; the file's by default.
    """

    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    values: bool = False
    name: str = ""


@dataclass(frozen=True)
class Missing:
    """ONNX nodes without a translation.

    Attributes:
        operator, node: type and name.
        why: what is missing, or what to write instead.
        macs_share: share of the network's multiply-accumulates that the node itself has.
    """

    operator: str
    node: str
    why: str
    macs_share: float


@dataclass(frozen=True)
class Entered:
    """A network that came in.

    Attributes:
        checkpoint: of kind "float".
        operators: how often each ONNX operator occurs, simplified.
        snr_db: by output, the power of the original's over that of the difference, decibels.
        outputs: by our output's name the ONNX output, and how the map is read as that tensor.
    """

    checkpoint: Checkpoint
    operators: Mapping[str, int]
    snr_db: Mapping[str, float]
    outputs: Mapping[str, tuple[str, View]]


def missing_operators(path: Path, wish: Wish) -> tuple[Missing, ...]:
    """Every node of a file that has no translation.

    Raises:
        ModelError: the file cannot be read at all.
    """
    model = read_float_onnx(path, wish.shapes)
    return _walk(model, _draft(model))


def enter_onnx(path: Path, wish: Wish | None = None) -> Entered:
    """Bring in a float ONNX network.

    Args:
        path: the file; opset 11 or later.
        wish: how it is to come in.

    Raises:
        ModelError: the file cannot be read, has a node without a translation (the sentence names
            it), or an output or a role does not exist.
    """
    wish = wish or Wish()
    model = read_float_onnx(path, wish.shapes)
    names = [value.name for value in model.graph.output]
    _check_roles(path, wish, names)
    draft = _draft(model)
    preprocessing = _input(draft, model, wish)
    if missing := _walk(model, draft):
        first, more = missing[0], len(missing) - 1
        others = f" ({more} more: run it with --check)" if more else ""
        raise ModelError(
            f"{path} has the {first.operator} node '{first.node}', which has no int8 form here: "
            f"{first.why}{others}."
        )
    outputs = _name_outputs(path, draft, wish, names)
    fold(draft, tuple(outputs))
    preprocessing = _declared(draft, preprocessing, tuple(outputs))
    graph = Graph(tuple(draft.nodes.values()), tuple(outputs), wish.name or path.stem)
    graph = graph.only(graph.outputs)
    tensors: dict[str, NDArray[np.float32]] = {}
    for node in graph.weighted():
        weight, bias = draft.weights[node.name]
        tensors[f"layers.{node.name}.weight"] = np.ascontiguousarray(weight, np.float32)
        if bias.size:
            tensors[f"layers.{node.name}.bias"] = np.ascontiguousarray(bias, np.float32)
    provenance = {"imported": path.name, "producer": model.producer_name or "unknown"}
    checkpoint = Checkpoint("float", None, tensors, preprocessing, provenance, graph)
    views = {name: (names[i], draft.views[names[i]]) for i, name in enumerate(outputs)}
    operators = Counter(node.op_type for node in model.graph.node)
    snr = compared(path, model, checkpoint, views, wish.mean, wish.std)
    return Entered(checkpoint, dict(sorted(operators.items())), snr, views)


def _draft(model: onnx.ModelProto) -> Draft:
    return Draft(shapes_of(model), constants_of(model))


def _input(draft: Draft, model: onnx.ModelProto, wish: Wish) -> Preprocessing:
    """The input node, and what is declared of it so far."""
    (name,) = [v.name for v in model.graph.input if v.name not in draft.constants]
    full = draft.shapes[name]
    if len(full) not in (2, 3, 4):
        raise ModelError(
            f"the input '{name}' has the shape {list(full)}; a network here takes [1, C, H, W], "
            "[1, C, L] or [1, C]."
        )
    shape = {4: full[1:], 3: (full[1], 1, full[-1]), 2: (full[1], 1, 1)}[len(full)]
    channels_last = len(full) == 4 and full[3] in (1, 3) and full[1] not in (1, 3)
    if channels_last:
        shape = (full[3], full[1], full[2])
    node = Node("image", "input", (), (shape[0], shape[1], shape[2]))
    draft.nodes["image"] = node
    view = plain("image", node.shape, len(full))
    if channels_last:
        view = View("image", tuple(view.dimensions[axis] for axis in (0, 2, 3, 1)))
    draft.views[name] = view
    picture = len(full) == 4 and shape[0] in (1, 3) and not wish.values
    rows, columns = shape[1:]
    if not picture:
        return Preprocessing(rows, columns, "values", scale=0.0)
    mean, std = np.array(wish.mean), np.array(wish.std)
    if {len(mean), len(std)} - {1, shape[0]} or (std <= 0).any():
        raise ModelError(
            f"--mean {wish.mean} and --std {wish.std} do not fit {shape[0]} channels; give one "
            "number or one a channel, deviations above 0."
        )
    if (mean != 0).any() or (std != 1).any():
        affine = draft.affine("normalized", "image", 1 / std, -mean / std)
        draft.settle_like(name, affine, view)
    return Preprocessing(rows, columns, "rgb" if shape[0] == 3 else "grey")


def _walk(model: onnx.ModelProto, draft: Draft) -> tuple[Missing, ...]:
    """Translate node by node; what cannot be translated is noted and passed over."""
    if "image" not in draft.nodes:
        _input(draft, model, Wish())
    missing = []
    macs = [_macs(draft, node) for node in model.graph.node]
    for node, own in zip(model.graph.node, macs, strict=True):
        if node.op_type == "Constant" or all(o in draft.constants for o in node.output if o):
            continue
        try:
            if node.op_type not in OPERATORS:
                raise Uncovered("no such operator is known here")
            OPERATORS[node.op_type](draft, node)
        except Uncovered as why:
            share = own / max(sum(macs), 1)
            missing.append(Missing(node.op_type, node.name or node.output[0], str(why), share))
            for output in node.output:
                full = draft.shapes[output]
                flat = (*full[1:], 1, 1, 1)
                shape = (flat[0], flat[1], prod(flat[2:]))
                made = draft.add(output, "input", (), shape)
                whole = plain(made.name, shape).reshaped(full)
                draft.views[output] = whole or plain(made.name, shape)
    return tuple(missing)


def _macs(draft: Draft, node: onnx.NodeProto) -> int:
    size = prod(draft.shapes.get(node.output[0], (0,)))
    if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in draft.constants:
        weight = draft.constants[node.input[1]].shape
        if node.op_type == "ConvTranspose":
            return prod(draft.shapes[node.input[0]]) * prod(weight[1:])
        return size * prod(weight[1:])
    if node.op_type in ("Gemm", "MatMul"):
        shape = draft.shapes.get(node.input[0], (1,))
        return size * shape[-1]
    return 0


def _check_roles(path: Path, wish: Wish, names: list[str]) -> None:
    for role, name in wish.roles.items():
        if role not in ROLES:
            raise ModelError(f"no role is called '{role}'; choose one of {', '.join(ROLES)}.")
        if name not in names:
            raise ModelError(
                f"{path} has no output '{name}' for the role {role}; it has {', '.join(names)}."
            )


def _name_outputs(path: Path, draft: Draft, wish: Wish, names: list[str]) -> tuple[str, ...]:
    """Rename the outputs' nodes as the roles or the file say."""
    role_of = {name: role for role, name in wish.roles.items()}
    found: list[str] = []
    for name in names:
        if name not in draft.views:
            raise ModelError(f"the output '{name}' of {path} is constant; leave it out.")
        node = draft.nodes[draft.views[name].node]
        wanted = role_of.get(name, name)
        if node.name in found or node.op == "input":
            node = draft.add(f"{wanted}_copy", "requantize", (node.name,), node.shape)
        channels = ROLE_CHANNELS.get(wanted if name in role_of else "", node.shape[0])
        if channels != node.shape[0]:
            raise ModelError(
                f"the output '{name}' of {path} has {node.shape[0]} channels, where the role "
                f"{wanted} has {channels}; leave the role out."
            )
        found.append(_renamed(draft, node.name, wanted))
        draft.views[name] = replace(draft.views[name], node=found[-1])
    return tuple(found)


def _renamed(draft: Draft, old: str, wish: str) -> str:
    node = draft.nodes.pop(old)
    probe = draft.add(wish, "input", (), node.shape)
    del draft.nodes[probe.name]
    new = probe.name
    draft.nodes[old] = node
    draft.nodes = {
        new if name == old else name: replace(
            n,
            name=new if name == old else name,
            inputs=tuple(new if i == old else i for i in n.inputs),
        )
        for name, n in sorted_nodes(draft.nodes).items()
    }
    if old in draft.weights:
        draft.weights[new] = draft.weights.pop(old)
    draft.views = {
        name: replace(view, node=new) if view.node == old else view
        for name, view in draft.views.items()
    }
    return new


def sorted_nodes(nodes: dict[str, Node]) -> dict[str, Node]:
    """Each node after what it reads."""
    found: dict[str, Node] = {}
    waiting = dict(nodes)
    while waiting:
        for name, node in list(waiting.items()):
            if all(source in found for source in node.inputs):
                found[name] = waiting.pop(name)
    return found


def _declared(draft: Draft, fit: Preprocessing, outputs: tuple[str, ...]) -> Preprocessing:
    """Preprocessing that takes up an equal gain and shift of all channels right after the image."""
    readers = [node for node in draft.nodes.values() if "image" in node.inputs]
    if fit.channels == "values" or len(readers) != 1:
        return fit
    (node,) = readers
    if not is_affine(node) or node.activation != "none" or node.limits or node.name in outputs:
        return fit
    if node.shape[0] != draft.nodes["image"].shape[0]:
        return fit
    gain, shift = (part.reshape(-1) for part in draft.weights[node.name])
    if np.ptp(gain) > 1e-6 * abs(gain[0]) or np.ptp(shift) > 1e-6 or gain[0] <= 0:
        return fit
    scale = float(gain[0]) * fit.scale
    zero = -float(shift[0]) / scale
    if not 0 <= round(zero) <= 255:
        return fit
    del draft.nodes[node.name], draft.weights[node.name]
    draft.nodes = {
        name: replace(n, inputs=tuple("image" if i == node.name else i for i in n.inputs))
        for name, n in draft.nodes.items()
    }
    # A zero between two pixel steps moves by half a step at most.
    return replace(fit, scale=scale, zero=round(zero))
