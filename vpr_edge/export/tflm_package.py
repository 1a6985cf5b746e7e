"""For users of TensorFlow Lite Micro: the model as a C array, its operators, its arena.

The operators are registered by name in a `MicroMutableOpResolver` of exactly their number, so that
no other kernel is linked in (TFLM's `micro_mutable_op_resolver.h`).
"""

from pathlib import Path

from vpr_edge import __version__
from vpr_edge.errors import ModelError
from vpr_edge.export.c_array import write_c_array
from vpr_edge.files import sha256
from vpr_edge.firmware_bridge.compile.emit import template_environment
from vpr_edge.tflite.read import CUSTOM, read_tflite
from vpr_edge.tflite.tflm import Tflm

# TFLM's methods are the builtins' names in camel case, but for these.
_WORDS = {
    "2D": "2D",
    "ND": "Nd",
    "LSTM": "LSTM",
    "MATMUL": "MatMul",
    "CUMSUM": "CumSum",
    "PADV2": "PadV2",
}


def resolver_method(code: str) -> str:
    """The method of `MicroMutableOpResolver` that adds a builtin, such as "AddConv2D"."""
    return "Add" + "".join(_WORDS.get(word, word.capitalize()) for word in code.split("_"))


def write_tflm(tflite_path: Path, folder: Path, name: str) -> list[Path]:
    """Write the C array and `folder/name_tflm.h`, C++11 that adds the operators.

    Args:
        tflite_path: a TFLite file with quantised inputs and outputs.
        folder: where; made if missing.
        name: the array's C identifier.

    Returns:
        The files written.

    Raises:
        ModelError: the file is missing or corrupt, or TFLM lacks an operator of it.
        OutputError: `name` is no C identifier, or a file could not be written.
    """
    try:
        arena_bytes = Tflm(tflite_path).arena_bytes()
    except ModelError as error:
        raise ModelError(
            f"{tflite_path} does not run in TFLM, whose arena was to be measured; export it with "
            "--target c, which needs no TFLM."
        ) from error
    codes = {operator.code for operator in read_tflite(tflite_path).operators}
    for code in sorted(codes):
        if code.startswith(CUSTOM):
            raise ModelError(
                f"{tflite_path} has the operator {code!r}, which is no builtin of TFLite, so that "
                "no resolver can be written; add it to yours by hand and embed the file itself."
            )
    header, source = write_c_array(tflite_path, folder, name)
    resolver = folder / f"{name}_tflm.h"
    resolver.write_text(
        template_environment()
        .get_template("tflm.h.j2")
        .render(
            name=name,
            macro=name.upper(),
            methods=[resolver_method(code) for code in sorted(codes)],
            arena_bytes=arena_bytes,
            sha256=sha256(tflite_path),
            version=__version__,
        )
    )
    return [header, source, resolver]
