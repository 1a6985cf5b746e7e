"""Checkpoints: safetensors whose header holds graph, configuration, preprocessing and provenance.

Two kinds share the format. "float" holds the parameters of `models.network.Network`; "int8" holds
int8 weights, int32 biases and the scale and zero point of every tensor. Reading needs no torch.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from vpr_edge import __version__
from vpr_edge.errors import CheckpointError
from vpr_edge.files import atomic_file
from vpr_edge.models.config import resized
from vpr_edge.models.graph import Graph
from vpr_edge.models.graph_data import graph_from_data, graph_to_data
from vpr_edge.models.zoo import NetworkConfig, build_graph
from vpr_edge.names import LONGEST_NAME, is_name
from vpr_edge.preprocessing import Preprocessing

HEADER = "vpr_edge"
KINDS = ("float", "int8")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory.

    Attributes:
        kind: "float" or "int8".
        config: the zoo's configuration that the network was made from, which training and other
            input sizes need; None for a network of another origin.
        tensors: numpy arrays by name.
        preprocessing: image to input.
        provenance: data sets, recipe, command line, figures; JSON-ready.
        described: the graph; None for the one that the configuration describes.
    """

    kind: str
    config: NetworkConfig | None
    tensors: dict[str, NDArray[Any]]
    preprocessing: Preprocessing
    provenance: dict[str, Any] = field(default_factory=dict)
    described: Graph | None = None

    @cached_property
    def graph(self) -> Graph:
        """The network."""
        if self.described is not None:
            return self.described
        return build_graph(self.zoo_config())

    def zoo_config(self) -> NetworkConfig:
        """The configuration, for what only networks of the zoo can do.

        Raises:
            CheckpointError: the network is not of the zoo.
        """
        if self.config is None:
            name = self.described.name if self.described else "network"
            raise CheckpointError(
                f"{name} is a network of your own, and this is for networks of the zoo; quantise "
                "it with vpr-edge quantize --data FOLDER, or import it anew at another --shape."
            )
        return self.config

    def resized(self, height: int, width: int) -> "Checkpoint":
        """The same weights for pictures of another size.

        Raises:
            CheckpointError: a side is no multiple of 8, a layer spans the whole picture, or one
                would have no pixels.
        """
        fit = replace(self.preprocessing, height=height, width=width)
        config = self.zoo_config()
        other = resized(config, height, width)
        found = replace(self, config=other, preprocessing=fit, described=None)
        before, after = self.graph, found.graph
        for node in after.nodes:
            if min(node.shape) < 1:
                raise CheckpointError(
                    f"the layer {node.name} of {config.name} would have no pixels at "
                    f"{width}x{height}; choose a larger input."
                )
        for node in before.weighted():
            if before.weight_shape(node) != after.weight_shape(after[node.name]):
                raise CheckpointError(
                    f"the layer {node.name} of {config.name} spans the whole picture of "
                    f"{config.width}x{config.height}; keep that size, or fit the layer "
                    "anew at the other (vpr-edge whiten)."
                )
        return found


def save_checkpoint(path: Path, checkpoint: Checkpoint, overwrite: bool = True) -> Path:
    """Write a checkpoint as safetensors; whole or not at all."""
    header = {
        "kind": checkpoint.kind,
        "config": asdict(checkpoint.config) if checkpoint.config else None,
        "graph": graph_to_data(checkpoint.graph),
        "preprocessing": checkpoint.preprocessing.to_dict(),
        "provenance": checkpoint.provenance,
        "version": __version__,
    }
    tensors = {name: np.asarray(value, order="C") for name, value in checkpoint.tensors.items()}
    with atomic_file(path, overwrite) as scratch:
        try:
            save_file(tensors, scratch, metadata={HEADER: json.dumps(header)})
        except SafetensorError as error:
            # The safetensors library wraps the operating system's error, number and all.
            raise OSError(28 if "No space" in str(error) else 5, str(error)) from error
        # The library makes files that only their owner may read.
        scratch.chmod(0o644)
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: missing, cut short, not ours, or not matching its own configuration.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; give a checkpoint or a name of the zoo.")
    try:
        with safe_open(path, framework="numpy") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error}); copy or train it again."
        ) from error
    if HEADER not in metadata:
        raise CheckpointError(
            f"{path} is a safetensors file of another program; give a checkpoint that vpr-edge "
            "wrote."
        )
    try:
        header = json.loads(metadata[HEADER])
        config = None
        if header["config"] is not None:
            values = {name: _frozen(value) for name, value in header["config"].items()}
            config = NetworkConfig(**values)
        checkpoint = Checkpoint(
            header["kind"],
            config,
            tensors,
            Preprocessing(**header["preprocessing"]),
            header["provenance"],
            # Checkpoints before 0.2 name a configuration alone.
            graph_from_data(header["graph"]) if "graph" in header else None,
        )
        checkpoint.graph  # noqa: B018 - a configuration without a graph is refused here
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"{path} has a header this version cannot read ({error!r}); export it again with "
            f"vpr-edge {__version__}."
        ) from error
    _check(path, checkpoint)
    return checkpoint


def _frozen(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _check(path: Path, checkpoint: Checkpoint) -> None:
    names = [checkpoint.graph.name, *([checkpoint.config.name] if checkpoint.config else [])]
    for name in names:
        if not is_name(name):
            raise CheckpointError(
                f"{path} calls its network {str(name)[:LONGEST_NAME]!r}, which could not name a "
                "file; give a checkpoint from a source that you trust."
            )
    if checkpoint.kind not in KINDS:
        raise CheckpointError(
            f"{path} is a checkpoint of kind {checkpoint.kind!r}; known are {', '.join(KINDS)}."
        )
    graph = checkpoint.graph
    prefix = "layers." if checkpoint.kind == "float" else ""
    for node in graph.weighted():
        name = f"{prefix}{node.name}.weight"
        found = checkpoint.tensors.get(name)
        if found is None or found.shape != graph.weight_shape(node):
            shape = "missing" if found is None else f"of shape {found.shape}"
            raise CheckpointError(
                f"{path}: tensor {name} is {shape}, but its configuration needs "
                f"{graph.weight_shape(node)}; train the checkpoint again."
            )


def shipped_checkpoints() -> dict[str, Path]:
    """The checkpoints inside the package by name, for example "nano" and "nano-int8"."""
    folder = Path(str(resources.files("vpr_edge") / "models" / "weights"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def find_checkpoint(name: str) -> Path:
    """A path as given, or the shipped checkpoint of that name.

    Raises:
        CheckpointError: neither a file nor a shipped name.
    """
    shipped = shipped_checkpoints()
    if name in shipped:
        return shipped[name]
    if Path(name).suffix == ".safetensors" or Path(name).exists():
        return Path(name)
    raise CheckpointError(
        f"{name!r} is neither a file nor a shipped checkpoint; shipped are {', '.join(shipped)}."
    )
