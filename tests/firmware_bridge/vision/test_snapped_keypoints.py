"""Keypoints snapped to corners: known answers, and the C against its twin bit for bit."""

import ctypes
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.firmware_bridge.c_functions import (
    BUILDS,
    INCLUDES,
    TAKEN,
    build,
    build_sanitized,
    pointer,
)
from tests.firmware_bridge.emulate.programs import program
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.benchmarks.tasks.keypoint_sources import decode_keypoints
from vpr_edge.firmware_bridge.emulate.run import run_image
from vpr_edge.firmware_bridge.vision.corners import (
    REACH,
    STEPS,
    corner_strength,
    grey_picture,
    snapped,
)
from vpr_edge.firmware_bridge.vision.decode_keypoints import (
    DeviceKeypoints,
    KeypointSettings,
    find_snapped_keypoints,
)
from vpr_edge.firmware_bridge.vision.decode_model import decoding_of
from vpr_edge.firmware_bridge.vision.decode_source import write_decode
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.runtimes.files import TflmRuntime
from vpr_edge.runtimes.runtime import dequantized

CODE = """
#include "vpr_snapped_keypoints.h"

struct given {
    int32_t numbers[8];
    int16_t offset[256];
    uint8_t probability[256];
};

int32_t keypoints(const struct given *given, const int8_t *score, const int8_t *location,
                  const uint8_t *grey, struct vpr_snapped_candidate *work,
                  struct vpr_keypoint *found);

int32_t keypoints(const struct given *given, const int8_t *score, const int8_t *location,
                  const uint8_t *picture, struct vpr_snapped_candidate *work,
                  struct vpr_keypoint *found)
{
    const int32_t *n = given->numbers;
    const struct vpr_keypoint_settings s = {n[0], n[1], n[2], n[3], n[4], n[5], n[6],
                                            given->offset, given->probability};
    return vpr_snapped_keypoints_s8(&s, score, location, picture, n[7], work, found);
}

"""
# Settings, score, location and grey picture in; keypoints out.
SANITIZED = (
    CODE
    + TAKEN
    + """
int main(void)
{
    struct given *given = taken(sizeof *given);
    const size_t cells = (size_t)(given->numbers[0] * given->numbers[1]);
    int8_t *score = taken(cells), *location = taken(2 * cells);
    uint8_t *picture = taken(cells << 2 * given->numbers[2]);
    struct vpr_snapped_candidate *work = malloc(cells * sizeof *work);
    struct vpr_keypoint *found = malloc((size_t)given->numbers[7] * sizeof *found);
    const int32_t count = keypoints(given, score, location, picture, work, found);
    fwrite(found, sizeof *found, (size_t)count, stdout);
    free(found), free(work), free(picture), free(location), free(score), free(given);
    return 0;
}
"""
)
EMULATED = (
    CODE
    + """
#define MOST 300

static struct given given;
static int8_t score[1200], location[2400];
static uint8_t picture[76800];
static struct vpr_snapped_candidate work[1200];
static struct vpr_keypoint found[MOST];

int main(void)
{
    vpr_read("given", &given, sizeof given);
    const size_t cells = (size_t)(given.numbers[0] * given.numbers[1]);
    vpr_read("score", score, cells);
    vpr_read("location", location, 2 * cells);
    vpr_read("grey", picture, 64 * cells);
    vpr_stack_begin();
    vpr_mark(0);
    const int32_t count = keypoints(&given, score, location, picture, work, found);
    vpr_mark(1);
    vpr_stack_end();
    vpr_write("found", found, (size_t)count * sizeof *found);
    return 0;
}
"""
)
KEYPOINT = np.dtype({"names": ["x", "y", "score"], "formats": ["<u2", "<u2", "i1"]}, align=True)
CANDIDATE_BYTES = 12


@pytest.fixture(scope="module", params=BUILDS)
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ctypes.CDLL:
    return build(CODE, tmp_path_factory.mktemp("snapped"), request.param)


@pytest.fixture(scope="module")
def nano(model_named: Callable[[str], Path]) -> TflmRuntime:
    return TflmRuntime(model_named("nano-int8"))


def int8_maps(nano: TflmRuntime, fitted: NDArray[np.uint8]) -> dict[str, NDArray[np.int8]]:
    nano.run(fitted)
    return {
        tensor.name: value[0]
        for tensor, value in zip(
            nano.interpreter.file.outputs, nano.interpreter.outputs(), strict=True
        )
    }


def settings_of(nano: TflmRuntime) -> KeypointSettings:
    found = decoding_of(nano.path).keypoints
    assert found is not None
    return found


def given_bytes(s: KeypointSettings, most: int) -> bytes:
    numbers = [s.rows, s.columns, s.log2_cell, s.log2_fine, s.threshold, s.border, s.radius, most]
    return np.array(numbers, np.int32).tobytes() + s.offset.tobytes() + s.probability.tobytes()


def assert_equal(found: NDArray[np.void], twin: DeviceKeypoints) -> None:
    np.testing.assert_array_equal(np.stack([found["x"], found["y"]], axis=1), twin.xy)
    np.testing.assert_array_equal(found["score"], twin.score)


def assert_c_equals_twin(
    library: ctypes.CDLL,
    chosen: KeypointSettings,
    score: NDArray[np.int8],
    location: NDArray[np.int8],
    grey: NDArray[np.uint8],
    most: int,
) -> DeviceKeypoints:
    twin = find_snapped_keypoints(chosen, score, location, grey, most)
    work = np.full(chosen.rows * chosen.columns * CANDIDATE_BYTES, 255, np.uint8)
    found = np.zeros(most, KEYPOINT)
    given = np.frombuffer(given_bytes(chosen, most), np.uint8)
    parts = (given, score, location, grey, work, found)
    count = library.keypoints(*map(pointer, parts))
    assert_equal(found[:count], twin)
    return twin


def test_a_corner_beyond_the_border_is_dropped_and_one_at_the_edge_is_not_refined() -> None:
    picture = np.zeros((32, 32), np.uint8)
    picture[:5, :3] = 255
    strength = corner_strength(picture)
    affine = Affine(np.float32(0.02), 0)
    chosen = KeypointSettings.of_maps((4, 4), affine, affine, affine, border=0.0)
    score, location = np.zeros((4, 4, 1), np.int8), np.zeros((4, 4, 2), np.int8)
    free = find_snapped_keypoints(chosen, score, location, picture, 99)
    inner = find_snapped_keypoints(replace(chosen, border=3 * STEPS), score, location, picture, 99)
    assert len(free.xy) == 16 and len(inner.xy) == 15
    assert np.abs(free.xy[0] / STEPS - (2.5, 4.5)).max() < 1
    edge = np.where(np.arange(32) == 0, strength.max(), np.zeros((32, 32), np.int32))
    assert snapped(edge, np.array([[90, 640]], np.int32))[0].tolist() == [[0, (10 - REACH) * STEPS]]


def test_the_twin_agrees_with_the_float_decoder_on_photographs(
    nano: TflmRuntime, frames: list[NDArray[np.uint8]]
) -> None:
    affine = {
        t.name: (float(t.scale[0]), int(t.zero_point[0])) for t in nano.interpreter.file.outputs
    }
    for image in frames[::12]:
        fitted = nano.preprocessing.fit(image)
        maps = int8_maps(nano, fitted)
        twin = find_snapped_keypoints(
            settings_of(nano), maps["score"], maps["location"], grey_picture(fitted), 300
        )
        score, location, descriptor = (
            dequantized(maps[k], *affine[k]) for k in ("score", "location", "descriptor")
        )
        xy = decode_keypoints(score, location, descriptor, picture=fitted).xy
        # Of two with nearly one strength the 8-bit probability may prefer the other.
        same = {tuple(p) for p in twin.xy.tolist()} & {tuple(p) for p in np.rint(xy * STEPS)}
        assert len(xy) > 100
        assert len(same) > 0.97 * len(xy)


def test_c_equals_twin_on_photographs(
    library: ctypes.CDLL, nano: TflmRuntime, frames: list[NDArray[np.uint8]]
) -> None:
    for image in frames[::12]:
        fitted = nano.preprocessing.fit(image)
        maps = int8_maps(nano, fitted)
        for most in (0, 20, 300):
            given = (maps["score"], maps["location"], grey_picture(fitted), most)
            twin = assert_c_equals_twin(library, settings_of(nano), *given)
            assert len(twin.xy) == most or 100 < len(twin.xy) < most


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_c_equals_twin_on_any_maps(library: ctypes.CDLL, data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    cell = data.draw(st.sampled_from([1, 2, 8, 16]))
    affine = Affine(np.float32(data.draw(st.sampled_from([0.01, 0.3]))), 3)
    chosen = KeypointSettings.of_maps(
        (rows, columns),
        affine,
        affine,
        affine,
        cell=cell,
        nms_radius=data.draw(st.sampled_from([0.0, 1.0, 4.0, 21.0])),
        border=data.draw(st.sampled_from([0.0, 4.0])),
        threshold=data.draw(st.sampled_from([0.0, 0.5])),
        reach=data.draw(st.sampled_from([0.5, 1.0])),
    )
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    # Few different greys: many equally strong corners.
    greys = data.draw(st.sampled_from([1, 2, 256]))
    grey = random.integers(0, greys, (rows * cell, columns * cell)) * (255 // max(greys - 1, 1))
    assert_c_equals_twin(
        library,
        chosen,
        data.draw(arrays(np.int8, (rows, columns, 1))),
        random.integers(-128, 128, (rows, columns, 2)).astype(np.int8),
        grey.astype(np.uint8),
        data.draw(st.integers(0, 40)),
    )


# Instructions for a photograph of that size, all cells, on a Cortex-M4.
BUDGET = {(120, 160): 3_400_000, (240, 320): 15_000_000}


@pytest.mark.parametrize("size", BUDGET)
def test_an_emulated_chip_finds_the_same_within_the_budget(
    nano: TflmRuntime,
    frames: list[NDArray[np.uint8]],
    size: tuple[int, int],
    tmp_path: Path,
) -> None:
    image = program(
        EMULATED, "cortex-m4", "gcc+qemu", tmp_path, flags=tuple(INCLUDES), optimize="-O3"
    )
    rows, columns = size[0] // 8, size[1] // 8
    grey = grey_picture(Preprocessing(*size).fit(frames[0]))
    maps = int8_maps(nano, nano.preprocessing.fit(frames[0]))
    repeats = (rows // 15, columns // 20, 1)
    score, location = (np.tile(maps[name], repeats) for name in ("score", "location"))
    chosen = replace(settings_of(nano), rows=rows, columns=columns)
    files = {"score": score, "location": location, "grey": grey}
    run = run_image(
        image,
        {"given": given_bytes(chosen, 300)} | {n: a.tobytes() for n, a in files.items()},
    )
    assert run.status == 0
    twin = find_snapped_keypoints(chosen, score, location, grey, 300)
    assert_equal(np.frombuffer(run.files["found"], KEYPOINT), twin)
    assert run.instructions()[0] < BUDGET[size]
    assert run.stack_bytes < 1024


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    executable = build_sanitized(SANITIZED, tmp_path)
    random = np.random.default_rng(5)
    affine = Affine(np.float32(0.05), -100)
    for rows, columns, cell in ((1, 1, 1), (1, 1, 32), (1, 7, 8), (9, 7, 2), (6, 5, 16)):
        chosen = KeypointSettings.of_maps(
            (rows, columns), affine, affine, affine, cell=cell, border=0
        )
        score, location = (
            random.choice(np.array([-128, 0, 127], np.int8), (rows, columns, c)) for c in (1, 2)
        )
        grey = random.choice(np.array([0, 255], np.uint8), (rows * cell, columns * cell))
        done = subprocess.run(
            [executable],
            input=given_bytes(chosen, rows * columns)
            + b"".join(part.tobytes() for part in (score, location, grey)),
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        twin = find_snapped_keypoints(chosen, score, location, grey, rows * columns)
        assert_equal(np.frombuffer(done.stdout, KEYPOINT), twin)


def test_written_constants_decode_as_the_twin(tmp_path: Path) -> None:
    affine = Affine(np.float32(0.02), 5)
    chosen = KeypointSettings.of_maps((3, 4), affine, affine, affine, border=1.0, threshold=0.3)
    write_decode(tmp_path, "net", chosen, None)
    code = """
#include "net_decode.h"
int32_t decode(const int8_t *score, const int8_t *location, const uint8_t *grey,
               struct vpr_keypoint *found);
int32_t decode(const int8_t *score, const int8_t *location, const uint8_t *grey,
               struct vpr_keypoint *found)
{
    struct vpr_snapped_candidate work[NET_SNAPPED_KEYPOINTS_WORK];
    return vpr_snapped_keypoints_s8(&net_keypoint_settings, score, location, grey, 12, work, found);
}
"""
    library = build(code, tmp_path, "gcc", tmp_path / "net_decode.c")
    random = np.random.default_rng(7)
    score, location = (random.integers(-128, 128, (3, 4, c)).astype(np.int8) for c in (1, 2))
    grey = random.integers(0, 256, (24, 32)).astype(np.uint8)
    found = np.zeros(12, KEYPOINT)
    count = library.decode(*map(pointer, (score, location, grey, found)))
    assert count > 3
    assert_equal(found[:count], find_snapped_keypoints(chosen, score, location, grey, 12))
