"""The generated C on every emulated core equals TFLM to the last bit.

VPR_EDGE_INPUTS=100 runs as many inputs a model and core as the product was accepted with (about an
hour); by default there are few.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import PROGRAMS
from tests.firmware_bridge.conftest import TRAINED
from tests.firmware_bridge.photographs import photographs
from vpr_edge.errors import ToolMissingError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.emulate.cores import CORES
from vpr_edge.firmware_bridge.emulate.model import EmulatedRuns, run_emulated
from vpr_edge.firmware_bridge.emulate.toolchain import TOOLCHAINS, choose_toolchain
from vpr_edge.tflite.tflm import Tflm

INPUTS = int(os.environ.get("VPR_EDGE_INPUTS", "2"))


def run_on(path: Path, core: str, toolchain: str, frames: list[NDArray[np.uint8]]) -> EmulatedRuns:
    """Run a model on pictures and on noise and compare with TFLM."""
    try:
        chosen = choose_toolchain(CORES[core], toolchain)
    except ToolMissingError as error:
        pytest.skip(str(error))
    plan, oracle = compile_model(path), Tflm(path)
    inputs = [
        *((picture,) for picture in photographs(plan.program, frames, INPUTS - 1)),
        *random_inputs(plan.program, 1, seed=5),
    ]
    found = run_emulated(plan, CORES[core], chosen, inputs)
    for given, outputs in zip(inputs, found.outputs, strict=True):
        for ours, theirs in zip(outputs, oracle.run(*given), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    return found


# TFLM + CMSIS-NN, arm-none-eabi-gcc 12.2 -O3, counted under QEMU (../shared/anchors.md).
PEER_INSTRUCTIONS = {
    ("ic", "cortex-m4"): 29_875_000,
    ("ic", "cortex-m7"): 29_938_000,
    ("ic", "cortex-m55"): 4_812_000,
    ("vww", "cortex-m4"): 24_720_000,
    ("vww", "cortex-m7"): 24_484_000,
    ("vww", "cortex-m55"): 6_434_000,
}

# What the kernels of docs/kernels.md count, and 1 % for another minor version of the compiler.
OWN_INSTRUCTIONS = {
    ("ic-trained", "cortex-m0"): 59_462_000,
    ("ic-trained", "cortex-m4"): 11_756_000,
    ("ic-trained", "cortex-m55"): 2_575_000,
    ("vww-trained", "cortex-m0"): 33_061_000,
    ("vww-trained", "cortex-m4"): 5_601_000,
    ("vww-trained", "cortex-m55"): 1_971_000,
}


@pytest.mark.needs(*PROGRAMS["gcc+qemu"])
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("model", ["ic", "vww", *TRAINED])
def test_models_of_others_equal_tflm_within_the_peers_budget(
    model_named: Callable[[str], Path], frames: list[NDArray[np.uint8]], model: str, core: str
) -> None:
    found = run_on(model_named(model), core, "gcc+qemu", frames)
    # Flash without weights.
    assert found.sizes.code + found.sizes.rodata <= 24 << 10
    assert found.sizes.data + found.sizes.bss == 0
    assert found.stack_bytes <= 1024
    peers = (model.removesuffix("-trained"), core)
    if peers in PEER_INSTRUCTIONS:
        # The peer's figure, halved for the core with DSP instructions.
        budget = PEER_INSTRUCTIONS[peers]
        assert found.instructions <= budget * (0.52 if core != "cortex-m55" else 1)
    if (model, core) in OWN_INSTRUCTIONS:
        assert found.instructions <= OWN_INSTRUCTIONS[model, core] * 1.01


@pytest.mark.parametrize("core", [name for name, core in CORES.items() if core.unicorn_model])
def test_the_pip_only_toolchain_gives_the_same_bits(
    model_named: Callable[[str], Path], frames: list[NDArray[np.uint8]], core: str
) -> None:
    run_on(model_named("vww"), core, "zig+unicorn", frames)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
@pytest.mark.parametrize("model", ["nano-gem", "nano-netvlad", "nano-attention", "small"])
def test_networks_of_the_zoo_equal_tflm(
    model_named: Callable[[str], Path],
    frames: list[NDArray[np.uint8]],
    model: str,
    core: str,
    toolchain: str,
) -> None:
    run_on(model_named(model), core, toolchain, frames)


def test_the_shipped_network_fits_a_chip_of_128_kib(
    model_named: Callable[[str], Path], frames: list[NDArray[np.uint8]]
) -> None:
    path = model_named("nano-int8")
    found = run_on(path, "cortex-m4", "gcc+qemu", frames)
    assert compile_model(path).arena_bytes + found.stack_bytes <= 128 << 10
