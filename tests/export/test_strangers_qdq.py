"""QDQ ONNX of ONNX Runtime's own quantiser: its numbers are kept, and only rounding differs."""

import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from vpr_edge.errors import ModelError
from vpr_edge.export.package import export
from vpr_edge.tflite.read import read_tflite
from vpr_edge.tflite.tflm import Tflm

FILE = Path(__file__).parents[2] / "examples" / "own_networks" / "networks.py"
# Largest and root mean square difference. TFLM rounds twice where ONNX rounds once, and layers
# amplify that: of these networks xfeat is the deepest, with 14 in a row.
LSB = {"xfeat": (8, 2.0)}


class Inputs(CalibrationDataReader):
    def __init__(self, values: np.ndarray) -> None:
        self.left: Iterator[np.ndarray] = iter(values)

    def get_next(self) -> dict[str, Any] | None:
        value = next(self.left, None)
        return None if value is None else {"image": value[None]}


@pytest.fixture(scope="module")
def networks() -> Any:
    spec = importlib.util.spec_from_file_location("own_networks", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["unet", "ghost", "fomo", "xfeat"])
@pytest.mark.parametrize(
    ("activations", "per_channel"), [(QuantType.QUInt8, False), (QuantType.QInt8, True)]
)
def test_what_onnxruntime_quantised_is_what_tflm_computes(
    name: str, activations: QuantType, per_channel: bool, networks: Any, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = networks.write(name, tmp_path)
    shape = networks.NETWORKS[name][1]
    inputs = np.random.default_rng(0).random((6, *shape[1:]), np.float32)
    quant_pre_process(str(path), str(tmp_path / "ready.onnx"))
    quantised = tmp_path / "quantised.onnx"
    quantize_static(
        str(tmp_path / "ready.onnx"),
        str(quantised),
        Inputs(inputs),
        quant_format=QuantFormat.QDQ,
        activation_type=activations,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    folder = export(quantised, "tflite-int8", tmp_path / "out")
    oracle = Tflm(folder / "quantised.tflite")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    theirs = onnxruntime.InferenceSession(str(quantised), options)
    (source,) = oracle.file.inputs
    for value in inputs[:2]:
        steps = np.rint(np.moveaxis(value, 0, -1) / source.scale[0]) + source.zero_point[0]
        stored = np.clip(steps, -128, 127).astype(np.int8)[None]
        for tensor, ours, wanted in zip(
            oracle.file.outputs,
            oracle.run(stored),
            theirs.run(None, {"image": value[None]}),
            strict=True,
        ):
            integers = np.rint(np.moveaxis(wanted, 1, -1) / tensor.scale[0]) + tensor.zero_point[0]
            apart = np.abs(ours.astype(float) - integers)
            largest, spread = LSB.get(name, (4, 1.0))
            assert apart.max() <= largest and np.sqrt((apart**2).mean()) < spread, tensor.name


def test_shifting_uint8_to_int8_changes_no_scale(networks: Any, tmp_path: Path) -> None:
    scales = []
    for kind in (QuantType.QUInt8, QuantType.QInt8):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = networks.write("ghost", tmp_path)
        inputs = np.random.default_rng(0).random((4, 3, 32, 32), np.float32)
        quant_pre_process(str(path), str(tmp_path / "ready.onnx"))
        quantised = tmp_path / f"{kind}.onnx"
        quantize_static(
            str(tmp_path / "ready.onnx"), str(quantised), Inputs(inputs), activation_type=kind,
            weight_type=QuantType.QInt8,
        )  # fmt: skip
        folder = export(quantised, "tflite-int8", tmp_path / str(kind))
        (tensor,) = read_tflite(folder / f"{kind}.tflite").outputs
        scales.append((tensor.scale.tolist(), tensor.zero_point.tolist()))
    assert scales[0] == scales[1]


def test_other_targets_of_an_onnx_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tflite-int8, c-array, c, firmware can be made"):
        export(tmp_path / "net.onnx", "tensorrt", tmp_path / "out")
