"""A firmware package builds as it is, in every build system that is here, and tells no lies."""

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.firmware_bridge.operators.test_convolution import random_convolution
from vpr_edge.errors import OutputError
from vpr_edge.export.c_source import c_name, write_c_source, write_firmware
from vpr_edge.export.package import export
from vpr_edge.firmware_bridge.compile.host import WARNINGS
from vpr_edge.firmware_bridge.packages.package import Package
from vpr_edge.models.checkpoint import find_checkpoint

STRICT = ("-std=c99", "-O1", "-ffp-contract=off", *WARNINGS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packages, `first` and `second`, and the models that they are made from."""
    folder = tmp_path_factory.mktemp("packages")
    for seed, name in enumerate(("first", "second")):
        model = random_convolution(np.random.default_rng(seed), folder / f"{name}.tflite", seed > 0)
        write_firmware(model, folder / name, name, package=Package(author="A. Name <a@b.org>"))
    return folder


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def need(tool: str) -> str:
    return shutil.which(tool) or pytest.skip(f"{tool} is not here")


def sources(package: Path) -> list[Path]:
    return sorted((package / "src").glob("*.c"))


# The C


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_c_needs_no_include_path_but_src_and_gives_no_warning(
    folder: Path, tmp_path: Path, compiler: str
) -> None:
    need(compiler)
    package = folder / "first"
    program = tmp_path / "selftest"
    main = package / "selftest/main.c"
    flags = [*STRICT, "-I", package / "src"]
    run(compiler, *flags, main, *sources(package), "-o", program)
    run(program)


def test_the_c_of_a_bare_folder_compiles_without_any_include_path(
    folder: Path, tmp_path: Path
) -> None:
    write_c_source(folder / "first.tflite", tmp_path / "c", "bare")
    run(need("gcc"), *STRICT, "-c", *sorted((tmp_path / "c").glob("*.c")), cwd=tmp_path)
    assert json.loads((tmp_path / "c/manifest.json").read_text())["target"] == "c"


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_cpp_11_includes_the_headers(folder: Path, tmp_path: Path, compiler: str) -> None:
    need(compiler)
    user = tmp_path / "user.cpp"
    user.write_text(
        '#include "first.h"\n#include "first_selftest.h"\n#include "second.h"\n'
        "alignas(FIRST_ARENA_ALIGNMENT) static uint8_t arena[FIRST_ARENA_SIZE];\n"
        "int main() { return first_selftest(arena, sizeof arena) == 0 ? 0 : 1; }\n"
    )
    include = ["-I", folder / "first/src", "-I", folder / "second/src"]
    objects = compiled(folder / "first", tmp_path)
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    run(compiler, *flags, *include, user, *objects, "-o", tmp_path / "user")
    run(tmp_path / "user")


def test_two_models_link_into_one_program(folder: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(
        '#include "first_selftest.h"\n#include "second_selftest.h"\n'
        "static union { char bytes[1 << 16]; long double align; } arena;\n"
        "int main(void) {\n"
        "    const size_t size = sizeof arena;\n"
        "    return first_selftest(&arena, size) || second_selftest(&arena, size);\n"
        "}\n"
    )
    include = ["-I", folder / "first/src", "-I", folder / "second/src"]
    objects = [o for name in ("first", "second") for o in compiled(folder / name, tmp_path / name)]
    run(need("gcc"), *STRICT, *include, main, *objects, "-o", tmp_path / "both")
    run(tmp_path / "both")


def test_every_global_symbol_carries_the_models_name(folder: Path, tmp_path: Path) -> None:
    listing = run(need("nm"), "-g", "--defined-only", *compiled(folder / "first", tmp_path))
    symbols = re.findall(r"^[0-9a-f]+ [A-Z] (\w+)$", listing, re.MULTILINE)
    assert "first_run" in symbols
    assert [symbol for symbol in symbols if not symbol.startswith("first_")] == []


def compiled(package: Path, scratch: Path) -> list[Path]:
    scratch.mkdir(exist_ok=True)
    run(need("gcc"), *STRICT, "-c", *sources(package), cwd=scratch)
    return sorted(scratch.glob(f"{package.name}*.o"))


# Build systems


def test_cmake_builds_the_library_and_the_selftest_passes(folder: Path, tmp_path: Path) -> None:
    need("cmake")
    run("cmake", "-S", folder / "first", "-B", tmp_path, "-DFIRST_SELFTEST=ON")
    run("cmake", "--build", tmp_path)
    assert "100% tests passed" in run("ctest", "--test-dir", tmp_path)


def test_the_selftest_fails_when_one_golden_byte_is_changed(folder: Path, tmp_path: Path) -> None:
    need("cmake")
    package = tmp_path / "changed"
    shutil.copytree(folder / "first", package)
    source = package / "src/first_selftest.c"
    text = source.read_text()
    start = text.index("{", text.index("golden1_output"))
    last = re.compile(r"-?\d+(?=\n\};)").search(text, start)
    assert last is not None
    changed = str((int(last[0]) + 129) % 256 - 128)
    source.write_text(text[: last.start()] + changed + text[last.end() :])
    run("cmake", "-S", package, "-B", tmp_path / "build", "-DFIRST_SELFTEST=ON")
    run("cmake", "--build", tmp_path / "build")
    assert subprocess.run([tmp_path / "build/first_selftest"]).returncode == 1


def test_cmake_builds_two_packages_for_a_cortex_m(folder: Path, tmp_path: Path) -> None:
    need("cmake")
    need("arm-none-eabi-gcc")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(firmware C)\n"
        f"add_subdirectory({folder / 'first'} first)\n"
        f"add_subdirectory({folder / 'second'} second)\n"
        "add_library(firmware STATIC user.c)\n"
        "target_link_libraries(firmware PRIVATE first second)\n"
    )
    (tmp_path / "user.c").write_text(
        '#include "first.h"\n#include "second.h"\nint user(void);\n'
        "int user(void) { return (int)(FIRST_ARENA_SIZE + SECOND_ARENA_SIZE); }\n"
    )
    run(
        "cmake", "-S", tmp_path, "-B", tmp_path / "build", "-DCMAKE_SYSTEM_NAME=Generic",
        "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY", "-DCMAKE_C_COMPILER=arm-none-eabi-gcc",
        "-DCMAKE_C_FLAGS=-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard",
    )  # fmt: skip
    run("cmake", "--build", tmp_path / "build")
    assert len(list((tmp_path / "build").rglob("libfirst.a"))) == 1


# What ESP-IDF's and Zephyr's own CMake functions promise, by their documentation, in the least
# CMake that keeps the promise: enough to see that the package calls them rightly.
ESP_IDF = """
function(idf_component_register)
    cmake_parse_arguments(PARSE_ARGV 0 given "" "" "SRCS;INCLUDE_DIRS")
    add_library(component STATIC ${given_SRCS})
    target_include_directories(component PUBLIC ${given_INCLUDE_DIRS})
endfunction()
set(ESP_PLATFORM 1)
set(COMPONENT_LIB component)
"""
ZEPHYR = """
add_library(zephyr_interface INTERFACE)
function(zephyr_library_named name)
    add_library(${name} STATIC)
    target_link_libraries(${name} PRIVATE zephyr_interface)
    set(ZEPHYR_CURRENT_LIBRARY ${name} PARENT_SCOPE)
endfunction()
function(zephyr_library_sources)
    target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()
function(zephyr_library_compile_options)
    target_compile_options(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGV})
endfunction()
function(zephyr_include_directories folder)
    target_include_directories(zephyr_interface INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
endfunction()
set(ZEPHYR_BASE /zephyr)
"""


@pytest.mark.parametrize(
    ("surroundings", "library"),
    [
        (ESP_IDF, "libcomponent.a"),
        (ZEPHYR + "set(CONFIG_VPR_EDGE_FIRST y)\n", "libfirst.a"),
        (ZEPHYR, None),
    ],
    ids=["esp-idf", "zephyr", "zephyr, switched off"],
)
def test_the_same_cmakelists_serves_esp_idf_and_zephyr(
    folder: Path, tmp_path: Path, surroundings: str, library: str | None
) -> None:
    need("cmake")
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(outer C)\n"
        f"{surroundings}\nadd_subdirectory({folder / 'first'} first)\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build")
    log = run("cmake", "--build", tmp_path / "build", "--verbose")
    built = [path.name for path in (tmp_path / "build").rglob("*.a")]
    assert built == ([library] if library else [])
    assert log.count("-O3 -ffp-contract=off") == (len(sources(folder / "first")) if library else 0)


def test_arduino_builder_builds_the_example(folder: Path, tmp_path: Path) -> None:
    need("arduino-builder")
    hardware = Path("/usr/share/arduino/hardware")
    if not (hardware / "arduino/avr").is_dir() or not shutil.which("avr-gcc"):
        pytest.skip("arduino-core-avr or gcc-avr is not here")
    (tmp_path / "build").mkdir()
    shutil.copytree(folder / "first", tmp_path / "libraries/first")
    run(
        "arduino-builder", "-compile", "-hardware", hardware,
        "-hardware", "/usr/share/arduino-builder", "-tools", "/usr/bin",
        "-libraries", tmp_path / "libraries", "-fqbn", "arduino:avr:mega:cpu=atmega2560",
        # The core that Debian ships needs a macro that its avr-gcc lacks.
        "-prefs", "compiler.cpp.extra_flags=-DDECIMAL_DIG=9",
        "-build-path", tmp_path / "build",
        tmp_path / "libraries/first/examples/selftest/selftest.ino",
    )  # fmt: skip
    assert (tmp_path / "build/selftest.ino.elf").is_file()


# Manifests


def test_platformio_accepts_and_packs_library_json(folder: Path, tmp_path: Path) -> None:
    declared = json.loads((folder / "first/library.json").read_text())
    assert {"name", "version"} <= set(declared)  # all that PlatformIO requires
    assert (folder / "first" / declared["build"]["srcDir"] / declared["headers"]).is_file()
    pio = need("pio")
    archive = tmp_path / "first.tar.gz"
    run(
        "env",
        f"PLATFORMIO_CORE_DIR={tmp_path}",
        pio,
        "pkg",
        "pack",
        folder / "first",
        "-o",
        archive,
    )
    assert archive.is_file()


def test_the_component_manager_accepts_idf_component_yml(folder: Path) -> None:
    declared = yaml.safe_load((folder / "first/idf_component.yml").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", declared["version"])
    manager = pytest.importorskip("idf_component_tools.manager")
    manifest = manager.ManifestManager(str(folder / "first"), "first").load()
    assert str(manifest.version) == declared["version"]


def test_zephyrs_module_file_points_at_what_is_there(folder: Path) -> None:
    package = folder / "first"
    module = yaml.safe_load((package / "zephyr/module.yml").read_text())
    assert set(module) == {"name", "build"}
    assert (package / module["build"]["cmake"] / "CMakeLists.txt").is_file()
    kconfig = package / module["build"]["kconfig"]
    kconfiglib = pytest.importorskip("kconfiglib")
    symbols = kconfiglib.Kconfig(str(kconfig)).syms
    assert symbols["VPR_EDGE_FIRST"].str_value == "y"


def test_library_properties_has_every_field_that_arduino_requires(folder: Path) -> None:
    lines = (folder / "first/library.properties").read_text().splitlines()
    fields = dict(line.split("=", 1) for line in lines)
    required = {
        "name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url",
        "architectures",
    }  # fmt: skip
    assert required <= set(fields)
    assert all(fields.values())
    assert (folder / "first/src" / fields["includes"]).is_file()


def test_the_pack_description_lists_every_source_and_header(folder: Path) -> None:
    (description,) = (folder / "first").glob("*.pdsc")
    package = ElementTree.parse(description).getroot()
    named = (package.findtext("vendor"), package.findtext("name"))
    assert description.name == "{}.{}.pdsc".format(*named)
    assert [release.get("version") for release in package.iter("release")] == ["0.1.0"]
    files = {entry.get("category"): set() for entry in package.iter("file")}
    for entry in package.iter("file"):
        assert (folder / "first" / entry.get("name", "")).exists()
        files[entry.get("category")].add(Path(entry.get("name", "")).name)
    assert files["source"] == {path.name for path in sources(folder / "first")}
    assert files["header"] == {path.name for path in (folder / "first/src").rglob("*.h")}
    # Open-CMSIS-Pack's PACK.xsd is in no package registry; name a copy of it to validate.
    schema = os.environ.get("CMSIS_PACK_XSD")
    if schema:
        pytest.importorskip("xmlschema").XMLSchema(schema).validate(str(description))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (Package(version="1.0"), "three numbers"),
        (Package(vendor="a b"), "cannot name a vendor"),
        (Package(author='a"\nb'), "cannot stand in a manifest"),
        (Package(url="http://a\\b"), "cannot stand in a manifest"),
    ],
)
def test_what_cannot_stand_in_a_manifest_is_refused(
    folder: Path, tmp_path: Path, wrong: Package, sentence: str
) -> None:
    with pytest.raises(OutputError, match=sentence):
        write_firmware(folder / "first.tflite", tmp_path, "first", package=wrong)


def test_the_same_model_gives_the_same_folder(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_firmware(folder / "first.tflite", tmp_path / name, "first")
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert (
                path.read_bytes()
                == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
            )


def test_without_golden_vectors_nothing_speaks_of_a_selftest(folder: Path, tmp_path: Path) -> None:
    write_firmware(folder / "first.tflite", tmp_path / "p", "first", golden=0)
    files = [path for path in (tmp_path / "p").rglob("*") if path.is_file()]
    assert [path for path in files if "selftest" in path.read_text().lower()] == []
    assert json.loads((tmp_path / "p/manifest.json").read_text())["golden"] is None


# manifest.json


def test_the_manifest_has_each_files_sha256_and_the_models(folder: Path) -> None:
    package = folder / "first"
    manifest = json.loads((package / "manifest.json").read_text())
    files = {p.relative_to(package).as_posix(): p for p in package.rglob("*") if p.is_file()}
    del files["manifest.json"]
    assert set(manifest["files"]) == set(files)
    for name, path in files.items():
        assert manifest["files"][name]["sha256"] == sha256(path.read_bytes()).hexdigest()
    model = (folder / "first.tflite").read_bytes()
    assert manifest["model"]["sha256"] == sha256(model).hexdigest()


def test_the_manifest_says_what_the_header_says(folder: Path) -> None:
    manifest = json.loads((folder / "first/manifest.json").read_text())
    header = (folder / "first/src/first.h").read_text()
    macros = dict(re.findall(r"#define (\w+) (.+)", header))
    assert macros["FIRST_ARENA_SIZE"] == f"{manifest['arena']['bytes']}u"
    assert macros["FIRST_LAYERS"] == str(len(manifest["layers"]))
    for role in ("input", "output"):
        for port in manifest[f"{role}s"]:
            prefix = f"FIRST_{role.upper()}_{port['identifier'].upper()}"
            assert macros[f"{prefix}_OFFSET"] == f"{port['offset']}u"
            assert macros[f"{prefix}_ZERO_POINT"] == f"({port['zero_point']})"
            scale = np.float32(macros[f"{prefix}_SCALE"].rstrip("f"))
            assert scale == np.float32(port["scale"])
            assert macros[f"{prefix}_SHAPE"] == "{ " + ", ".join(map(str, port["shape"])) + " }"


def test_the_manifest_of_our_network_has_its_preprocessing(tmp_path: Path) -> None:
    export(find_checkpoint("nano-int8"), "tflite-int8", tmp_path / "t")
    write_firmware(tmp_path / "t/nano.tflite", tmp_path / "nano", "nano", golden=1)
    manifest = json.loads((tmp_path / "nano/manifest.json").read_text())
    assert manifest["preprocessing"]["resize"] == "area"
    assert manifest["inputs"][0]["shape"] == [1, 120, 160, 3]
    place = next(port for port in manifest["outputs"] if port["name"] == "place")
    assert "transform" in place
    assert sum(layer["macs"] for layer in manifest["layers"]) == manifest["macs"]


@pytest.mark.parametrize(
    ("stem", "name"),
    [("Nano-int8", "nano_int8"), ("2x", "model_2x"), ("--", "model"), ("math", "model_math")],
)
def test_a_file_name_becomes_a_name_in_c(stem: str, name: str) -> None:
    assert c_name(stem) == name


def test_a_model_cannot_hide_a_header_of_c(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="'math'"):
        write_firmware(folder / "first.tflite", tmp_path, "math")
