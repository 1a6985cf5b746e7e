"""What users of TensorFlow Lite Micro get: exactly the operators needed, and a measured arena."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.errors import ModelError
from vpr_edge.export.tflm_package import resolver_method, write_tflm
from vpr_edge.tflite.tflm import Tflm

# MicroMutableOpResolver as its users see it: a method an operator, each refused once it is full.
RESOLVER = """
#pragma once
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
namespace tflite {
template <unsigned int tOpCount> class MicroMutableOpResolver {
  unsigned int count = 0;
  TfLiteStatus add() { return count++ < tOpCount ? kTfLiteOk : kTfLiteError; }
 public:
  unsigned int size() const { return count; }
  TfLiteStatus AddAdd() { return add(); }
  TfLiteStatus AddAveragePool2D() { return add(); }
  TfLiteStatus AddConv2D() { return add(); }
  TfLiteStatus AddFullyConnected() { return add(); }
  TfLiteStatus AddReshape() { return add(); }
  TfLiteStatus AddSoftmax() { return add(); }
};
}
"""


@pytest.mark.parametrize(
    ("code", "method"),
    [
        ("CONV_2D", "AddConv2D"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("AVERAGE_POOL_2D", "AddAveragePool2D"),
        ("MAX_POOL_2D", "AddMaxPool2D"),
        ("TRANSPOSE_CONV", "AddTransposeConv"),
        ("DEPTH_TO_SPACE", "AddDepthToSpace"),
        ("RESIZE_NEAREST_NEIGHBOR", "AddResizeNearestNeighbor"),
        ("BATCH_MATMUL", "AddBatchMatMul"),
        ("L2_NORMALIZATION", "AddL2Normalization"),
        ("RELU6", "AddRelu6"),
        ("PADV2", "AddPadV2"),
        ("BATCH_TO_SPACE_ND", "AddBatchToSpaceNd"),
        ("SPLIT_V", "AddSplitV"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM"),
    ],
)
def test_a_builtin_has_tflms_name_of_its_method(code: str, method: str) -> None:
    assert resolver_method(code) == method


def test_the_resolver_adds_each_operator_of_the_model_once(
    model_named: Callable[[str], Path], tmp_path: Path
) -> None:
    write_tflm(model_named("ic"), tmp_path, "ic")
    compiler = shutil.which("g++") or pytest.skip("g++ is not here")
    header = tmp_path / "tensorflow/lite/micro/micro_mutable_op_resolver.h"
    header.parent.mkdir(parents=True)
    header.write_text(RESOLVER)
    main = tmp_path / "main.cpp"
    main.write_text(
        '#include <cstdint>\n#include "ic_tflm.h"\n'
        "alignas(16) static uint8_t arena[IC_TFLM_ARENA_SIZE];\n"
        "int main() {\n"
        "    tflite::MicroMutableOpResolver<IC_TFLM_OPS> resolver;\n"
        "    arena[0] = ic[0];\n"
        "    return ic_add_ops(resolver) == kTfLiteOk && resolver.size() == IC_TFLM_OPS ? 0 : 1;\n"
        "}\n"
    )
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}"]
    sources = [str(main), "-x", "c++", str(tmp_path / "ic.c")]
    subprocess.run([compiler, *flags, *sources, "-o", str(tmp_path / "main")], check=True)
    assert subprocess.run([tmp_path / "main"]).returncode == 0


def test_the_arena_is_what_tflms_interpreter_took(
    model_named: Callable[[str], Path], tmp_path: Path
) -> None:
    model = model_named("ic")
    *_, header = write_tflm(model, tmp_path, "ic")
    declared = re.search(r"#define IC_TFLM_ARENA_SIZE (\d+)u", header.read_text())
    assert declared is not None
    assert int(declared[1]) == Tflm(model).arena_bytes()
    # The activations alone, as TFLM plans them, are less; its structures come on top.
    assert 49152 < int(declared[1]) < 65536


def test_a_model_that_tflm_lacks_an_operator_for_is_refused(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source = builder.tensor((1, 4), scale=0.1)
    output = builder.tensor((1, 4), scale=0.1)
    builder.operator("LOCAL_RESPONSE_NORMALIZATION", [source], [output])
    path = builder.save(tmp_path / "m.tflite", [source], [output])
    assert "LOCAL_RESPONSE_NORMALIZATION" in vars(schema.BuiltinOperator)
    with pytest.raises(ModelError, match=r"does not run in TFLM.*--target c"):
        write_tflm(path, tmp_path / "out", "m")
