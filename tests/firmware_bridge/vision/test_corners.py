"""The strength of corners and positions snapped to them: OpenCV, known answers, and the C."""

import ctypes

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.firmware_bridge.c_functions import BUILDS, build, pointer
from tests.firmware_bridge.spots import spotted
from vpr_edge.firmware_bridge.vision.corners import STEPS, corner_strength, grey_picture, snapped
from vpr_edge.preprocessing import Preprocessing

CODE = """
#include "vpr_corner.h"

void near(const uint8_t *pixels, int32_t rows, int32_t columns, int32_t count, int32_t *points);
void grey(const int8_t *input, int32_t count, uint8_t *result);

/* Of each point x and y, which are replaced, and the strength behind them. */
void near(const uint8_t *pixels, int32_t rows, int32_t columns, int32_t count, int32_t *points)
{
    const struct vpr_picture picture = {pixels, rows, columns};
    for (int32_t i = 0; i < count; ++i, points += 3) {
        const struct vpr_corner corner = vpr_corner_near(&picture, points[0], points[1]);
        points[0] = corner.x;
        points[1] = corner.y;
        points[2] = (int32_t)corner.strength;
    }
}

void grey(const int8_t *input, int32_t count, uint8_t *result)
{
    vpr_grey_picture(input, count, result);
}
"""


@pytest.fixture(scope="module", params=BUILDS)
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ctypes.CDLL:
    return build(CODE, tmp_path_factory.mktemp("corners"), request.param)


def opencv_strength(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Determinant by trace in floats, from OpenCV's gradients and sums."""
    wide = cv2.copyMakeBorder(grey, 2, 2, 2, 2, cv2.BORDER_REPLICATE).astype(np.float64)
    dx, dy = cv2.Sobel(wide, -1, 1, 0), cv2.Sobel(wide, -1, 0, 1)
    xx, xy, yy = (
        cv2.boxFilter(product, -1, (3, 3), normalize=False)[2:-2, 2:-2]
        for product in (dx * dx, dx * dy, dy * dy)
    )
    return (xx * yy - xy * xy) / np.maximum(xx + yy, 1)


@pytest.mark.parametrize("size", [(37, 53), (120, 160), (2, 5), (1, 1)])
def test_strength_equals_opencv_on_pictures_and_on_the_hardest_noise(
    frames: list[NDArray[np.uint8]], size: tuple[int, int]
) -> None:
    hardest = np.random.default_rng(1).choice(np.array([0, 255], np.uint8), size)
    real = [grey_picture(Preprocessing(*size).fit(image)) for image in frames[::12]]
    for grey in (*real, hardest):
        expected = np.floor(opencv_strength(grey))
        np.testing.assert_array_equal(corner_strength(grey), expected)
    assert size < (3, 3) or expected.max() > 2**20


def test_grey_is_opencvs_to_one_step_and_the_c_reads_it_off_the_input(
    library: ctypes.CDLL, frames: list[NDArray[np.uint8]]
) -> None:
    for image in frames[::12]:
        grey = grey_picture(image)
        assert np.abs(grey.astype(int) - cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)).max() <= 1
        np.testing.assert_array_equal(grey_picture(np.repeat(grey[..., None], 3, axis=2)), grey)
        given, result = Preprocessing.to_int8(image), np.zeros_like(grey)
        library.grey(pointer(given), grey.size, pointer(result))
        np.testing.assert_array_equal(result, grey)


@pytest.mark.exact
@pytest.mark.parametrize("seed", range(3))
def test_positions_snap_to_the_centres_of_spots_to_a_tenth_of_a_pixel(seed: int) -> None:
    picture, centres = spotted(seed)
    away = np.random.default_rng(seed + 9).uniform(-2.4, 2.4, centres.shape)
    given_ = np.rint((centres + away) * STEPS).astype(np.int32)
    xy, strength = snapped(corner_strength(picture), given_)
    assert np.linalg.norm(xy / STEPS - centres, axis=1).max() < 0.1
    assert np.linalg.norm(away, axis=1).mean() > 1
    assert strength.min() > 2**18


@pytest.mark.exact
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (11, 13)])
def test_c_corners_equal_twins_from_every_pixel(
    library: ctypes.CDLL, size: tuple[int, int]
) -> None:
    random = np.random.default_rng(6)
    for levels in (2, 4, 256):
        grey = (random.integers(0, levels, size) * (255 // (levels - 1))).astype(np.uint8)
        y, x = np.mgrid[: size[0], : size[1]].reshape(2, -1)
        points = np.stack([x * STEPS, y * STEPS, 0 * x], axis=1)
        points = np.maximum(points - random.integers(0, 33, points.shape), 0).astype(np.int32)
        xy, strength = snapped(corner_strength(grey), points[:, :2])
        library.near(pointer(grey), *size, len(points), pointer(points))
        np.testing.assert_array_equal(points, np.column_stack([xy, strength]))
