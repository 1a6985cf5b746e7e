"""`vpr-edge export --target c` and `--target firmware`: a TFLite model as a folder of C."""

import re
from pathlib import Path
from typing import Any

from vpr_edge.errors import OutputError
from vpr_edge.files import write_json
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.golden import golden_vectors, random_inputs
from vpr_edge.firmware_bridge.compile.plan import Plan
from vpr_edge.firmware_bridge.compile.project import write_project
from vpr_edge.firmware_bridge.packages.manifest import manifest
from vpr_edge.firmware_bridge.packages.package import SOURCES, Package, write_package
from vpr_edge.firmware_bridge.packages.vision import write_vision
from vpr_edge.names import is_device
from vpr_edge.tflite.read import METADATA_KEY, read_metadata

GOLDEN = 2
DEFAULT_PACKAGE = Package()
# The model's header would hide one of C's, or its CMake target be one of CMake's own.
_RESERVED = re.compile(
    "assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdarg|"
    "stdbool|stddef|stdint|stdio|stdlib|string|tgmath|time|wchar|wctype|"
    "all|clean|help|install|package|test"
)


def c_name(stem: str) -> str:
    """A model's name in C from a file's: lower case, an underscore for what C does not take."""
    name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
    taken = not name[:1].isalpha() or _RESERVED.fullmatch(name) or is_device(name)
    return f"model_{name}".rstrip("_") if taken else name


def write_c_source(
    tflite_path: Path, folder: Path, name: str, golden: int = GOLDEN, backend: str = "portable"
) -> Plan:
    """Compile a model to C with its kernels, golden vectors and manifest.json.

    Args:
        tflite_path: an int8 TFLite file.
        folder: where; made if missing.
        name: prefix of every file and symbol; a lower-case C identifier.
        golden: how many golden vectors; 0 leaves the self-test out.
        backend: one of `compiler.BACKENDS`.

    Returns:
        The plan, for its text and figures.

    Raises:
        ModelError: the file is corrupt or asks for what the compiler lacks, or TFLM refuses it.
        OutputError: the name does not fit, or is one of C's or CMake's own.
    """
    plan, about = _write_c(tflite_path, folder, name, golden, backend)
    papers = manifest(plan, name, folder, "c", golden, about) | {"backend": backend}
    write_json(folder / "manifest.json", papers)
    return plan


def write_firmware(
    tflite_path: Path,
    folder: Path,
    name: str,
    golden: int = GOLDEN,
    package: Package = DEFAULT_PACKAGE,
) -> Plan:
    """Compile a model to a folder that every build system of `packages` takes as it is.

    Args:
        tflite_path: an int8 TFLite file.
        folder: where; made if missing.
        name: of the model and of the package; a lower-case C identifier.
        golden: how many golden vectors; 0 leaves the self-test out.
        package: version, author and the like.

    Returns:
        The plan, for its text and figures.

    Raises:
        ModelError: the file is corrupt or asks for what the compiler lacks, or TFLM refuses it.
        OutputError: the name, version, vendor, author or URL does not fit.
    """
    plan, about = _write_c(tflite_path, folder / SOURCES, name, golden, "portable")
    write_package(folder, name, plan.program.sha256, golden > 0, package)
    write_json(folder / "manifest.json", manifest(plan, name, folder, "firmware", golden, about))
    return plan


def _write_c(
    tflite_path: Path, folder: Path, name: str, golden: int, backend: str
) -> tuple[Plan, dict[str, Any]]:
    """The C in `folder`; the plan and the model's metadata."""
    if _RESERVED.fullmatch(name) or is_device(name):
        raise OutputError(
            f"A model cannot be called '{name}', since C, CMake or Windows have something "
            "of that name; choose another."
        )
    plan = compile_model(tflite_path, backend)
    vectors = golden_vectors(tflite_path, plan.program, random_inputs(plan.program, golden))
    write_project(plan, name, folder, vectors)
    about = read_metadata(tflite_path) if METADATA_KEY in plan.program.metadata else {}
    # Camera and decoders are for colour pictures.
    if about.get("preprocessing", {}).get("channels") == "rgb":
        write_vision(tflite_path, folder, name)
    return plan, about
