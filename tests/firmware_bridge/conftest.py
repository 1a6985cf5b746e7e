"""Models that several tests of the compiler take."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.quantize.networks import HEIGHT, WIDTH, exported, int8_model
from vpr_edge.export.package import export
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.models.zoo import ZOO, resized

OUR_NETWORKS = ("nano", "nano-gem", "nano-netvlad", "nano-attention", "nano-dedicated", "small")
"""Of the zoo; the others, ten times the work, go through `tests/models/test_zoo.py`."""


@pytest.fixture(scope="session")
def model_named(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """By name an int8 TFLite file: "ic", "vww", "nano-int8" as shipped, or a zoo network.

    Those of the zoo have random weights and 40x56 pixels, which keeps their operators and not their
    size.
    """
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        if name in ZOO:
            return exported(int8_model(resized(ZOO[name], HEIGHT, WIDTH)), folder)[1]
        if name == "nano-int8":
            export(find_checkpoint(name), "tflite-int8", folder / "out")
            return folder / "out" / "nano.tflite"
        path = Path(__file__).parents[3] / "shared" / "models" / f"{name}.tflite"
        if not path.is_file():
            pytest.skip(f"{name}.tflite is not here: no ../shared/models beside the checkout")
        return path

    def get(name: str) -> Path:
        if name not in made:
            made[name] = make(name)
        return made[name]

    return get
