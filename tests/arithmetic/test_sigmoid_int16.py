"""Logistic function and tanh on every int16: Python and C equal TFLM's, and the real functions."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.firmware_bridge.c_functions import build, pointer
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.arithmetic.sigmoid_int16 import TABLE, logistic_int16, tanh_int16
from vpr_edge.tflite.tflm import Tflm

pytestmark = pytest.mark.exact

EVERY_INT16 = np.arange(-32768, 32768)
# Binary logarithms of scales: of gates (-12), and of cells.
POWERS = (-16, -15, -12, -11, -9)
C = """
#include "vpr_lstm_s8.h"
void logistic(const uint16_t *table, int16_t *output);
void tangent(const uint16_t *table, int32_t left, int32_t right, int16_t *output);
void logistic(const uint16_t *table, int16_t *output)
{
    for (int32_t x = -32768; x < 32768; ++x) {
        output[x + 32768] = (int16_t)vpr_logistic_s16(table, x);
    }
}
void tangent(const uint16_t *table, int32_t left, int32_t right, int16_t *output)
{
    for (int32_t x = -32768; x < 32768; ++x) {
        output[x + 32768] = (int16_t)vpr_tanh_s16(table, x, left, right);
    }
}
"""


def tflm(folder: Path, code: str, power: int) -> NDArray[np.int16]:
    """TFLM's operator on every int16."""
    builder = TfliteBuilder()
    source = builder.tensor(EVERY_INT16.shape, "int16", scale=2.0**power)
    result = builder.tensor(EVERY_INT16.shape, "int16", scale=2.0**-15)
    builder.operator(code, [source], [result])
    path = builder.save(folder / f"{code}.tflite", [source], [result])
    return Tflm(path).run(EVERY_INT16.astype(np.int16))[0]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(C, tmp_path_factory.mktemp("sigmoid"), "gcc")


def test_logistic_function_equals_tflm(tmp_path: Path, library: ctypes.CDLL) -> None:
    expected = tflm(tmp_path, "LOGISTIC", -12)
    np.testing.assert_array_equal(logistic_int16(EVERY_INT16), expected)
    found = np.zeros(65536, np.int16)
    library.logistic(pointer(TABLE), pointer(found))
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - 2**15 / (1 + np.exp(-EVERY_INT16 / 2**12))).max() < 2


@pytest.mark.parametrize("power", POWERS)
def test_tanh_equals_tflm(tmp_path: Path, library: ctypes.CDLL, power: int) -> None:
    expected = tflm(tmp_path, "TANH", power)
    np.testing.assert_array_equal(tanh_int16(EVERY_INT16, power), expected)
    found = np.zeros(65536, np.int16)
    shifts = max(power + 12, 0), max(-power - 12, 0)
    library.tangent(pointer(TABLE), *map(ctypes.c_int32, shifts), pointer(found))
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - 2**15 * np.tanh(EVERY_INT16 * 2.0**power)).max() < 3
