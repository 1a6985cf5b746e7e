import ctypes
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.firmware_bridge.c_functions import BUILDS, TAKEN, build, build_sanitized, pointer
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.benchmarks.tasks.keypoint_sources import decode_keypoints
from vpr_edge.errors import ModelError, OutputError
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.tflite import write_tflite
from vpr_edge.firmware_bridge.vision.decode_keypoints import (
    KeypointSettings,
    find_keypoints,
    keypoint_descriptors,
)
from vpr_edge.firmware_bridge.vision.decode_model import decoding_of
from vpr_edge.firmware_bridge.vision.decode_place import PlaceTransform
from vpr_edge.firmware_bridge.vision.decode_segmentation import segmentation_labels
from vpr_edge.firmware_bridge.vision.decode_source import write_decode
from vpr_edge.firmware_bridge.vision.decode_unit import unit_int8
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint
from vpr_edge.places.describe import place_vector
from vpr_edge.quantize.model import Int8Model
from vpr_edge.runtimes.files import TflmRuntime
from vpr_edge.runtimes.runtime import dequantized

CODE = """
#include "vpr_keypoint_descriptor.h"
#include "vpr_place_descriptor.h"
#include "vpr_segmentation.h"

int32_t keypoints(const int32_t *numbers, const int16_t *offset, const int8_t *score,
                  const int8_t *location, const int8_t *map, int32_t channels, int32_t zero_point,
                  int32_t most, uint8_t *work, struct vpr_keypoint *found, int8_t *descriptors);
void labels(const int8_t *map, int32_t rows, int32_t columns, int32_t classes, int32_t factor,
            uint8_t *result);
void place(const int8_t *map, int32_t length, int32_t gains, const int16_t *value,
           const int16_t *gain, int32_t unit, int8_t *result);

int32_t keypoints(const int32_t *numbers, const int16_t *offset, const int8_t *score,
                  const int8_t *location, const int8_t *map, int32_t channels, int32_t zero_point,
                  int32_t most, uint8_t *work, struct vpr_keypoint *found, int8_t *descriptors)
{
    const struct vpr_keypoint_settings s = {numbers[0], numbers[1], numbers[2], numbers[3],
                                            numbers[4], numbers[5], numbers[6], offset, NULL};
    const int32_t count = vpr_keypoints_s8(&s, score, location, most, work, found);
    for (int32_t i = 0; i < count; ++i) {
        vpr_keypoint_descriptor_s8(&s, map, channels, zero_point, found[i],
                                   descriptors + channels * i);
    }
    return count;
}

void labels(const int8_t *map, int32_t rows, int32_t columns, int32_t classes, int32_t factor,
            uint8_t *result)
{
    vpr_segmentation_s8(map, rows, columns, classes, factor, result);
}

void place(const int8_t *map, int32_t length, int32_t gains, const int16_t *value,
           const int16_t *gain, int32_t unit, int8_t *result)
{
    const struct vpr_place_transform transform = {length, gains, value, gain};
    vpr_place_descriptor_s8(&transform, map, unit, result);
}
"""
PROGRAM = (
    CODE
    + TAKEN
    + """
/* numbers, offsets, the three maps; every map again as segmentation and place map. */
int main(void)
{
    int32_t *numbers = taken(7 * sizeof *numbers);
    int16_t *offset = taken(256 * sizeof *offset);
    const int32_t rows = numbers[0], columns = numbers[1], channels = 8;
    const size_t cells = (size_t)(rows * columns);
    int8_t *score = taken(cells), *location = taken(2 * cells);
    int8_t *map = taken(8 * cells << 2 * (numbers[2] - numbers[3]));
    uint8_t *work = malloc((size_t)VPR_KEYPOINTS_WORK_SIZE(rows, columns));
    struct vpr_keypoint *found = malloc((cells + 1) * sizeof *found);
    int8_t *descriptors = malloc(8 * cells + 1);
    const int32_t count = keypoints(numbers, offset, score, location, map, channels, -128,
                                    rows * columns, work, found, descriptors);
    fwrite(descriptors, 1, (size_t)(channels * count), stdout);
    uint8_t *classes = malloc(9 * cells);
    labels(map, rows, columns, channels, 3, classes);
    place(map, 8 * rows * columns, 8, offset, offset, 127, map);
    free(classes), free(descriptors), free(found), free(work), free(map);
    free(location), free(score), free(offset), free(numbers);
    return 0;
}
"""
)
KEYPOINT = np.dtype({"names": ["x", "y", "score"], "formats": ["<u2", "<u2", "i1"]}, align=True)


@dataclass(frozen=True, eq=False)
class Outputs:
    """Of the shipped int8 network: quantisation by name, and the int8 maps of each picture."""

    file: Path
    affine: dict[str, Affine]
    maps: list[dict[str, NDArray[np.int8]]]

    def real(self, index: int, name: str) -> NDArray[np.float32]:
        affine = self.affine[name]
        return dequantized(self.maps[index][name], float(affine.scale), affine.zero_point)


@pytest.fixture(scope="module", params=BUILDS)
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ctypes.CDLL:
    return build(CODE, tmp_path_factory.mktemp("decode"), request.param)


@pytest.fixture(scope="module")
def outputs(frames: list[NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    folder = tmp_path_factory.mktemp("nano")
    model = Int8Model.from_checkpoint(load_checkpoint(find_checkpoint("nano-int8")))
    onnx = write_qdq_onnx(model, folder / "nano.onnx")
    runtime = TflmRuntime(write_tflite(onnx, folder / "nano.tflite"))
    maps = []
    for picture in frames[::2]:
        runtime.run(runtime.preprocessing.fit(picture))
        maps.append(
            {
                tensor.name: value[0]
                for tensor, value in zip(
                    runtime.interpreter.file.outputs, runtime.interpreter.outputs(), strict=True
                )
            }
        )
    affine = {
        t.name: Affine(t.scale[0], int(t.zero_point[0])) for t in runtime.interpreter.file.outputs
    }
    return Outputs(runtime.path, affine, maps)


def c_keypoints(
    library: ctypes.CDLL,
    settings_: KeypointSettings,
    score: NDArray[np.int8],
    location: NDArray[np.int8],
    descriptor: NDArray[np.int8],
    most: int,
) -> tuple[NDArray[np.uint16], NDArray[np.int8], NDArray[np.int8]]:
    s = settings_
    numbers = numbers_of(s)
    work = np.full(s.rows * s.columns, 255, np.uint8)
    found = np.zeros(most, KEYPOINT)
    channels = descriptor.shape[2]
    descriptors = np.zeros((most, channels), np.int8)
    maps = [pointer(np.ascontiguousarray(m)) for m in (score, location, descriptor)]
    count = library.keypoints(
        pointer(numbers), pointer(s.offset), *maps, channels, s.descriptor_zero_point, most,
        pointer(work), pointer(found), pointer(descriptors),
    )  # fmt: skip
    found = found[:count]
    return np.stack([found["x"], found["y"]], axis=1), found["score"], descriptors[:count]


def numbers_of(s: KeypointSettings) -> NDArray[np.int32]:
    """The integers of `struct vpr_keypoint_settings` in their order."""
    return np.array(
        [s.rows, s.columns, s.log2_cell, s.log2_fine, s.threshold, s.border, s.radius], np.int32
    )


def assert_c_equals_twin(
    library: ctypes.CDLL,
    settings_: KeypointSettings,
    score: NDArray[np.int8],
    location: NDArray[np.int8],
    descriptor: NDArray[np.int8],
    most: int,
) -> int:
    twin = find_keypoints(settings_, score, location, most)
    xy, strength, descriptors = c_keypoints(library, settings_, score, location, descriptor, most)
    np.testing.assert_array_equal(xy, twin.xy)
    np.testing.assert_array_equal(strength, twin.score)
    expected = keypoint_descriptors(settings_, descriptor, twin.xy)
    np.testing.assert_array_equal(descriptors, expected)
    return len(xy)


def settings_of(outputs: Outputs, threshold: float = 0.0) -> KeypointSettings:
    found = decoding_of(outputs.file, threshold=threshold).keypoints
    assert found is not None
    return found


def test_settings_are_read_off_the_exported_file(outputs: Outputs) -> None:
    decoding = decoding_of(outputs.file, nms_radius=3.0, border=2.0)
    assert decoding.keypoints is not None
    assert decoding.place is not None
    found = decoding.keypoints
    assert (found.rows, found.columns, found.log2_cell) == (15, 20, 3)
    assert (found.radius, found.border, found.threshold) == (3 * 64, 2 * 64, -128)
    assert found.descriptor_zero_point == outputs.affine["descriptor"].zero_point
    assert decoding.place.length == 640
    # Nothing follows the map but the length.
    zero = outputs.affine["place"].zero_point
    assert decoding.place.value[zero + 128] == 0
    assert decoding.place.gain.size == 0


def test_a_model_without_these_maps_needs_no_decoding(
    model_named: Callable[[str], Path],
) -> None:
    decoding = decoding_of(model_named("ic"))
    assert decoding.keypoints is None
    assert decoding.place is None


@pytest.mark.parametrize("most", [0, 1, 50, 1000])
@pytest.mark.parametrize("threshold", [0.0, 0.4, 1.0])
def test_c_keypoints_equal_twin_on_pictures(
    library: ctypes.CDLL, outputs: Outputs, threshold: float, most: int
) -> None:
    chosen = settings_of(outputs, threshold)
    for maps in outputs.maps:
        found = assert_c_equals_twin(
            library, chosen, maps["score"], maps["location"], maps["descriptor"], most
        )
        assert found <= most
        assert found == 0 or threshold < 1


@pytest.mark.parametrize("threshold", [0.0, 0.1])
def test_twin_agrees_with_the_float_decoder(outputs: Outputs, threshold: float) -> None:
    chosen = settings_of(outputs, threshold)
    agreed = total = 0
    for index, maps in enumerate(outputs.maps):
        twin = find_keypoints(chosen, maps["score"], maps["location"], 300)
        real = decode_keypoints(
            outputs.real(index, "score"),
            outputs.real(index, "location"),
            outputs.real(index, "descriptor"),
            threshold=threshold,
        )
        assert len(real) > 0
        vectors = keypoint_descriptors(chosen, maps["descriptor"], twin.xy).astype(np.float64)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        apart = np.abs(twin.xy[:, None] / 64 - real.xy[None]).max(axis=2)
        nearest = apart.argmin(axis=1)
        # Half a step of 1/64 pixel.
        same = apart.min(axis=1) <= 1 / 128 + 1e-5
        cosine = (vectors * real.descriptor[nearest]).sum(axis=1)
        assert cosine[same].min(initial=1) > 0.999
        agreed, total = agreed + int(same.sum()), total + max(len(real), len(twin.score))
    # A neighbour at the suppression's radius to within a step may be kept by one and not the other.
    assert total > 1000
    assert agreed / total > 0.998


def test_descriptors_come_from_a_finer_map_and_offsets_keep_to_the_reach() -> None:
    random = np.random.default_rng(11)
    affine = Affine(np.float32(0.05), 7)
    chosen = KeypointSettings.of_maps((6, 8), affine, affine, affine, 4, 0.0, fine=2, reach=0.75)
    maps = [
        random.integers(-128, 128, shape).astype(np.int8)
        for shape in ((6, 8, 1), (6, 8, 2), (12, 16, 32))
    ]
    twin = find_keypoints(chosen, maps[0], maps[1], 100)
    vectors = keypoint_descriptors(chosen, maps[2], twin.xy) / 127
    real = decode_keypoints(
        *(dequantized(m, float(affine.scale), affine.zero_point) for m in maps),
        cell=4,
        nms_radius=0,
        reach=0.75,
    )
    np.testing.assert_allclose(twin.xy / 64, real.xy, atol=1 / 128 + 1e-5)
    assert np.abs(vectors - real.descriptor).max() < 0.02
    with pytest.raises(ModelError, match="finer by a power of two"):
        KeypointSettings.of_maps((6, 8), affine, affine, affine, 4, fine=8)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_c_keypoints_equal_twin_on_any_maps(library: ctypes.CDLL, data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    channels = data.draw(st.integers(1, 5))
    # Few different scores: many ties.
    few = st.integers(-2, 2) if data.draw(st.booleans()) else st.integers(-128, 127)
    affine = Affine(np.float32(data.draw(st.sampled_from([0.01, 0.3]))), 3)
    cell, finer = data.draw(st.sampled_from([(1, 1), (2, 1), (2, 2), (8, 1), (8, 4), (32, 1)]))
    chosen = KeypointSettings.of_maps(
        (rows, columns),
        affine,
        affine,
        affine,
        cell=cell,
        nms_radius=data.draw(st.sampled_from([0.0, 1.0, 4.0, 21.0])),
        border=data.draw(st.sampled_from([0.0, 4.0])),
        threshold=data.draw(st.sampled_from([0.0, 0.5])),
        fine=cell // finer,
        reach=data.draw(st.sampled_from([0.5, 1.0])),
    )
    assert_c_equals_twin(
        library,
        chosen,
        data.draw(arrays(np.int8, (rows, columns, 1), elements=few)),
        data.draw(arrays(np.int8, (rows, columns, 2))),
        data.draw(arrays(np.int8, (finer * rows, finer * columns, channels))),
        data.draw(st.integers(0, 90)),
    )


def test_a_keypoint_silences_those_nearer_than_the_radius_and_not_those_at_it(
    library: ctypes.CDLL,
) -> None:
    affine = Affine(np.float32(0.05), 0)
    score = np.arange(12).reshape(3, 4, 1).astype(np.int8)
    location, descriptor = np.zeros((3, 4, 2), np.int8), np.ones((3, 4, 2), np.int8)
    # Cells are 8 pixels apart; a step is 1/64 pixel.
    for radius, kept in ((8.0, 12), (8 + 1 / 64, 6)):
        chosen = KeypointSettings.of_maps(
            (3, 4), affine, affine, affine, nms_radius=radius, border=0.0
        )
        assert assert_c_equals_twin(library, chosen, score, location, descriptor, 99) == kept


def test_ties_keep_the_cells_order(outputs: Outputs) -> None:
    chosen = settings_of(outputs)
    flat = np.full((15, 20, 1), 5, np.int8)
    centre = np.full((15, 20, 2), outputs.affine["location"].zero_point, np.int8)
    twin = find_keypoints(chosen, flat, centre, 1000)
    inside = [(8 * c + 3.5, 8 * r + 3.5) for r in range(15) for c in range(20)]
    far = [(x, y) for x, y in inside if 4 <= x <= 155 and 4 <= y <= 115]
    assert (twin.xy / 64).tolist() == [list(point) for point in far]


def test_threshold_is_the_float_decoders(outputs: Outputs) -> None:
    affine = outputs.affine["score"]
    q = np.arange(-128, 128).astype(np.int8)
    real = dequantized(q, float(affine.scale), affine.zero_point).astype(np.float64)
    for threshold in (0.0, 0.1, 0.5, 0.51, 1.0):
        passes = 1 / (1 + np.exp(-real)) >= threshold
        np.testing.assert_array_equal(q >= settings_of(outputs, threshold).threshold, passes)


@pytest.mark.parametrize(
    ("size", "cell", "said"), [((15, 20), 6, "cells of 6 pixels"), ((129, 20), 8, "1024 pixels")]
)
def test_maps_that_do_not_fit_the_format_are_refused(
    size: tuple[int, int], cell: int, said: str
) -> None:
    affine = Affine(np.float32(0.1), 0)
    with pytest.raises(ModelError, match=said):
        KeypointSettings.of_maps(size, affine, affine, affine, cell=cell)


@given(
    vector=arrays(np.int32, st.integers(1, 50), elements=st.integers(-(2**16), 2**16)),
    unit=st.sampled_from([1, 127, 613, 32767]),
)
@settings(deadline=None)
def test_unit_vectors_are_rounded_within_a_thousandth(vector: NDArray[np.int32], unit: int) -> None:
    length = np.sqrt(np.sum(vector.astype(np.float64) ** 2))
    exact = np.clip(vector * (unit / max(length, 1e-9)), -127, 127)
    assert np.abs(unit_int8(vector, unit) - exact).max() <= 0.501


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_c_labels_equal_argmax_on_pictures(
    library: ctypes.CDLL, outputs: Outputs, factor: int
) -> None:
    for maps in outputs.maps:
        assert_labels(library, maps["segmentation"], factor)


@given(
    segmentation=arrays(
        np.int8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(-128, -126)
    ),
    factor=st.integers(1, 3),
)
@settings(deadline=None, max_examples=40)
def test_the_first_of_equal_classes_wins(
    library: ctypes.CDLL, segmentation: NDArray[np.int8], factor: int
) -> None:
    assert_labels(library, segmentation, factor)


def assert_labels(library: ctypes.CDLL, segmentation: NDArray[np.int8], factor: int) -> None:
    rows, columns, classes = segmentation.shape
    result = np.full((rows * factor, columns * factor), 255, np.uint8)
    library.labels(pointer(segmentation), rows, columns, classes, factor, pointer(result))
    expected = segmentation_labels(segmentation, factor)
    np.testing.assert_array_equal(result, expected)
    assert expected[::factor, ::factor].tolist() == np.argmax(segmentation, axis=-1).tolist()


GAIN = np.linspace(0.2, 3, 32)


@pytest.mark.parametrize("unit", [127, 613])
@pytest.mark.parametrize(
    "declared", [{}, {"root": 3}, {"root": 3, "gain": GAIN}, {"gain": np.resize(GAIN, 640)}]
)
def test_c_place_descriptor_equals_twin_and_the_float_one(
    library: ctypes.CDLL, outputs: Outputs, declared: dict[str, object], unit: int
) -> None:
    transform = PlaceTransform.of_output((4, 5, 32), outputs.affine["place"], declared)
    for index, maps in enumerate(outputs.maps):
        result = np.zeros(640, np.int8)
        library.place(
            pointer(maps["place"]), 640, transform.gain.size, pointer(transform.value),
            pointer(transform.gain), unit, pointer(result),
        )  # fmt: skip
        np.testing.assert_array_equal(result, transform.describe(maps["place"], unit))
        real = place_vector(outputs.real(index, "place"), declared) * unit
        assert np.abs(result - np.clip(real, -127, 127)).max() < 0.51


def test_a_place_map_of_zeros_stays_zeros(library: ctypes.CDLL) -> None:
    transform = PlaceTransform.of_output((1, 1, 9), Affine(np.float32(0.1), -7), {"root": 3})
    flat = np.full(9, -7, np.int8)
    result = np.ones(9, np.int8)
    library.place(pointer(flat), 9, 0, pointer(transform.value), None, 127, pointer(result))
    assert not result.any()
    assert not transform.describe(flat, 127).any()


@pytest.mark.parametrize("declared", [{"root": 2}, {"gain": [1.0, 2.0]}])
def test_transforms_of_other_kinds_are_refused(declared: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="export the model again"):
        PlaceTransform.of_output((1, 1, 9), Affine(np.float32(0.1), 0), declared)


def test_written_constants_decode_as_the_twin(tmp_path: Path) -> None:
    affine = Affine(np.float32(0.02), 5)
    keypoints = KeypointSettings.of_maps((3, 4), affine, affine, affine, border=1.0, threshold=0.3)
    declared = {"root": 3, "gain": [0.5, 2.0]}
    place = PlaceTransform.of_output((1, 4, 2), affine, declared)
    write_decode(tmp_path, "net", keypoints, place)
    code = """
#include "net_decode.h"
int32_t decode(const int8_t *score, const int8_t *location, struct vpr_keypoint *found);
void describe(const int8_t *map, int8_t *result);
int32_t decode(const int8_t *score, const int8_t *location, struct vpr_keypoint *found)
{
    uint8_t work[NET_KEYPOINTS_WORK_SIZE];
    return vpr_keypoints_s8(&net_keypoint_settings, score, location, 12, work, found);
}
void describe(const int8_t *map, int8_t *result)
{
    vpr_place_descriptor_s8(&net_place_transform, map, 127, result);
}
"""
    library = build(code, tmp_path, "gcc", tmp_path / "net_decode.c")
    random = np.random.default_rng(3)
    score, location, place_map = (
        random.integers(-128, 128, shape).astype(np.int8) for shape in ((3, 4, 1), (3, 4, 2), 8)
    )
    found, result = np.zeros(12, KEYPOINT), np.zeros(8, np.int8)
    count = library.decode(pointer(score), pointer(location), pointer(found))
    twin = find_keypoints(keypoints, score, location, 12)
    assert count == len(twin.score) > 0
    np.testing.assert_array_equal(found["x"][:count], twin.xy[:, 0])
    library.describe(pointer(place_map), pointer(result))
    np.testing.assert_array_equal(result, place.describe(place_map, 127))
    with pytest.raises(OutputError, match="lower-case"):
        write_decode(tmp_path, "Net", keypoints, None)


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    program = build_sanitized(PROGRAM, tmp_path)
    random = np.random.default_rng(5)
    for rows, columns, cell, finer in (
        (1, 1, 32, 1), (1, 7, 8, 1), (6, 5, 16, 1), (32, 31, 32, 1), (6, 5, 16, 4), (1, 7, 2, 2)
    ):  # fmt: skip
        affine = Affine(np.float32(0.05), -128)
        chosen = KeypointSettings.of_maps(
            (rows, columns), affine, affine, affine, cell=cell, border=0, fine=cell // finer
        )
        s = chosen
        numbers = numbers_of(s)
        score, location, descriptor = (
            random.choice(np.array([-128, 0, 127], np.int8), (f * rows, f * columns, c))
            for c, f in ((1, 1), (2, 1), (8, finer))
        )
        parts = (numbers, s.offset, score, location, descriptor)
        done = subprocess.run(
            [program], input=b"".join(p.tobytes() for p in parts), capture_output=True
        )
        assert done.returncode == 0, done.stderr.decode()
        twin = find_keypoints(chosen, score, location, rows * columns)
        expected = keypoint_descriptors(chosen, descriptor, twin.xy)
        assert done.stdout == expected.tobytes()
