"""Models that several tests of the compiler take."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.firmware_bridge.stand_ins import mobile, residual
from tests.quantize.networks import HEIGHT, WIDTH, exported, int8_model
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.models.zoo import ZOO, resized

OUR_NETWORKS = ("nano", "nano-gem", "nano-netvlad", "nano-attention", "nano-dedicated", "small")
"""Of the zoo; the others, ten times the work, go through `tests/models/test_zoo.py`."""

STAND_INS = {"ic": residual, "vww": mobile}
TRAINED = tuple(f"{n}-trained" for n in STAND_INS if (SHARED / "models" / f"{n}.tflite").is_file())
"""Real weights, which have dead channels: an addition where they are at hand."""


@pytest.fixture(scope="session")
def model_named(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """By name an int8 TFLite file: "ic", "vww", "nano-int8" as shipped, or a zoo network.

    "ic" and "vww" are the networks of `stand_ins`; "ic-trained" and "vww-trained" the files that
    were trained, where they are here. Those of the zoo have random weights and 40x56 pixels, which
    keeps their operators and not their size.
    """
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        if name in ZOO:
            return exported(int8_model(resized(ZOO[name], HEIGHT, WIDTH)), folder)[1]
        if name == "nano-int8":
            export(find_checkpoint(name), "tflite-int8", folder / "out")
            return folder / "out" / "nano.tflite"
        if name in STAND_INS:
            return STAND_INS[name](folder / f"{name}.tflite")
        return SHARED / "models" / f"{name.removesuffix('-trained')}.tflite"

    def get(name: str) -> Path:
        if name not in made:
            made[name] = make(name)
        return made[name]

    return get
