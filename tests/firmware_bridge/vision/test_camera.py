import ctypes
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.firmware_bridge.c_functions import BUILDS, build, build_sanitized, pointer
from vpr_edge.errors import DataError
from vpr_edge.firmware_bridge.vision.camera import PixelFormat, camera_input, resized, unpacked
from vpr_edge.preprocessing import Preprocessing

CODE = """
#include "vpr_camera.h"

int whole(int format, int height, int width, int input_height, int input_width,
          union vpr_camera_word *work, size_t work_size, const uint8_t *frame, size_t stride,
          int8_t *input);
int cut_short(int format, int height, int width, int input_height, int input_width, int cut,
              union vpr_camera_word *work, size_t work_size, const uint8_t *frame, size_t stride,
              int8_t *input);

int whole(int format, int height, int width, int input_height, int input_width,
          union vpr_camera_word *work, size_t work_size, const uint8_t *frame, size_t stride,
          int8_t *input)
{
    struct vpr_camera camera;
    const enum vpr_camera_status status =
        vpr_camera_begin(&camera, (enum vpr_camera_format)format, height, width, input_height,
                         input_width, work, work_size);
    if (status == VPR_CAMERA_OK) {
        vpr_camera_frame(&camera, frame, stride, input);
    }
    return (int)status;
}

/* Rows one by one: first some of another frame, then this frame twice. */
int cut_short(int format, int height, int width, int input_height, int input_width, int cut,
              union vpr_camera_word *work, size_t work_size, const uint8_t *frame, size_t stride,
              int8_t *input)
{
    struct vpr_camera camera;
    int complete = 0;
    vpr_camera_begin(&camera, (enum vpr_camera_format)format, height, width, input_height,
                     input_width, work, work_size);
    for (int i = cut; i > 0; --i) {
        vpr_camera_row(&camera, frame + stride * (size_t)i, input);
    }
    vpr_camera_restart(&camera);
    for (int i = 0; i < 2 * height; ++i) {
        complete += vpr_camera_row(&camera, frame + stride * (size_t)(i % height), input);
    }
    return complete;
}
"""
PROGRAM = (
    CODE
    + """
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    int a[5];
    for (int i = 0; i < 5 && i + 1 < count; ++i) {
        a[i] = atoi(arguments[i + 1]);
    }
    const enum vpr_camera_format format = (enum vpr_camera_format)a[0];
    const size_t stride = (size_t)(a[2] * vpr_camera_pixel_bytes(format));
    const size_t size = stride * (size_t)a[1], inputs = (size_t)(3 * a[3] * a[4]);
    const size_t words = (size_t)VPR_CAMERA_WORK_WORDS(a[4], vpr_camera_channels(format));
    union vpr_camera_word *work = malloc(words * sizeof *work);
    uint8_t *frame = malloc(size);
    int8_t *input = malloc(inputs);
    if (fread(frame, 1, size, stdin) != size) {
        return 99;
    }
    const int status = whole(a[0], a[1], a[2], a[3], a[4], work, words * sizeof *work, frame,
                             stride, input);
    fwrite(input, 1, inputs, stdout);
    free(input);
    free(frame);
    free(work);
    return status;
}
"""
)
FORMATS = list(PixelFormat)
OK, BAD_FORMAT, BAD_SIZE, WORK_TOO_SMALL = range(4)


@pytest.fixture(scope="module", params=BUILDS)
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ctypes.CDLL:
    return build(CODE, tmp_path_factory.mktemp("camera"), request.param)


@pytest.fixture(scope="module")
def pictures(frames: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Pictures of the town, of several sizes and of even width, uint8 [H, W, 3]."""
    whole = frames[0]
    doubled = np.repeat(np.repeat(frames[30], 2, axis=0), 2, axis=1)
    parts = (frames[9][::2, ::2], frames[17][17:218, 2:320], frames[40][:160, :214])
    return [whole, doubled, *map(np.ascontiguousarray, parts)]


def encoded(image: NDArray[np.uint8], pixel_format: PixelFormat) -> NDArray[np.uint8]:
    """What a camera of that format delivers for uint8 [H, W, 3]: uint8 [H, bytes]."""
    match pixel_format:
        case PixelFormat.GREY8:
            frame = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        case PixelFormat.RGB565:
            # OpenCV's BGR565 has its first channel in the high bits.
            frame = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR565), np.uint8)
        case PixelFormat.RGB888:
            frame = image
        case PixelFormat.YUYV:
            yuv = cv2.cvtColor(image, cv2.COLOR_RGB2YUV)
            frame = np.stack([yuv[..., 0], yuv[..., 1]], axis=-1)
            frame[:, 1::2, 1] = yuv[:, ::2, 2]
    return np.ascontiguousarray(frame, np.uint8).reshape(len(image), -1)


def run(
    library: ctypes.CDLL,
    frame: NDArray[np.uint8],
    pixel_format: PixelFormat,
    size: tuple[int, int],
    missing_work: int = 0,
    cut: int | None = None,
) -> tuple[int, NDArray[np.int8]]:
    """What the C returns, and its input int8 [height, width, 3]."""
    work = np.zeros(2 * max(size[1], 0) * pixel_format.channels, np.float32)
    result = np.full((*np.maximum(size, 0), 3), 77, np.int8)
    width = frame.shape[1] // pixel_format.pixel_bytes
    function = library.whole if cut is None else library.cut_short
    more = [] if cut is None else [cut]
    code = function(
        int(pixel_format), len(frame), width, *size, *more, pointer(work),
        ctypes.c_size_t(work.nbytes - missing_work), pointer(frame),
        ctypes.c_size_t(frame.strides[0]), pointer(result),
    )  # fmt: skip
    return code, result


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", [(120, 160), (96, 96), (60, 80), (30, 40), (240, 320)])
def test_c_makes_of_pictures_what_opencv_makes(
    library: ctypes.CDLL,
    pictures: list[NDArray[np.uint8]],
    pixel_format: PixelFormat,
    size: tuple[int, int],
) -> None:
    declared = Preprocessing(*size)
    for image in pictures:
        frame = encoded(image, pixel_format)
        code, result = run(library, frame, pixel_format, size)
        assert code == OK
        np.testing.assert_array_equal(result, camera_input(frame, pixel_format, declared))
        seen = unpacked(frame, pixel_format)
        fitted = declared.fit(seen[..., 0] if seen.shape[2] == 1 else seen)
        np.testing.assert_array_equal(result, Preprocessing.to_int8(fitted))


@pytest.mark.exact
@pytest.mark.parametrize("source", [(480, 640), (600, 800), (1080, 1920), (482, 642), (144, 176)])
def test_frames_of_camera_sizes_equal_opencv(library: ctypes.CDLL, source: tuple[int, int]) -> None:
    rough = np.random.default_rng(4).integers(0, 256, (*source, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(rough, (0, 0), 1.5), np.uint8)
    declared = Preprocessing(120, 160)
    code, result = run(library, image.reshape(len(image), -1), PixelFormat.RGB888, (120, 160))
    assert code == OK
    np.testing.assert_array_equal(result, Preprocessing.to_int8(declared.fit(image)))


@given(
    sizes=st.tuples(*[st.integers(1, 48)] * 4),
    pixel_format=st.sampled_from(FORMATS),
    seed=st.integers(0, 2**31),
)
@settings(deadline=None, max_examples=80)
def test_any_size_equals_opencv(
    library: ctypes.CDLL,
    sizes: tuple[int, int, int, int],
    pixel_format: PixelFormat,
    seed: int,
) -> None:
    height, width, *size = sizes
    width += width % 2
    target = (size[0], size[1])
    shape = height, width * pixel_format.pixel_bytes
    frame = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    code, result = run(library, frame, pixel_format, target)
    assert code == OK
    np.testing.assert_array_equal(result, camera_input(frame, pixel_format, Preprocessing(*target)))
    seen = unpacked(frame, pixel_format)
    fitted = Preprocessing(*target).fit(seen[..., 0] if seen.shape[2] == 1 else seen)
    np.testing.assert_array_equal(result, Preprocessing.to_int8(fitted))


@pytest.mark.exact
def test_twin_equals_opencv_where_halves_are_rounded() -> None:
    random = np.random.default_rng(8)
    for down, across in ((1, 2), (2, 1), (2, 2), (2, 3), (4, 4), (3, 8), (12, 1)):
        near = random.integers(0, 4, (5 * down, 7 * across, 3), dtype=np.uint8)
        expected = cv2.resize(near, (7, 5), interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(resized(near, 5, 7), expected)


@pytest.mark.exact
def test_yuyv_equals_opencv_for_all_bytes() -> None:
    frame = np.random.default_rng(2).integers(0, 256, (512, 512), dtype=np.uint8)
    expected = cv2.cvtColor(frame.reshape(512, 256, 2), cv2.COLOR_YUV2RGB_YUYV)
    np.testing.assert_array_equal(unpacked(frame, PixelFormat.YUYV), expected)


def test_rgb565_holds_opencvs_bits_and_reaches_white() -> None:
    words = np.arange(1 << 16, dtype="<u2").view(np.uint8).reshape(256, -1)
    pixels = unpacked(words, PixelFormat.RGB565)
    expected = cv2.cvtColor(words.reshape(256, 256, 2), cv2.COLOR_BGR5652RGB)
    np.testing.assert_array_equal(pixels & np.array([248, 252, 248], np.uint8), expected)
    assert pixels[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("source", [(30, 40), (31, 43), (12, 46)])
def test_a_frame_after_one_cut_short_is_whole(
    library: ctypes.CDLL, source: tuple[int, int]
) -> None:
    frame = np.random.default_rng(1).integers(0, 256, source, dtype=np.uint8)
    for cut in (1, 5, 11):
        code, result = run(library, frame, PixelFormat.GREY8, (15, 20), cut=cut)
        assert code == 2
        expected = camera_input(frame, PixelFormat.GREY8, Preprocessing(15, 20))
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("pixel_format", "source", "size"),
    [
        (PixelFormat.YUYV, (4, 5), (2, 2)),
        (PixelFormat.GREY8, (0, 5), (2, 2)),
        (PixelFormat.GREY8, (5, 5), (0, 2)),
        (PixelFormat.GREY8, (5, 5), (2, -1)),
        (PixelFormat.GREY8, (5, 5), (1000, 2)),
        (PixelFormat.GREY8, (5, 49), (2, 1)),
        # 2^23 and more: a sum of so many in float32 is no longer exact.
        (PixelFormat.GREY8, (8398, 5), (999, 2)),
        (PixelFormat.GREY8, (5, 8398), (2, 999)),
    ],
)
def test_sizes_that_cannot_be_exact_are_refused(
    library: ctypes.CDLL, pixel_format: PixelFormat, source: tuple[int, int], size: tuple[int, int]
) -> None:
    frame = np.zeros((source[0], source[1] * pixel_format.pixel_bytes), np.uint8)
    code, result = run(library, frame, pixel_format, size)
    assert code == BAD_SIZE
    assert (result == 77).all()
    with pytest.raises(DataError, match="camera frame"):
        camera_input(frame, pixel_format, Preprocessing(*size))


@pytest.mark.parametrize("upright", [False, True])
def test_the_longest_frame_that_is_exact_equals_opencv(library: ctypes.CDLL, upright: bool) -> None:
    source, size = (8397, 4), (999, 2)
    if not upright:
        source, size = source[::-1], size[::-1]
    frame = np.random.default_rng(3).integers(0, 256, source, dtype=np.uint8)
    code, result = run(library, frame, PixelFormat.GREY8, size)
    assert code == OK and 8397 * 999 <= 1 << 23 < 8398 * 999
    np.testing.assert_array_equal(
        result, camera_input(frame, PixelFormat.GREY8, Preprocessing(*size))
    )
    fitted = Preprocessing(*size).fit(frame)
    np.testing.assert_array_equal(result, Preprocessing.to_int8(fitted))


def test_too_little_work_memory_is_refused(library: ctypes.CDLL) -> None:
    frame = np.zeros((8, 24), np.uint8)
    code, result = run(library, frame, PixelFormat.RGB888, (4, 4), missing_work=1)
    assert code == WORK_TOO_SMALL
    assert (result == 77).all()


def test_unknown_formats_are_refused(library: ctypes.CDLL) -> None:
    nothing = pointer(np.zeros(64, np.uint8))
    for number in (-1, 4):
        code = library.whole(
            number, 2, 2, 2, 2, nothing, ctypes.c_size_t(64), nothing, ctypes.c_size_t(6), nothing
        )
        assert code == BAD_FORMAT


def test_code_for_one_format_refuses_the_others(tmp_path: Path) -> None:
    library = build("#define VPR_CAMERA_FORMAT VPR_CAMERA_RGB565\n" + CODE, tmp_path, "gcc")
    random = np.random.default_rng(7)
    for pixel_format in FORMATS:
        shape = 11, 14 * pixel_format.pixel_bytes
        frame = random.integers(0, 256, shape, dtype=np.uint8)
        code, result = run(library, frame, pixel_format, (5, 6))
        if pixel_format is PixelFormat.RGB565:
            assert code == OK
            expected = camera_input(frame, pixel_format, Preprocessing(5, 6))
            np.testing.assert_array_equal(result, expected)
        else:
            assert code == BAD_FORMAT


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    program = build_sanitized(PROGRAM, tmp_path)
    random = np.random.default_rng(6)
    for pixel_format in FORMATS:
        for height, width, rows, columns in (
            (1, 2, 1, 1), (9, 12, 3, 4), (13, 18, 5, 7), (5, 6, 11, 13), (20, 2, 7, 5), (7, 8, 7, 8)
        ):  # fmt: skip
            shape = height, width * pixel_format.pixel_bytes
            frame = random.integers(0, 256, shape, dtype=np.uint8)
            arguments = map(str, (int(pixel_format), height, width, rows, columns))
            done = subprocess.run([program, *arguments], input=frame.tobytes(), capture_output=True)
            assert done.returncode == OK, done.stderr.decode()
            expected = camera_input(frame, pixel_format, Preprocessing(rows, columns))
            assert done.stdout == expected.tobytes()
