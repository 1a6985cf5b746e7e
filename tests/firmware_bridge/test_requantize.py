"""What becomes of biases and factors before they are written: dead channels, many, small shifts."""

from pathlib import Path

import numpy as np
import pytest

from tests.firmware_bridge.agreement import check
from tests.firmware_bridge.operators.test_dense import one_dense
from vpr_edge.firmware_bridge.operators.shared.requantize import Range, Requantization


def test_dead_channels_keep_their_constant_whatever_their_bias_and_scale(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).integers(-127, 128, (8, 8))
    weights[1::2] = 0
    bias = [50, 0, -50, 1_000, 9, -30_000, 3, 2_000_000_000]
    scales = [0.01, 1e-9, 0.02, 0.3, 0.01, 1e-3, 0.02, 1e-7]
    check(
        one_dense(tmp_path / "m.tflite", channels=8, weights=weights, bias=bias, scales=scales),
        native=True,
    )


@pytest.mark.parametrize("channels", [1, 256, 257, 1000])
def test_every_channel_has_a_bias_and_a_scale_of_its_own(tmp_path: Path, channels: int) -> None:
    rng = np.random.default_rng(1)
    check(
        one_dense(
            tmp_path / "m.tflite",
            channels=channels,
            weights=rng.integers(-127, 128, (channels, 8)),
            bias=rng.integers(-900, 900, channels),
            scales=rng.uniform(0.001, 0.05, channels),
        ),
        native=True,
    )


@pytest.mark.parametrize(
    ("shifts", "flag"), [([-2, -5], 1), ([-2, -1], 0), ([-9, 3], 0), ([-2], 1), ([-1], 0)]
)
def test_the_kernel_is_told_when_every_factor_only_shifts_right(
    shifts: list[int], flag: int
) -> None:
    ones = np.ones(len(shifts), np.int32)
    found = Requantization(ones, ones, np.array(shifts, np.int8), Range(0, -128, 127))
    assert found.c_channels() == f"{{weights, bias, multiplier, shift, {flag}}}"
