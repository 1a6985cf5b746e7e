"""What the importer takes and refuses; a small file cannot make it take long or much memory."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.errors import ModelError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.importer import MOST_LAYERS, import_tflite

MEMORY = 3 << 30
SECONDS = 60
COMPILE = """
import sys
from pathlib import Path
from vpr_edge.errors import VprEdgeError
from vpr_edge.firmware_bridge.compile.compiler import compile_model
try:
    compile_model(Path(sys.argv[1]))
except VprEdgeError as error:
    print(error, end="")
"""


def compiled_in_bounds(path: Path) -> str:
    """The refusal, or nothing; fails where the compiler needs more memory or processor time."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(path)],
        capture_output=True, text=True, check=False,
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ":".join(sys.path)},
        preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-1000:]
    return done.stdout


class Adders:
    """A model of ADD layers under construction."""

    def __init__(self) -> None:
        self.builder = TfliteBuilder()
        self.source = self.builder.tensor((1, 4), scale=0.1)

    def double(self, index: int) -> int:
        output = self.builder.tensor(self.builder.tensors[index].shape, scale=0.1)
        self.builder.operator("ADD", [index, index], [output])
        return output


def unused_input(shape: tuple[int, ...], kind: str = "INT8") -> Callable[[Path], Path]:
    def save(path: Path) -> Path:
        model = Adders()
        unused = model.builder.tensor(shape, scale=0.1)
        model.builder.tensors[unused].type = getattr(schema.TensorType, kind)
        output = model.double(model.source)
        return model.builder.save(path, [model.source, unused], [output])

    return save


def variable(is_input: bool) -> Callable[[Path], Path]:
    def save(path: Path) -> Path:
        model = Adders()
        state = model.builder.tensor((1, 4), scale=0.1, variable=True)
        output = model.double(model.source)
        inputs = [model.source, *([state] if is_input else [])]
        return model.builder.save(path, inputs, [output, *([] if is_input else [state])])

    return save


def constant_of_unknown_size(path: Path) -> Path:
    model = Adders()
    builder = model.builder
    constant = builder.tensor((1, 4), scale=0.1, values=np.ones((1, 4)))
    builder.tensors[constant].shape = np.array([-1, 4], np.int32)
    output = builder.tensor((1, 4), scale=0.1)
    builder.operator("ADD", [model.source, constant], [output])
    return builder.save(path, [model.source], [output])


def many_dimensions(path: Path) -> Path:
    model = Adders()
    source = model.builder.tensor((1,) * 60, scale=0.1)
    return model.builder.save(path, [source], [model.double(source)])


def large_arena(path: Path) -> Path:
    model = Adders()
    inputs = [model.builder.tensor((1, 1 << 28), scale=0.1) for _ in range(8)]
    return model.builder.save(path, inputs, [model.double(index) for index in inputs])


REFUSED = {
    "input that nobody reads, of negative size": (unused_input((1, -4)), "shape"),
    "input that nobody reads, larger than memory": (unused_input((1 << 30, 1 << 30)), "larger"),
    "input that nobody reads, of a type C lacks": (unused_input((1, 4), "FLOAT16"), "float16"),
    "variable as input": (variable(True), "a variable as its input"),
    "variable as output": (variable(False), "no layer writes the output"),
    "constant of unknown size": (constant_of_unknown_size, "corrupt"),
    "many dimensions": (many_dimensions, "60 dimensions"),
    "arena beyond C's offsets": (large_arena, "arena of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_without_sense_is_refused(tmp_path: Path, case: str) -> None:
    save, sentence = REFUSED[case]
    with pytest.raises(ModelError, match=sentence):
        compile_model(save(tmp_path / "m.tflite"))


def test_an_input_or_output_may_be_named_twice(tmp_path: Path) -> None:
    model = Adders()
    output = model.double(model.source)
    path = model.builder.save(tmp_path / "m.tflite", [model.source] * 2, [output] * 2)
    assert len(compile_model(path).program.outputs) == 2


def test_a_model_of_too_many_layers_is_refused(tmp_path: Path) -> None:
    model = Adders()
    output = model.source
    for _ in range(MOST_LAYERS + 1):
        output = model.double(output)
    path = model.builder.save(tmp_path / "m.tflite", [model.source], [output])
    with pytest.raises(ModelError, match="split the model"):
        import_tflite(path)


def finished(builder: flatbuffers.Builder, subgraph: int, subgraphs: int, path: Path) -> Path:
    """A file whose subgraphs are all the same table."""
    schema.ModelStartSubgraphsVector(builder, subgraphs)
    for _ in range(subgraphs):
        builder.PrependUOffsetTRelative(subgraph)
    vector = builder.EndVector()
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, vector)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def same_tensors(path: Path, tensors: int, name: int, subgraphs: int) -> Path:
    """A file whose tensors are all the same table, its name so many bytes long."""
    builder = flatbuffers.Builder(1 << 20)
    text = builder.CreateString("n" * name)
    schema.TensorStart(builder)
    schema.TensorAddName(builder, text)
    tensor = schema.TensorEnd(builder)
    schema.SubGraphStartTensorsVector(builder, tensors)
    for _ in range(tensors):
        builder.PrependUOffsetTRelative(tensor)
    vector = builder.EndVector()
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, vector)
    return finished(builder, schema.SubGraphEnd(builder), subgraphs, path)


def shared_name(path: Path) -> Path:
    return same_tensors(path, 1 << 16, 1 << 18, 1)


def shared_subgraph(path: Path) -> Path:
    return same_tensors(path, 1 << 15, 1, 1 << 15)


def shared_buffer(path: Path) -> Path:
    """5000 tensors of one buffer of 1 MiB."""
    model = Adders()
    builder, size = model.builder, 1 << 20
    first = builder.tensor((size,), scale=0.1, values=np.ones(size))
    for _ in range(5000):
        builder.tensors[builder.tensor((size,), scale=0.1)].buffer = builder.tensors[first].buffer
    return builder.save(path, [model.source], [model.double(model.source)])


def grouped(path: Path) -> Path:
    """128 KiB of grouped weights that would be 16 GiB spread out."""
    builder, n = TfliteBuilder(), 1 << 17
    source = builder.tensor((1, 1, 1, n), scale=0.1)
    weights = builder.tensor((n, 1, 1, 1), scale=0.1, values=np.ones((n, 1, 1, 1)))
    output = builder.tensor((1, 1, 1, n), scale=0.1)
    options = schema.Conv2DOptionsT(strideH=1, strideW=1)
    builder.operator("CONV_2D", [source, weights], [output], options)
    return builder.save(path, [source], [output])


ATTACKS = {
    "one long name for all tensors": (shared_name, "corrupt"),
    "one table for all subgraphs": (shared_subgraph, "corrupt"),
    "one buffer for all tensors": (shared_buffer, "corrupt"),
    "one channel a group": (grouped, "spread out"),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_a_file_that_unfolds_beyond_memory_is_refused_at_once(tmp_path: Path, case: str) -> None:
    save, sentence = ATTACKS[case]
    assert sentence in compiled_in_bounds(save(tmp_path / "m.tflite"))


def test_a_constant_layer_with_a_large_result_is_not_computed_beforehand(tmp_path: Path) -> None:
    builder, size = TfliteBuilder(), 8192
    source = builder.tensor((1, size, size, 1), scale=0.1)
    small = builder.tensor((1, 2, 2, 1), scale=0.1, values=np.ones((1, 2, 2, 1)))
    sizes = builder.tensor((2,), "int32", values=np.array([size, size]))
    large, output = (builder.tensor((1, size, size, 1), scale=0.1) for _ in range(2))
    builder.operator("RESIZE_BILINEAR", [small, sizes], [large])
    builder.operator("ADD", [source, large], [output])
    path = builder.save(tmp_path / "m.tflite", [source], [output])
    assert compiled_in_bounds(path) == ""


def test_a_wide_model_is_planned_in_seconds(tmp_path: Path) -> None:
    model = Adders()
    widths = range(4, 4 + MOST_LAYERS // 8)
    inputs = [model.builder.tensor((1, width * 7 % 997), scale=0.1) for width in widths]
    outputs = [model.double(index) for index in inputs]
    path = model.builder.save(tmp_path / "m.tflite", inputs, outputs)
    assert compiled_in_bounds(path) == ""
