"""The C array: compiled and compared with the file it was made from."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vpr_edge.errors import ModelError, OutputError
from vpr_edge.export.c_array import write_c_array
from vpr_edge.export.tflite import write_tflite
from vpr_edge.files import sha256

MAIN = r"""
#include <stdint.h>
#include <stdio.h>
#include "tiny.h"
#include "tiny.h" /* the guard lets it in twice */
int main(void) {
    const float scale = TINY_SCORE_SCALE;
    if ((uintptr_t)tiny % 16u != 0u || tiny_len != TINY_LEN) return 1;
    if (TINY_IMAGE_ZERO_POINT != -128 || TINY_SCORE_ELEMENTS != 6u) return 2;
    if (TINY_IMAGE_INPUT != 0 || TINY_SCORE_OUTPUT != 0) return 3;
    if (fwrite(&scale, sizeof scale, 1, stdout) != 1) return 4;
    return fwrite(tiny, 1, TINY_LEN, stdout) == TINY_LEN ? 0 : 5;
}
"""
SCALE = np.float32(0.0123456789)


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    """A 2x3 max pool, quantised."""
    constants = {
        "image_s": np.float32(1 / 255),
        "image_z": np.int8(-128),
        "score_s": SCALE,
        "score_z": np.int8(-7),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "image_s", "image_z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "image_s", "image_z"], ["x"]),
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["y", "score_s", "score_z"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "score_s", "score_z"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 1, 4, 6))],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, (1, 1, 2, 3))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 21)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "tiny.onnx")
    return write_tflite(tmp_path / "tiny.onnx", tmp_path / "tiny.tflite")


@pytest.mark.parametrize(
    "compiler",
    [
        ("gcc", "-std=c99"),
        ("gcc", "-std=c11"),
        ("g++", "-x", "c++", "-std=c++11"),
        ("clang", "-std=c99"),
    ],
    ids=" ".join,
)
def test_compiled_array_holds_the_file_aligned(
    compiler: tuple[str, ...], tflite: Path, tmp_path: Path
) -> None:
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed, so the array cannot be compiled with it.")
    header, source = write_c_array(tflite, tmp_path / "out", "tiny")
    assert (header.name, source.name) == ("tiny.h", "tiny.c")
    main = tmp_path / "main.c"
    main.write_text(MAIN)
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
    program = tmp_path / "program"
    subprocess.run(
        [*compiler, *warnings, "-I", str(header.parent), str(source), str(main), "-o", program],
        check=True,
    )
    printed = subprocess.run([program], check=True, capture_output=True).stdout
    assert printed == SCALE.tobytes() + tflite.read_bytes()


def test_header_tells_where_the_bytes_come_from(tflite: Path, tmp_path: Path) -> None:
    header, source = write_c_array(tflite, tmp_path / "out", "tiny")
    for text in (header.read_text(), source.read_text()):
        assert f"sha256  {sha256(tflite)}" in text
        assert "input   image: int8 [1, 4, 6, 1], scale 3.92156886e-03, zero point -128" in text
        assert "output  score: int8 [1, 2, 3, 1]" in text


@pytest.mark.parametrize("name", ["", "9lives", "my model", "a-b", "int", "ä", "../up"])
def test_a_name_that_c_refuses_is_refused(name: str, tflite: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot name a C array"):
        write_c_array(tflite, tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


def test_a_truncated_model_leaves_no_files(tflite: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(tflite.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cut short or corrupt"):
        write_c_array(cut, tmp_path / "out", "tiny")
    assert not (tmp_path / "out").exists()
