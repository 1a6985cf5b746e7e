import ctypes
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.firmware_bridge.c_functions import build, pointer
from vpr_edge.arithmetic.affine import Affine
from vpr_edge.datasets.corridor import load_corridor
from vpr_edge.errors import DataError, OutputError
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.tflite import write_tflite
from vpr_edge.firmware_bridge.vision.decode_place import PlaceTransform
from vpr_edge.metrics.recall import recall_at
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint
from vpr_edge.places.describe import place_vector
from vpr_edge.places.device_map import DeviceMap, build_device_map, write_device_map
from vpr_edge.places.search import rank
from vpr_edge.quantize.model import Int8Model
from vpr_edge.runtimes.files import TflmRuntime
from vpr_edge.runtimes.runtime import dequantized

SEARCH = """
#include "vpr_place_map.h"
int32_t search(const int8_t *rows, const int32_t *bias, int32_t count, int32_t length,
               int32_t stride, const int8_t *query, int32_t most, struct vpr_place_match *best);
int32_t search(const int8_t *rows, const int32_t *bias, int32_t count, int32_t length,
               int32_t stride, const int8_t *query, int32_t most, struct vpr_place_match *best)
{
    const struct vpr_place_map map = {count, length, stride, 127, rows, bias, bias, NULL};
    return vpr_place_search(&map, query, most, best);
}
"""
WRITTEN = """
#include "lab.h"
int32_t search(const int8_t *query, int32_t most, struct vpr_place_match *best);
int32_t id(int32_t place);
const char *label(int32_t place);
int32_t search(const int8_t *query, int32_t most, struct vpr_place_match *best)
{
    return vpr_place_search(&lab, query, most, best);
}
int32_t id(int32_t place)
{
    return lab.ids[place];
}
const char *label(int32_t place)
{
    return lab.labels == NULL ? NULL : lab.labels[place];
}
"""
MATCH = np.dtype([("place", "<i4"), ("score", "<i4")])


@pytest.fixture(scope="module", params=["gcc", "clang"])
def library(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ctypes.CDLL:
    return build(SEARCH, tmp_path_factory.mktemp("map"), request.param)


def random_unit(count: int, length: int, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(count, length)) + 0.5
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_c_search_equals_twin_with_ties(library: ctypes.CDLL, data: st.DataObject) -> None:
    count, length = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 19))
    values = data.draw(st.sampled_from([st.integers(-1, 1), st.integers(-128, 127)]))
    rows = data.draw(arrays(np.int8, (count, length), elements=values))
    bias = data.draw(arrays(np.int32, count, elements=st.integers(-2, 2)))
    query = data.draw(arrays(np.int8, length, elements=values))
    most = data.draw(st.integers(0, 15))
    padded = np.pad(rows, ((0, 0), (0, -length % 4)), constant_values=99)
    best = np.zeros(most + 1, MATCH)
    found = library.search(
        pointer(padded), pointer(bias), count, length, padded.shape[1], pointer(query), most,
        pointer(best),
    )  # fmt: skip
    places, scores = DeviceMap(rows, bias, 127, np.arange(count, dtype=np.int32)).search(
        query, most
    )
    assert found == len(places) == min(most, count)
    assert best["place"][:found].tolist() == places.tolist()
    assert best["score"][:found].tolist() == scores.tolist()
    assert not best["place"][found:].any()


def test_written_map_is_searched_as_the_twin(tmp_path: Path) -> None:
    vectors = random_unit(30, 21)
    labels = ['@3.5@7@"quoted"', "corridor \\ ??/", "Straße 5"] * 10
    built = build_device_map(vectors, [7 - 5 * i for i in range(30)], labels)
    _, source = write_device_map(built, tmp_path, "lab")
    library = build(WRITTEN, tmp_path, "gcc", source)
    library.label.restype = ctypes.c_char_p
    for query in built.quantize(random_unit(8, 21, seed=1)):
        best = np.zeros(5, MATCH)
        assert library.search(pointer(query), 5, pointer(best)) == 5
        places, scores = built.search(query, 5)
        assert best["place"].tolist() == places.tolist()
        assert best["score"].tolist() == scores.tolist()
    assert [library.id(i) for i in range(30)] == built.ids.tolist()
    assert [library.label(i).decode() for i in range(30)] == labels


def test_a_map_without_labels_has_a_null_pointer(tmp_path: Path) -> None:
    _, source = write_device_map(build_device_map(random_unit(1, 4)), tmp_path, "lab")
    library = build(WRITTEN, tmp_path, "gcc", source)
    library.label.restype = ctypes.c_char_p
    assert library.label(0) is None
    assert library.id(0) == 0


def test_scores_are_cosine_similarities() -> None:
    database, queries = random_unit(50, 200), random_unit(20, 200, seed=1)
    built = build_device_map(database)
    for query, vector in zip(built.quantize(queries), queries, strict=True):
        places, scores = built.search(query, 50)
        np.testing.assert_allclose(scores / built.unit**2, database[places] @ vector, atol=0.01)


def test_bias_lowers_the_error_of_similarities() -> None:
    database = random_unit(200, 640)
    queries = random_unit(50, 640, seed=1)
    built = build_device_map(database)
    stored = built.descriptors.astype(np.float64) / built.unit
    exact = queries @ database.T
    plain = queries @ stored.T - exact
    corrected = plain + built.bias / built.unit**2
    assert corrected.std() < 0.95 * plain.std()


@pytest.mark.exact
def test_a_bias_is_the_sum_of_what_rounding_lost_rounded_once() -> None:
    database = random_unit(60, 96)
    built = build_device_map(database)
    exact = [[Fraction(float(value)) * built.unit for value in row] for row in database]
    # The mean is taken in float64, one place after the other.
    mean = [Fraction(value) for value in (database.astype(np.float64) * built.unit).mean(axis=0)]
    for row, stored, bias in zip(exact, built.descriptors.tolist(), built.bias, strict=True):
        lost = sum((e - s) * m for e, s, m in zip(row, stored, mean, strict=True))
        assert abs(lost - int(bias)) < Fraction(1, 2) + Fraction(1, 10**9)


def test_the_town_is_recognised_as_by_floats(data_sets: Path, tmp_path: Path) -> None:
    model = Int8Model.from_checkpoint(load_checkpoint(find_checkpoint("nano-int8")))
    onnx = write_qdq_onnx(model, tmp_path / "nano.onnx")
    runtime = TflmRuntime(write_tflite(onnx, tmp_path / "nano.tflite"))
    index, tensor = next(
        (i, t) for i, t in enumerate(runtime.interpreter.file.outputs) if t.name == "place"
    )
    affine = Affine(tensor.scale[0], int(tensor.zero_point[0]))
    corridor = load_corridor(data_sets / "vpr_corridor")
    part = 24

    def maps(images: object) -> list[NDArray[np.int8]]:
        found = []
        for image in images:  # type: ignore[attr-defined]
            runtime.run(runtime.preprocessing.fit(image))
            found.append(runtime.interpreter.outputs()[index][0])
        return found

    def vectors(places: list[NDArray[np.int8]]) -> NDArray[np.float32]:
        real = (dequantized(p, float(affine.scale), affine.zero_point) for p in places)
        return np.stack([place_vector(r, runtime.transforms["place"]) for r in real])

    queries = maps(corridor.queries[:part])
    database = vectors(maps(corridor.database[:part]))
    built = build_device_map(database)
    transform = PlaceTransform.of_output(tensor.shape[1:], affine, runtime.transforms["place"])
    ranked = np.stack([built.search(transform.describe(q, built.unit), 10)[0] for q in queries])
    exact = rank(vectors(queries), database, 10)
    assert np.mean(ranked[:, 0] == exact[:, 0]) >= 0.95
    device, real = (recall_at(r, corridor.positives[:part]) for r in (ranked, exact))
    assert all(abs(device[n] - real[n]) <= 1.01 / part for n in real)


@pytest.mark.parametrize(
    ("vectors", "more", "said"),
    [
        (np.zeros((0, 4), np.float32), {}, "at least one picture"),
        (np.zeros(4, np.float32), {}, "at least one picture"),
        (np.zeros((2, 4), np.float32), {}, "length 0, not 1"),
        (np.full((2, 4), np.nan, np.float32), {}, "length nan, not 1"),
        (random_unit(3, 4), {"ids": [1, 2]}, "2 ids"),
        (random_unit(3, 4), {"labels": ["a"]}, "1 labels"),
        (random_unit(1, 4), {"ids": [1 << 40]}, "exceeds 32 bits"),
    ],
)
def test_what_makes_no_map_is_refused(
    vectors: NDArray[np.float32], more: dict[str, list[int]], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        build_device_map(vectors, **more)  # type: ignore[arg-type]


def test_a_query_of_another_length_and_a_bad_name_are_refused(tmp_path: Path) -> None:
    built = build_device_map(random_unit(3, 4))
    with pytest.raises(DataError, match="same model"):
        built.search(np.zeros(5, np.int8), 1)
    with pytest.raises(OutputError, match="lower-case"):
        write_device_map(built, tmp_path, "my map")
