"""The weights of Nano-VS-SLAM's own checkpoints on our graphs.

What the authors write otherwise is rewritten exactly: a pixel shuffle orders channels by pixel
within channel where depth to space orders them the other way; a transposed convolution is one
convolution of 2x2 for the four pixels of a block; one layer that two decoders halve is two layers;
pictures in [-1, 1] are pictures in [0, 1] under other first weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import Checkpoint
from vpr_edge.models.config import NetworkConfig
from vpr_edge.models.import_attention import Array, Layers, attention_layers
from vpr_edge.models.import_state import State
from vpr_edge.models.nano_vs_slam import ATTENTION_HEADS
from vpr_edge.models.zoo import build_graph
from vpr_edge.preprocessing import Preprocessing

NORM = ("weight", "bias", "running_mean", "running_var")
BLOCK = 4
"""Pixels of a block of 2x2."""


@dataclass(frozen=True)
class Source:
    """Where the numbers of one of our convolutions come from.

    Attributes:
        node: ours.
        module: theirs: a bare convolution, or one with children "conv" and "bn", or
            "transposed_conv" and "bn".
        rows: the first of the output channels taken and the one after the last; all by default.
        shuffled: whether a pixel shuffle follows.
    """

    node: str
    module: str
    rows: tuple[int | None, int | None] = (None, None)
    shuffled: bool = False


@dataclass(frozen=True)
class Imported:
    """A checkpoint, and how much of it is the source's.

    Attributes:
        checkpoint: of kind "float".
        matched: our layers that took the source's weights.
        fresh: our layers that it has nothing for, at random weights.
        unused: names of the source's tensors that nothing took.
    """

    checkpoint: Checkpoint
    matched: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


def import_nano_vs_slam(state: State, config: NetworkConfig, origin: str) -> Imported:
    """Bring a state dict onto a configuration of family "nano_vs_slam".

    Args:
        state: from `import_state.read_state`.
        config: the network that was trained; its classes and place head are the state's.
        origin: of the state, for the checkpoint's provenance.

    Raises:
        CheckpointError: another family, no backbone in the state, or a tensor of another shape
            than the configuration asks for.
    """
    from vpr_edge.models.network import Network

    if config.family != "nano_vs_slam":
        raise CheckpointError(
            f"checkpoints can be imported for the networks nano-vs-slam-*, not for {config.name}; "
            "choose the one that was trained."
        )
    config = _trained(state, config)
    graph = build_graph(config)
    ours = {name: value.numpy() for name, value in Network(graph).state_dict().items()}
    used: set[str] = set()
    layers: Layers = {}
    for source in _sources(config):
        layers |= _converted(state, source, used)
    layers |= _attention(state, config, used) | _netvlad(state, config, used)
    for node, tensors in layers.items():
        for part, value in tensors.items():
            name = f"layers.{node}.{part}"
            if name not in ours or ours[name].shape != value.shape:
                shape = list(ours[name].shape) if name in ours else "no such tensor"
                raise CheckpointError(
                    f"{origin} has {list(value.shape)} for {name}, but {config.name} has {shape}; "
                    "name the network that was trained."
                )
            ours[name] = np.ascontiguousarray(value, np.float32)
    if "conv1a" not in layers:
        raise CheckpointError(
            f"{origin} has no backbone.conv1a, so it is no checkpoint of Nano-VS-SLAM; give one "
            "that its training wrote."
        )
    provenance = {"imported": origin, "matched": len(layers), "classes": config.classes}
    fit = Preprocessing(config.height, config.width)
    return Imported(
        Checkpoint("float", config, ours, fit, provenance),
        tuple(layers),
        tuple(node.name for node in graph.weighted() if node.name not in layers),
        tuple(sorted(n for n in set(state) - used if not n.endswith("num_batches_tracked"))),
    )


def _trained(state: State, config: NetworkConfig) -> NetworkConfig:
    """The configuration with what training settings changed of it."""
    last = next(source.module for source in _sources(config) if source.node == "segmentation")
    if f"{last}.weight" in state:
        config = replace(config, classes=len(state[f"{last}.weight"]))
    head = "vlad_head.netvlad"
    if f"{head}.centroids" in state:
        config = replace(config, head="netvlad", place_clusters=len(state[f"{head}.centroids"]))
    elif f"{head}.channel_pool.weight" in state:
        config = replace(config, head="convap")
    # Their offsets reach a pixel less than a cell, ours a whole cell.
    return replace(config, keypoint_reach=1 - 2.0**-config.pools)


def _sources(config: NetworkConfig) -> Iterator[Source]:
    shuffled = config.upsampling == "shuffle"
    for number in (1, 2, 3, 4):
        for part in "ab":
            yield Source(f"conv{number}{part}", f"backbone.conv{number}{part}")
    if config.decoder == "fused":
        yield Source("keypoint", "score_loc_head.convDa")
        yield Source("score", "score_loc_head.convDb", (0, 1))
        yield Source("location", "score_loc_head.convDb", (1, 3))
        yield Source("descriptor", "seg_head.featB")
    else:
        for node, module in (("score", "score_head"), ("location", "loc_head")):
            yield Source(f"keypoint_{node}", f"{module}.convDa")
            yield Source(node, f"{module}.convDb")
        yield Source("describe1", "desc_head.convA")
        yield Source("describe2", "desc_head.convB", shuffled=shuffled)
        yield Source("describe3", "desc_head.confAa")
        yield Source("descriptor", "desc_head.confBb")
        if not shuffled:
            yield Source("describe_up_phases", "desc_head.upsample")
    yield from _segmentation(config, shuffled)
    for number in (1, 2, 3):
        yield Source(f"place{number}", f"vlad_head.convlad{number}")
    if config.head == "convap":
        yield Source("place_project", "vlad_head.netvlad.channel_pool")


def _segmentation(config: NetworkConfig, shuffled: bool) -> Iterator[Source]:
    numbers = (1, 5, 6, 7) if config.attention else (1, 2, 3, 4, 5, 6, 7)
    # With attention two attention modules stand where three convolutions stood.
    places = (0, 3, 4, 5) if config.attention else range(7)
    for number, place in zip(numbers, places, strict=True):
        wide = number in (5, 7)
        yield Source(f"segment{number}", f"seg_head.convs.{place}", shuffled=wide and shuffled)
    half = config.channels[4] // 2
    last = places[-1] + 1
    if config.decoder == "fused":
        yield Source("describe", f"seg_head.convs.{last}", (0, half))
        yield Source("segment", f"seg_head.convs.{last}", (-half, None))
    else:
        yield Source("segment", f"seg_head.convs.{last}")
    yield Source("segmentation", f"seg_head.convs.{last + 1}")
    if not shuffled:
        yield Source("segment_up1_phases", "seg_head.upsample")
        yield Source("segment_up2_phases", "seg_head.upsample2")


def _attention(state: State, config: NetworkConfig, used: set[str]) -> Layers:
    layers: Layers = {}
    for number in (1, 2):
        module = f"seg_head.convs.{number}"
        if config.attention and f"{module}.att.fn.to_q.weight" in state:
            take = _taker(state, module, used)
            layers |= attention_layers(take, f"segment_attend{number}", ATTENTION_HEADS)
    return layers


def _netvlad(state: State, config: NetworkConfig, used: set[str]) -> Layers:
    module = "vlad_head.netvlad"
    if config.head != "netvlad" or f"{module}.centroids" not in state:
        return {}
    take = _taker(state, module, used)
    weight = take("conv.weight")
    # Ours are added, theirs subtracted.
    centroids = -take("centroids").T[None, :, None]
    return {
        "place_assign": {"weight": weight, "bias": np.zeros(len(weight), np.float32)},
        "place_centroids": {"weight": centroids},
    }


def _taker(state: State, module: str, used: set[str]) -> Callable[[str], Array]:
    """Gives tensors of a module by their names there, and notes which were given."""

    def take(name: str) -> Array:
        used.add(f"{module}.{name}")
        return state[f"{module}.{name}"]

    return take


def _converted(state: State, source: Source, used: set[str]) -> Layers:
    """Our tensors of a source's node; nothing where the state has nothing for it."""
    whole = _taker(state, source.module, used)

    def take(name: str) -> Array:
        return whole(name)[slice(*source.rows)]

    if f"{source.module}.transposed_conv.weight" in state:
        weight = take("transposed_conv.weight")
        found = {"weight": four_phases(weight)}
        found |= {f"norm.{part}": np.tile(take(f"bn.{part}"), BLOCK) for part in NORM}
        return {source.node: found}
    if f"{source.module}.conv.weight" in state:
        found = {"weight": take("conv.weight")}
        found |= {f"norm.{part}": take(f"bn.{part}") for part in NORM}
    elif f"{source.module}.weight" in state:
        found = {"weight": take("weight"), "bias": take("bias")}
    else:
        return {}
    if source.node == "conv1a":
        # 2 x - 1 is what they see: the gain goes into the weights, the shift into the mean.
        found["norm.running_mean"] = found["norm.running_mean"] + found["weight"].sum((1, 2, 3))
        found["weight"] = 2 * found["weight"]
    if source.shuffled:
        found = {name: unshuffled(value) for name, value in found.items()}
    return {source.node: found}


def unshuffled(values: Array) -> Array:
    """Output channels [4 C, ...] from PixelShuffle's order (channel, pixel) to (pixel, channel)."""
    shape = values.shape
    return values.reshape(-1, BLOCK, *shape[1:]).swapaxes(0, 1).reshape(shape).copy()


def four_phases(weight: Array) -> Array:
    """A transposed 3x3 convolution of stride 2 as a 2x2 convolution before depth to space.

    With padding 1 and output padding 1, the output in row 2 m takes row m of the input by the
    kernel's middle row, and that in row 2 m + 1 takes rows m and m + 1 by its last and first.

    Args:
        weight: [inputs, C, 3, 3], as torch's ConvTranspose2d has it.

    Returns:
        [4 C, inputs, 2, 2], ordered (pixel of the block, channel).
    """
    taps = (((0, 1),), ((0, 2), (1, 0)))
    inputs, channels = weight.shape[:2]
    phases = np.zeros((2, 2, channels, inputs, 2, 2), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            for row, i in taps[down]:
                for column, j in taps[right]:
                    phases[down, right, :, :, row, column] = weight[:, :, i, j].T
    return phases.reshape(BLOCK * channels, inputs, 2, 2)
