"""Files that are cut, flipped or made to harm end in one sentence, or in C that stays in bounds."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner

from tests.firmware_bridge.operators.test_convolution import random_convolution
from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.cli import cli
from vpr_edge.errors import ModelError, VprEdgeError
from vpr_edge.export.tflite_write import pack
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, NativeModel
from vpr_edge.firmware_bridge.compile.importer import import_tflite

# An index or a shift out of range ends the program.
TRAPS = ("-fsanitize=bounds,shift,signed-integer-overflow", "-fsanitize-undefined-trap-on-error")


def outcome(path: Path) -> bool:
    """Whether a file compiles; where it does not, the refusal must be one sentence."""
    try:
        compile_model(path)
    except VprEdgeError as error:
        sentence = str(error)
        assert "\n" not in sentence and sentence.endswith("."), sentence
        return False
    return True


def convolution(folder: Path) -> Path:
    return random_convolution(np.random.default_rng(3), folder / "conv.tflite", False)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = convolution(tmp_path).read_bytes()
    path = tmp_path / "cut.tflite"
    for length in range(0, len(whole) - 64, 7):
        path.write_bytes(whole[:length])
        assert not outcome(path), length


def test_flipped_bits_end_in_a_sentence_or_in_c_that_stays_in_bounds(tmp_path: Path) -> None:
    whole = convolution(tmp_path).read_bytes()
    generator, path = random.Random(0), tmp_path / "flipped.tflite"
    ran = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(generator.choice((1, 1, 2, 8))):
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(bytes(data))
        if outcome(path) and ran < 12:
            plan = compile_model(path)
            native = NativeModel(plan, (*FLAGS, *TRAPS), ("gcc",))
            native.run(*random_inputs(plan.program, 1)[0])
            ran += 1
    assert ran == 12


@pytest.mark.parametrize("model", ["ic", "vww", "nano-int8"])
def test_real_models_with_flipped_bits_end_in_a_sentence(
    model_named: Callable[[str], Path], tmp_path: Path, model: str
) -> None:
    whole = model_named(model).read_bytes()
    generator, path = random.Random(1), tmp_path / "flipped.tflite"
    refused = 0
    for _ in range(25):
        data = bytearray(whole)
        # Structure lies at both ends, weights between.
        for _ in range(3):
            near = generator.randrange(min(len(data), 4000))
            data[generator.choice((near, -1 - near))] ^= 1 << generator.randrange(8)
        path.write_bytes(bytes(data))
        refused += not outcome(path)
    assert refused


def changed(source: Path, path: Path, change: Callable[[Any], None]) -> Path:
    """A copy of a model with something in its schema object changed."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(source.read_bytes()))
    change(model)
    path.write_bytes(pack(model))
    return path


def first(model: Any) -> Any:
    return model.subgraphs[0]


def set_inputs(model: Any, values: list[int]) -> None:
    first(model).operators[0].inputs = np.array(values, np.int32)


def set_shape(model: Any, index: int, shape: list[int]) -> None:
    first(model).tensors[index].shape = np.array(shape, np.int32)


def set_scale(model: Any, index: int, scales: list[float]) -> None:
    first(model).tensors[index].quantization.scale = np.array(scales, np.float32)


def set_dynamic(model: Any) -> None:
    shape = first(model).tensors[0].shape
    first(model).tensors[0].shapeSignature = np.array([-1, -1, *shape[2:]], np.int32)


def set_code(model: Any, code: int) -> None:
    model.operatorCodes[0].builtinCode = code
    model.operatorCodes[0].deprecatedBuiltinCode = min(code, 127)


def set_custom(model: Any, name: str = "TheirOp") -> None:
    set_code(model, schema.BuiltinOperator.CUSTOM)
    model.operatorCodes[0].customCode = name


def drop_weights(model: Any) -> None:
    model.buffers[first(model).tensors[1].buffer].data = None


def shorten_weights(model: Any) -> None:
    buffer = model.buffers[first(model).tensors[1].buffer]
    buffer.data = buffer.data[:-1]


def read_own_output(model: Any) -> None:
    operator = first(model).operators[0]
    set_inputs(model, [int(operator.outputs[0]), *map(int, operator.inputs[1:])])


def drop_options(model: Any) -> None:
    first(model).operators[0].builtinOptionsType = schema.BuiltinOptions.NONE
    first(model).operators[0].builtinOptions = None


def other_options(model: Any) -> None:
    first(model).operators[0].builtinOptionsType = schema.BuiltinOptions.AddOptions
    first(model).operators[0].builtinOptions = schema.AddOptionsT()


HOSTILE: dict[str, tuple[Callable[[Any], None], str]] = {
    "input index too large": (lambda m: set_inputs(m, [0, 99]), "tensor 99 of"),
    "input index negative": (lambda m: set_inputs(m, [0, -7]), "tensor -7 of"),
    "buffer index too large": (lambda m: setattr(first(m).tensors[1], "buffer", 999), "corrupt"),
    "negative shape": (lambda m: set_shape(m, 0, [1, -3, 4, 4]), "shape"),
    "zero shape": (lambda m: set_shape(m, 0, [1, 0, 4, 4]), "shape"),
    "huge shape": (lambda m: set_shape(m, 0, [1, 1 << 20, 1 << 20, 4]), "larger than"),
    "another shape": (lambda m: set_shape(m, 1, [1, 1, 1, 1]), "corrupt"),
    "weights missing": (drop_weights, "before any layer writes it"),
    "weights short": (shorten_weights, "corrupt"),
    "cycle": (read_own_output, "before any layer writes it"),
    "scales too many": (lambda m: set_scale(m, 0, [0.1, 0.1]), "zero points"),
    "scale zero": (lambda m: set_scale(m, 0, [0.0]), "not a positive number"),
    "scale infinite": (lambda m: set_scale(m, 0, [np.inf]), "not a positive number"),
    "scale nan": (lambda m: set_scale(m, 0, [np.nan]), "not a positive number"),
    "zero point outside int8": (
        lambda m: setattr(first(m).tensors[0].quantization, "zeroPoint", np.array([300])),
        "outside its type",
    ),
    "dynamic shape": (set_dynamic, "dynamic shape"),
    "operator unknown to the compiler": (
        lambda m: set_code(m, schema.BuiltinOperator.RFFT2D),
        "RFFT2D .once: layer 0.",
    ),
    "operator unknown to anyone": (lambda m: set_code(m, 9999), "corrupt"),
    "custom operator": (set_custom, "TheirOp"),
    "constant that is a variable": (
        lambda m: setattr(first(m).tensors[1], "isVariable", True),
        "a constant that is flagged as a variable",
    ),
    "options missing": (drop_options, "has no option"),
    "options of another operator": (other_options, "has no option"),
    "branch between subgraphs": (
        lambda m: set_code(m, schema.BuiltinOperator.IF),
        "IF .once: layer 0. is control flow",
    ),
    "loop over a subgraph": (
        lambda m: set_code(m, schema.BuiltinOperator.WHILE),
        "WHILE .once: layer 0. is control flow",
    ),
    "no operators": (lambda m: setattr(first(m), "operators", []), "no operators"),
    "no subgraph": (lambda m: setattr(m, "subgraphs", []), "corrupt"),
    "output is an input": (
        lambda m: setattr(first(m), "outputs", np.array([0], np.int32)),
        "no layer writes the output",
    ),
    "output index negative": (
        lambda m: setattr(first(m), "outputs", np.array([-1], np.int32)),
        "corrupt",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_by_a_sentence_that_names_it(tmp_path: Path, case: str) -> None:
    change, sentence = HOSTILE[case]
    path = changed(convolution(tmp_path), tmp_path / "hostile.tflite", change)
    with pytest.raises(ModelError, match=sentence):
        import_tflite(path)
    done = CliRunner().invoke(cli, ["export", str(path), "--target", "c", "--output", "out"])
    assert isinstance(done.exception, ModelError)


def test_a_refusal_names_all_missing_operators_and_their_layers(tmp_path: Path) -> None:
    builder = TfliteBuilder()
    source = builder.tensor((1, 4), scale=0.1)
    last = source
    for code in ("RFFT2D", "ABS", "REDUCE_PROD", "RFFT2D"):
        last, before = builder.tensor((1, 4), scale=0.1), last
        builder.operator(code, [before], [last])
    path = builder.save(tmp_path / "m.tflite", [source], [last])
    with pytest.raises(ModelError) as refusal:
        compile_model(path)
    text = str(refusal.value)
    assert text.startswith("m.tflite needs 2 operators that the compiler lacks: ")
    assert "RFFT2D (2 times: layers 0, 3), nearest to " in text
    assert "REDUCE_PROD (once: layer 2), nearest to " in text and "REDUCE_MAX" in text
    # TFLM has neither, so nobody is sent there, nor is a list of all operators of use.
    assert "TFLM" not in text and len(text) < 400
    assert str(tmp_path) not in text


def test_a_refusal_says_where_tflm_would_run_it(tmp_path: Path) -> None:
    path = changed(
        convolution(tmp_path),
        tmp_path / "m.tflite",
        lambda m: set_custom(m, "SignalWindow"),
    )
    with pytest.raises(ModelError, match="run the model in TFLM"):
        compile_model(path)


def test_what_vela_compiled_is_called_by_its_name(tmp_path: Path) -> None:
    path = changed(convolution(tmp_path), tmp_path / "m.tflite", lambda m: set_custom(m, "ethos-u"))
    with pytest.raises(ModelError, match="vela has compiled for an Ethos-U"):
        compile_model(path)


def test_a_fixed_point_activation_without_a_scale_is_refused(tmp_path: Path) -> None:
    for code in ("RELU", "RELU6", "LOGISTIC", "TANH", "LEAKY_RELU", "HARD_SWISH", "ABS", "RSQRT"):
        for scales in ((None, 0.1), (0.1, None)):
            builder = TfliteBuilder()
            source, result = (builder.tensor((1, 4), scale=scale) for scale in scales)
            builder.operator(code, [source], [result])
            path = builder.save(tmp_path / "m.tflite", [source], [result])
            with pytest.raises(ModelError, match="0 scales where one is needed"):
                compile_model(path)
