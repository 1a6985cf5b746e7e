"""The sentence for a model with operators that the compiler lacks: all of them, and what to do."""

from collections import defaultdict
from collections.abc import Sequence
from difflib import get_close_matches

from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.operators import REGISTRY
from vpr_edge.tflite.read import CUSTOM, TfliteOperator

NEAREST = 3
# Layers of one operator that are named.
MOST_NAMED = 6
# What the pinned interpreter runs besides; of every other operator TFLM has no kernel.
TFLM_ALSO = frozenset(
    {
        "BROADCAST_ARGS",
        "CIRCULAR_BUFFER",
        "DECODE",
        "SignalDelay",
        "SignalEnergy",
        "SignalFftAutoScale",
        "SignalFilterBank",
        "SignalFilterBankLog",
        "SignalFilterBankSpectralSubtraction",
        "SignalFilterBankSquareRoot",
        "SignalFramer",
        "SignalIrfft",
        "SignalOverlapAdd",
        "SignalPCAN",
        "SignalRfft",
        "SignalStacker",
        "SignalWindow",
        "TFLite_Detection_PostProcess",
    }
)
# Where what is missing has a name of its own, with the fix.
KNOWN_AS = {
    "ethos-u": (
        "a part that vela has compiled for an Ethos-U, which no CPU runs; give the .tflite file "
        "that went into vela"
    ),
    "TFLite_Detection_PostProcess": (
        "the decoding of boxes behind a detector; cut the model in front of it and decode its raw "
        "boxes and scores in the firmware"
    ),
    "IF": "control flow that runs one of two subgraphs; convert the model without branches",
    "WHILE": "control flow that runs a subgraph in a loop; convert the model with it unrolled",
}


def missing_operators(source: str, operators: Sequence[TfliteOperator]) -> ModelError | None:
    """The error that names every operator that is not compiled; None where all are.

    Args:
        source: the model's file name.
        operators: of the main graph.
    """
    found: dict[str, list[int]] = defaultdict(list)
    for position, operator in enumerate(operators):
        if operator.custom or operator.code not in REGISTRY:
            found[operator.code.removeprefix(CUSTOM)].append(position)
    if not found:
        return None
    parts = [_part(code, layers) for code, layers in sorted(found.items())]
    advice = "replace each, or compute it in the firmware"
    if all(code in TFLM_ALSO for code in found) and "IF" not in found and "WHILE" not in found:
        advice += ", or run the model in TFLM (--target c-array)"
    return ModelError(
        f"{source} needs {len(found)} operator{'s' * (len(found) > 1)} that the compiler lacks: "
        f"{'; '.join(parts)}; {advice}."
    )


def _part(code: str, layers: list[int]) -> str:
    times = "once" if len(layers) == 1 else f"{len(layers)} times"
    named = ", ".join(map(str, layers[:MOST_NAMED])) + (", ..." if len(layers) > MOST_NAMED else "")
    where = f"{code} ({times}: layer{'s' * (len(layers) > 1)} {named})"
    if code in KNOWN_AS:
        return f"{where} is {KNOWN_AS[code]}"
    near = get_close_matches(code.upper(), REGISTRY, NEAREST, cutoff=0.0)
    return f"{where}, nearest to {', '.join(near)}"
