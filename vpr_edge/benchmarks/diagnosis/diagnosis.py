"""A diagnosis: where time, memory and int8 accuracy go, layer by layer, and what was tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A remedy that gains less at the outputs is not worth its cost.
WORTH_DB = 0.1
# Of a map without any error: JSON has no infinity.
LARGEST_DB = 120.0


@dataclass(frozen=True)
class Layer:
    """One layer of the generated C.

    Attributes:
        index: in the order of execution, as in the rows `layer_<index>_..._instructions`.
        op: TFLite's operator.
        tensor: name of its output.
        macs: multiply-accumulates.
        output_bytes: of its output in the arena.
        weights_bytes: of its constants.
    """

    index: int
    op: str
    tensor: str
    macs: int
    output_bytes: int
    weights_bytes: int


@dataclass(frozen=True)
class MemoryBlock:
    """Bytes of the arena that a tensor (or a kernel's scratch memory) holds for some layers.

    Attributes:
        tensor: its name; "" for scratch memory.
        first, last: indices of layers; -1 is before the first.
        offset, bytes: in the arena.
    """

    tensor: str
    first: int
    last: int
    offset: int
    bytes: int


@dataclass(frozen=True)
class RangeUse:
    """How a map uses the 256 steps of int8 on the inputs given.

    Attributes:
        saturated_fraction: share of elements at an end of the range that is not real zero.
        dead_fraction: share of the steps below the least and above the greatest value.
    """

    saturated_fraction: float
    dead_fraction: float


@dataclass(frozen=True)
class LayerError:
    """A layer's int8 map against float, errors of earlier layers included.

    Attributes:
        snr_db: signal to noise, decibels.
        cosine: between the maps.
        gain_db: by how much the outputs' signal to noise would rise (mean over the outputs,
            decibels) were this map kept in 16 bits; None for maps that only copy others.
    """

    snr_db: float
    cosine: float
    gain_db: float | None


@dataclass(frozen=True)
class Remedy:
    """Something that was tried, and what came of it; decibels of signal to noise.

    Attributes:
        layer: name of its output tensor; "" for the whole network.
        what: what was done.
        simulated: whether the figures are of ideal rounding instead of TFLM's very bits.
        layer_before, layer_after: at the layer; equal for the whole network.
        before, after: at the network's outputs.
    """

    layer: str
    what: str
    simulated: bool
    layer_before: float
    layer_after: float
    before: dict[str, float]
    after: dict[str, float]

    @property
    def gain(self) -> float:
        """Decibels, the mean over the outputs."""
        return sum(self.after[name] - self.before[name] for name in self.before) / len(self.before)


@dataclass(frozen=True)
class Diagnosis:
    """One artefact.

    Attributes:
        artefact: its name.
        arena_bytes: of the generated C.
        layers, blocks: of the generated C, and its arena over time.
        ranges: use of int8 by tensor; empty without inputs.
        errors: by tensor; empty without a float reference.
        outputs: signal to noise at the outputs, decibels, as TFLM computes them.
        remedies: what was tried, layer by layer.
        terms: what was compared with what, on what.
    """

    artefact: str
    arena_bytes: int
    layers: tuple[Layer, ...]
    blocks: tuple[MemoryBlock, ...]
    ranges: dict[str, RangeUse]
    errors: dict[str, LayerError]
    outputs: dict[str, float]
    remedies: tuple[Remedy, ...]
    terms: str

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "Diagnosis":
        """A diagnosis from `dataclasses.asdict` of one, read back from JSON.

        Raises:
            KeyError, TypeError: it is something else.
        """
        return Diagnosis(
            stored["artefact"],
            stored["arena_bytes"],
            tuple(Layer(**one) for one in stored["layers"]),
            tuple(MemoryBlock(**one) for one in stored["blocks"]),
            {name: RangeUse(**one) for name, one in stored["ranges"].items()},
            {name: LayerError(**one) for name, one in stored["errors"].items()},
            dict(stored["outputs"]),
            tuple(Remedy(**one) for one in stored["remedies"]),
            stored["terms"],
        )


def advice(remedies: Sequence[Remedy]) -> list[str]:
    """One sentence for each layer for which something was tried.

    What int8 files can hold comes first; 16 bits for a single map is a bound, as TensorFlow Lite
    has int16 activations for whole convolutions only.
    """
    lines = []
    for layer in dict.fromkeys(remedy.layer for remedy in remedies):
        mine = [remedy for remedy in remedies if remedy.layer == layer]
        stored = [remedy for remedy in mine if not remedy.simulated]
        best = max(stored, key=lambda remedy: remedy.gain)
        bounds = [f"{r.what} (simulated) {r.gain:+.1f} dB" for r in mine if r.simulated]
        bound = f" For comparison {bounds[0]}." if bounds else ""
        where = layer or "the whole network"
        if best.gain < WORTH_DB:
            tried = ", ".join(f"{remedy.what} {remedy.gain:+.1f} dB" for remedy in stored)
            lines.append(f"{where}: leave it as it is ({tried} at the outputs).{bound}")
            continue
        at = f"{best.layer_before:.1f} to {best.layer_after:.1f} dB at the layer, " if layer else ""
        outputs = ", ".join(
            f"{name} {best.before[name]:.1f} to {best.after[name]:.1f}" for name in best.before
        )
        lines.append(
            f"{where}: {best.what} gains {best.gain:.1f} dB at the outputs ({at}{outputs}).{bound}"
        )
    return lines


def short_name(tensor: str, most: int = 40) -> str:
    """A tensor's name; of the many that converters join by semicolons the last one's end."""
    name = tensor.split(";")[-1]
    return name if len(name) <= most else "\u2026" + name[1 - most :]
