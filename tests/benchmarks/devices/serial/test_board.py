"""A board on a serial port: the example firmware, on this PC and emulated, behind a terminal."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.examples.test_firmware import EXAMPLE, Bench, emulate
from vpr_edge.benchmarks.devices.serial import board as serial_board
from vpr_edge.benchmarks.devices.serial.board import bench_serial
from vpr_edge.benchmarks.devices.serial.messages import About
from vpr_edge.benchmarks.results import Facts, Measured
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DeviceError, ModelError, ToolMissingError
from vpr_edge.firmware_bridge.emulate.cores import core_named
from vpr_edge.firmware_bridge.emulate.toolchain import QEMU, choose_toolchain
from vpr_edge.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The firmware's sources with a map of places that are smooth random pictures."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 6, 8, 3)).astype(np.uint8)
    pictures = [Preprocessing(120, 160).fit(picture) for picture in coarse]
    return Bench(tmp_path_factory.mktemp("serial"), pictures)


@pytest.fixture(scope="module")
def program(bench: Bench) -> Path:
    """The firmware for this PC."""
    compiler = shutil.which("gcc") or pytest.skip("gcc is not here")
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"]
    flags += [f"-I{folder}" for folder in emulate.include(bench.nano, bench.places)]
    sources = [*emulate.sources(bench.nano, bench.places), EXAMPLE / "board_pc.c"]
    path = bench.folder / "firmware"
    subprocess.run([*map(str, [compiler, *flags, *sources]), "-lm", "-o", str(path)], check=True)
    return path


@contextmanager
def behind_a_terminal(command: list[str]) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The name of a terminal that a program reads and writes the other end of, and the program."""
    master, slave = os.openpty()
    board = subprocess.Popen(command, stdin=master, stdout=master, start_new_session=True)
    # Whoever has the board's end besides would keep the line up when the board is gone.
    os.close(master)
    try:
        yield os.ttyname(slave), board
    finally:
        os.close(slave)
        with suppress(ProcessLookupError):
            os.killpg(board.pid, signal.SIGKILL)
        board.wait()


def figures_of(found: Iterator[Measured]) -> dict[str, float]:
    return {row.metric: row.value for row in found if isinstance(row, Row)}


def model_of(bench: Bench) -> Path:
    return bench.folder / "tflite/nano.tflite"


def test_a_board_answers_as_the_host_and_is_timed_by_its_counter(
    bench: Bench, program: Path
) -> None:
    with behind_a_terminal([str(program)]) as (port, _):
        found = list(bench_serial(model_of(bench), port, 3, bench.host.places))
    assert {one.device for one in found} == {f"serial:{port}"}
    facts = next(one for one in found if isinstance(one, Facts))
    assert facts.values == {"protocol": "2", "ticks_hz": "1000000"}
    figures = figures_of(iter(found))
    assert (figures["oracle_unequal_elements"], figures["oracle_max_lsb"]) == (0, 0)
    assert figures["place_unequal_answers"] == 0
    assert (figures["runs"], figures["frames"]) == (3, 3)
    # A tick is a microsecond of this PC's processor.
    assert figures["latency_median_ms"] == pytest.approx(figures["ticks_median"] / 1e3)
    assert 0 < figures["latency_median_ms"] <= figures["frame_round_trip_p99_ms"]


def test_a_wrong_map_is_found_out(bench: Bench, program: Path) -> None:
    places = bench.host.places
    wrong = type(places)(
        places.descriptors[::-1], places.bias[::-1], places.unit, places.ids, places.labels
    )
    with behind_a_terminal([str(program)]) as (port, _):
        figures = figures_of(bench_serial(model_of(bench), port, 2, wrong))
    assert figures["place_unequal_answers"] == 2


def test_an_emulated_microcontroller_behind_the_terminal(bench: Bench, tmp_path: Path) -> None:
    try:
        choose_toolchain(core_named("cortex-m4"), "gcc+qemu")
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    image = emulate.build("cortex-m4", bench.nano, bench.places, tmp_path, "gcc+qemu")
    machine = [
        *(QEMU, "-machine", image.core.board.qemu_machine, "-kernel", str(image.path)),
        *("-semihosting-config", "enable=on,target=native", "-nodefaults", "-display", "none"),
        *("-monitor", "none", "-chardev", "stdio,id=uart,signal=off", "-serial", "chardev:uart"),
        *("-serial", "null"),
    ]
    # The emulated board is first told how many bytes are to come: more than will.
    # QEMU makes its ends of the line non-blocking, which only pipes between bear.
    script = r"""(printf '\377\377\377\377'; exec cat) | "$@" | cat"""
    with behind_a_terminal(["sh", "-c", script, "sh", *machine]) as (port, _):
        found = bench_serial(model_of(bench), port, 1, bench.host.places, frame_size=(60, 80))
        figures = figures_of(found)
    assert (figures["oracle_unequal_elements"], figures["place_unequal_answers"]) == (0, 0)
    # It has no counter, so the network is not timed.
    assert "ticks_median" not in figures and "latency_median_ms" not in figures


def test_rows_are_kept_when_the_board_vanishes(bench: Bench, program: Path) -> None:
    rows = []
    with (
        behind_a_terminal([str(program)]) as (port, board),
        pytest.raises(DeviceError, match=f"the serial port {port} is gone"),
    ):
        for one in bench_serial(model_of(bench), port, 2):
            rows.append(one)
            if isinstance(one, Row) and one.metric == "runs":
                board.kill()
                board.wait()
    assert "oracle_unequal_elements" in figures_of(iter(rows))


def test_a_board_that_says_nothing_is_one_sentence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_board, "GREETING_SECONDS", 0.1)
    with (
        behind_a_terminal(["sh", "-c", "exec cat >/dev/null"]) as (port, _),
        pytest.raises(DeviceError, match=f"the board on {port} does not answer; see that"),
    ):
        list(bench_serial(model_of(bench), port))


def test_a_board_with_another_network_is_one_sentence(bench: Bench, program: Path) -> None:
    host = serial_board._Host(model_of(bench))
    other = About(2, 96, 96, 96 * 96 * 3, 5, 1000, 0, 0, 0)
    with pytest.raises(DeviceError, match="carries another network than"):
        host.check(other, "serial:/dev/ttyACM0")


@pytest.mark.parametrize(
    ("port", "sentence"),
    [
        ("/dev/no-such-port", "does not open"),
        ("/dev/null", "is no serial port"),
        ("/dev/ttyACM0@fast", "is no number"),
        ("/dev/ttyACM0@12345", "has no speed of 12345 baud"),
    ],
)
def test_a_port_that_cannot_be_used_is_one_sentence(bench: Bench, port: str, sentence: str) -> None:
    with pytest.raises(DeviceError, match=sentence):
        list(bench_serial(model_of(bench), port))


def test_only_tflite_files_are_compared_with_a_board() -> None:
    with pytest.raises(ModelError, match="--target tflite-int8"):
        list(bench_serial(Path("nano.onnx"), "/dev/ttyACM0"))


def test_the_answer_of_the_first_protocol_is_understood() -> None:
    old = About.parse(bytes([1]) + bytes(24))
    assert (old.protocol, old.ticks_hz) == (1, 0)
    with pytest.raises(DeviceError, match="has 24 bytes"):
        About.parse(bytes([2]) + bytes(23))


def test_the_cycle_counter_compiles_for_the_cores_that_have_it(tmp_path: Path) -> None:
    compiler = shutil.which("arm-none-eabi-gcc") or pytest.skip("arm-none-eabi-gcc is not here")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
    source = EXAMPLE / "board_ticks_dwt.c"
    for core in ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"):
        target = [f"-mcpu={core}", "-mthumb", "-DCPU_HZ=120000000u"]
        subprocess.run(
            [compiler, *flags, *target, "-c", source, "-o", tmp_path / f"{core}.o"], check=True
        )
