"""Latency of any artefact, ours or a stranger's, by counting what it was asked to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from vpr_edge.benchmarks.devices.latency import Protocol, Stopwatch, measure_latency, random_inputs
from vpr_edge.errors import ModelError
from vpr_edge.places.describe import place_descriptor
from vpr_edge.runtimes.choose import choose_runtimes, open_runtime
from vpr_edge.runtimes.peers import PEERS
from vpr_edge.runtimes.runtime import Input


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """An ONNX of other origin: a batch of any size, an index as second input, no metadata."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["x", "k"], ["y"], axis=1)],
        "pick",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 6]),
            helper.make_tensor_value_info("k", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1, 6])],
    )
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "foreign.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def test_a_foreign_artefact_is_timed_but_not_shown_pictures(foreign: Path) -> None:
    runtime = open_runtime(foreign)
    assert runtime.inputs == (
        Input((1, 4, 6), np.dtype("float32")),
        Input((1,), np.dtype("int64")),
    )
    found = measure_latency(runtime, random_inputs(runtime.inputs), Protocol(1, 2, 0.01))
    assert 0 < found.median <= found.p95
    with pytest.raises(ModelError, match=r"foreign\.onnx does not declare its preprocessing"):
        place_descriptor(runtime, np.zeros((9, 9, 3), np.uint8))


def test_runs_are_counted_without_the_warm_up(foreign: Path) -> None:
    runtime = open_runtime(foreign)
    fed: list[Sequence[NDArray[Any]]] = []
    hand_over = runtime.feed

    def feed(tensors: Sequence[NDArray[Any]]) -> None:
        fed.append(tensors)
        hand_over(tensors)

    runtime.feed = feed  # type: ignore[method-assign]
    found = measure_latency(runtime, random_inputs(runtime.inputs), Protocol(5, 3, 0.005))
    assert found.runs == len(fed) - 5 >= 3
    assert found.spread >= 0


class Clock:
    """Says how long a process has waited for its CPU: as a list tells it, reading by reading."""

    known = True

    def __init__(self, readings: Sequence[float]) -> None:
        self._readings = iter(readings)

    def milliseconds(self) -> float:
        return next(self._readings)


@pytest.mark.parametrize(
    ("waited", "counted"), [(0.0, 10.0), (4.0, 6.0), (9.5, 0.5), (10.0, 10.0), (25.0, 10.0)]
)
def test_what_a_run_waited_for_its_cpu_is_no_part_of_it(waited: float, counted: float) -> None:
    # Of a longer wait some lay outside of what is timed: nothing is known of the run then.
    watch = Stopwatch(lambda: 10.0)
    watch._waiting = Clock([100.0, 100.0 + waited])  # type: ignore[assignment]
    assert watch.window(0) == pytest.approx(counted)
    found = watch.latency()
    assert found.runs == 1 and found.median == pytest.approx(counted)
    assert (found.waited == 0) == (waited == 0)


def test_random_input_covers_bytes_and_stays_in_the_range_of_pictures() -> None:
    kinds = [Input((1, 64, 64, 3), np.dtype(name)) for name in ("int8", "uint8", "float32")]
    signed, unsigned, real = random_inputs((*kinds, Input((2,), np.dtype("int32"))))[:3]
    assert (signed.min(), signed.max()) == (-128, 127)
    assert (unsigned.min(), unsigned.max()) == (0, 255)
    assert 0 <= real.min() < 0.01 and 0.99 < real.max() < 1


def test_a_wanted_runtime_must_fit_an_artefact_and_every_artefact_needs_one(foreign: Path) -> None:
    (chosen,) = choose_runtimes([foreign])
    assert [name for name in chosen if name not in PEERS] == ["onnxruntime"]
    with pytest.raises(ModelError, match=r"does not run in tflm; choose onnxruntime"):
        choose_runtimes([foreign], ["tflm"])
    with pytest.raises(ModelError, match=r"no artefact here runs in 'tflm'"):
        choose_runtimes([foreign], ["onnxruntime", "tflm"])
