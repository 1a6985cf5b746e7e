"""The C text: any name a file may hold gives C that compiles, and every literal its own value."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.firmware_bridge.tflite_builder import TfliteBuilder
from vpr_edge.errors import OutputError
from vpr_edge.escapes import for_c_comment
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.emit import Emitter, c_float, c_value
from vpr_edge.firmware_bridge.compile.golden import random_inputs
from vpr_edge.firmware_bridge.compile.host import FLAGS, WARNINGS, NativeModel
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.compile.project import write_project
from vpr_edge.firmware_bridge.operators.shared.program import run_reference

HOSTILE = (
    "x", "x_2", "x", "int", "", "*/ #error out /*", "3", "X", "", "größe", "a" * 3000,
    "a" * 3001, "\\", "??/", "line\nbreak", '"', "%s", "arena", "NULL", "/", "*",
)  # fmt: skip


def adders(path: Path, names: tuple[str, ...], outputs: tuple[str, ...]) -> Path:
    """A model that doubles every input, under these names."""
    builder = TfliteBuilder()
    inputs = [builder.tensor((1, 4), scale=0.1, name=name) for name in names]
    found = [builder.tensor((1, 4), scale=0.2, name=name) for name in outputs]
    for tensor, name in zip(inputs + found, names + outputs, strict=True):
        builder.tensors[tensor].name = name
    for given, result in zip(inputs, found, strict=True):
        builder.operator("ADD", [given, given], [result])
    return builder.save(path, inputs, found)


def one(tmp_path: Path) -> Plan:
    return compile_model(adders(tmp_path / "one.tflite", ("x",), ("y",)))


def test_names_hostile_to_c_give_c_that_compiles_and_runs(tmp_path: Path) -> None:
    plan = compile_model(adders(tmp_path / "m.tflite", HOSTILE, HOSTILE[::-1]))
    native = NativeModel(plan, (*FLAGS, *WARNINGS))
    (given,) = random_inputs(plan.program, 1)
    values = run_reference(plan.program, *given)
    for tensor, found in zip(plan.program.outputs, native.run(*given), strict=True):
        np.testing.assert_array_equal(found, values[tensor])


def test_a_file_name_hostile_to_c_stays_in_its_comment(tmp_path: Path) -> None:
    plan = compile_model(adders(tmp_path / "*$(x)`'\"??\\", ("x",), ("y",)))
    NativeModel(plan, (*FLAGS, *WARNINGS))


def test_ports_have_names_of_their_own_within_c99s_limit(tmp_path: Path) -> None:
    ports = Emitter(compile_model(adders(tmp_path / "m.tflite", HOSTILE, HOSTILE)), "m").ports
    for role in ("input", "output"):
        names = [port.identifier for port in ports if port.role == role]
        assert len(set(names)) == len(names) == len(HOSTILE)
        # 63 characters are told apart; this is the longest macro.
        assert max(len(f"M_{role}_{name}_ZERO_POINT") for name in names) <= 63


@pytest.mark.parametrize("name", ["", "3d", "Model", "a-b", "a b", "größe", "x*/", "_x", "x\n"])
def test_a_model_is_not_called_what_c_does_not_take(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot name a model in C"):
        Emitter(one(tmp_path), name)


def test_the_same_model_gives_the_same_text(tmp_path: Path) -> None:
    first, again = (Emitter(one(tmp_path), "m").render("model.c.j2") for _ in range(2))
    assert first == again


def test_two_models_link_into_one_program(tmp_path: Path) -> None:
    plan = one(tmp_path)
    sources = [s for name in ("front", "rear") for s in write_project(plan, name, tmp_path)]
    main = tmp_path / "main.c"
    main.write_text(
        '#include "front.h"\n#include "rear.h"\n'
        "int main(void) { return (int)front_run(NULL, 0) - (int)rear_run(NULL, 0); }\n"
    )
    program = tmp_path / "both"
    command = ["gcc", *FLAGS, *WARNINGS, str(main), *map(str, sources), "-o", str(program)]
    subprocess.run(command, check=True)
    assert subprocess.run([str(program)]).returncode == 0


def test_comments_cannot_be_ended_from_inside() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        text = "".join(rng.choice(list("*/ ?\\a\n\x00é"), 12))
        found = for_c_comment(text)
        assert "*/" not in found and "/*" not in found and found.isprintable()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_extreme_integers_are_literals_of_themselves(dtype: str) -> None:
    limits = np.iinfo(dtype)
    for value in (limits.min, 0, limits.max):
        # "a - 1" is Python too.
        assert eval(c_value(np.array(value, dtype)[()])) == value


def test_float_literals_bring_every_bit_back(tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 4000, np.uint32)
    values = bits.view(np.float32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, 1e-45, 3.4028235e38], np.float32)
    values = np.concatenate([values[~np.isnan(values)], special])
    rows = ",\n".join(map(c_float, values))
    expected = ",".join(f"{value}u" for value in values.view(np.uint32))
    (tmp_path / "m.c").write_text(
        "#include <stdint.h>\n#include <string.h>\n"
        f"static const float found[] = {{{rows}}};\n"
        f"static const uint32_t expected[] = {{{expected}}};\n"
        "int main(void) { return sizeof found != sizeof expected ||\n"
        "    memcmp(found, expected, sizeof found) != 0; }\n"
    )
    program = tmp_path / "m"
    command = ["gcc", *FLAGS, *WARNINGS, str(tmp_path / "m.c"), "-o", str(program)]
    subprocess.run(command, check=True)
    assert subprocess.run([str(program)]).returncode == 0
