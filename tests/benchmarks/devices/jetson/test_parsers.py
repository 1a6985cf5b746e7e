"""What trtexec, tegrastats and a Jetson's system files say, as they were recorded (recorded/)."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest

from vpr_edge.benchmarks.devices.jetson import runner
from vpr_edge.benchmarks.devices.jetson.board import clocks_of, l4t_version, power_mode
from vpr_edge.benchmarks.devices.jetson.tegrastats import parse_line
from vpr_edge.benchmarks.devices.jetson.trtexec import figures, summary_of, version_of

RECORDED = Path(__file__).parent / "recorded"


def lines_of(name: str) -> list[str]:
    every = (RECORDED / name).read_text().splitlines()
    return [line for line in every if not line.startswith("#")]


NANO, TX2, XAVIER, ORIN, ORIN_AT_REST, ORIN_NX = lines_of("tegrastats.txt")


def test_every_rail_of_every_board_is_read() -> None:
    assert parse_line(NANO).power_mw == {
        "POM_5V_IN": 4523,
        "POM_5V_GPU": 1113,
        "POM_5V_CPU": 538,
    }
    assert parse_line(TX2).power_mw == {
        "VDD_SYS_GPU": 153,
        "VDD_SYS_SOC": 536,
        "VDD_4V0_WIFI": 633,
        "VDD_IN": 3140,
        "VDD_SYS_CPU": 536,
        "VDD_SYS_DDR": 557,
    }
    assert parse_line(XAVIER).power_mw == {
        "GPU": 463,
        "CPU": 618,
        "SOC": 2936,
        "CV": 0,
        "VDDRQ": 309,
        "SYS5V": 3306,
    }
    assert parse_line(ORIN).power_mw == {
        "VDD_GPU_SOC": 3150,
        "VDD_CPU_CV": 14312,
        "VIN_SYS_5V0": 4968,
        "VDDQ_VDD2_1V8AO": 1091,
    }


def test_the_input_rail_is_the_whole_and_no_sum_is_taken_for_it() -> None:
    totals = [parse_line(line).total_mw() for line in (NANO, TX2, XAVIER, ORIN, ORIN_NX)]
    assert totals == [4523, 3140, None, None, 4319]


def test_sensors_that_are_off_or_constant_are_no_temperatures() -> None:
    assert parse_line(ORIN_AT_REST).temperature_c == {
        "CPU": 42.593,
        "Tboard": 32,
        "SOC2": 39.343,
        "Tdiode": 33.25,
        "SOC0": 39.375,
        "tj": 42.593,
        "SOC1": 40.468,
    }
    assert "PMIC" not in parse_line(NANO).temperature_c
    assert parse_line(NANO).temperature_c["GPU"] == 43


def test_load_and_memory_are_read() -> None:
    loads = [parse_line(line).gpu_load for line in (NANO, XAVIER, ORIN, ORIN_NX)]
    assert loads == [0.99, 0.0, 0.14, 0.78]
    assert parse_line(ORIN).memory_mb == 20432


def test_a_line_of_something_else_says_nothing() -> None:
    sample = parse_line("tegrastats: command needs --help 1/2MB A@B")
    assert (sample.power_mw, sample.temperature_c, sample.gpu_load) == ({}, {}, None)


@pytest.mark.parametrize(
    ("banner", "version"),
    [
        (lines_of("trtexec_8.0.txt")[0], "8.0.0"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec --help", "8.5.2"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --help", "8.6.1"),
        (lines_of("trtexec_10.2.txt")[0], "10.2.0"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] [b17] # trtexec --help", "10.3.0"),
        ("&&&& RUNNING TensorRT.trtexec [TensorRT v101602] # trtexec --help", "10.16.2"),
        ("trtexec: not found", ""),
    ],
)
def test_the_version_is_decoded(banner: str, version: str) -> None:
    assert version_of(banner) == version


def test_the_summary_of_trtexec_10_is_read() -> None:
    summary = summary_of(lines_of("trtexec_10.2.txt"))
    assert set(summary) == {
        "Latency",
        "Enqueue Time",
        "H2D Latency",
        "GPU Compute Time",
        "D2H Latency",
    }
    assert summary["Latency"] == {
        "min": 5.38672,
        "max": 13.3664,
        "mean": 7.60628,
        "median": 7.16092,
        "percentile(90%)": 10.2996,
        "percentile(95%)": 10.8698,
        "percentile(99%)": 12.9675,
    }
    assert summary["H2D Latency"]["median"] == 0.00814819
    assert summary["D2H Latency"]["percentile(99%)"] == 0.0994873


def test_the_summary_of_trtexec_8_is_read() -> None:
    summary = summary_of(lines_of("trtexec_8.0.txt"))
    assert summary["Latency"]["percentile(99%)"] == 638.123
    assert summary["Latency"]["median"] == summary["End-to-End Host Latency"]["median"]


def times(names: tuple[str, str]) -> str:
    """A file of times as `exportJSONTrace` of TensorRT's samples writes it."""
    into, out = names
    records = []
    for run in range(200):
        start, compute = 10.0 * run, 5 + run % 7
        values = {
            "startEnqMs": start - 0.5,
            "endEnqMs": start,
            f"start{into.capitalize()}Ms": start - 0.2,
            f"end{into.capitalize()}Ms": start,
            "startComputeMs": start,
            "endComputeMs": start + compute,
            f"{into}Ms": 0.2,
            "computeMs": compute,
            f"{out}Ms": 0.1,
            "latencyMs": compute + 0.3,
        }
        inner = ", ".join(f'"{name}" : {value}' for name, value in values.items())
        records.append("{ " + inner + " }")
    return "[\n  " + "\n, ".join(records) + "\n]\n"


@pytest.mark.parametrize("names", [("h2d", "d2h"), ("in", "out")])
def test_times_become_figures_without_those_of_the_warm_up(names: tuple[str, str]) -> None:
    columns = runner.columns(json.loads(times(names)), warm_up_ms=500)
    found = {name: value for name, value, _ in figures(columns, windows=10)}
    compute = np.array([5 + run % 7 for run in range(50, 200)])
    assert found["runs"] == 150
    assert found["gpu_compute_median_ms"] == np.median(compute)
    assert found["gpu_compute_p99_ms"] == pytest.approx(np.percentile(compute, 99))
    assert found["latency_median_ms"] == pytest.approx(np.median(compute) + 0.3)
    assert found["latency_p95_ms"] == pytest.approx(np.percentile(compute, 95) + 0.3)
    assert (found["h2d_median_ms"], found["d2h_median_ms"]) == (0.2, 0.1)


def test_the_spread_is_that_of_the_windows_medians() -> None:
    start = np.arange(100.0)
    steady = {"start": start, "latency": np.tile([1.0, 3.0], 50)}
    drifting = {"start": start, "latency": 1 + (start >= 50)}
    assert dict((n, v) for n, v, _ in figures(steady, 10))["latency_spread_ms"] == 0
    assert dict((n, v) for n, v, _ in figures(drifting, 10))["latency_spread_ms"] == 1


def test_the_system_is_named_as_its_files_name_it() -> None:
    release = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64"
    assert l4t_version(release) == "36.4.3"
    assert l4t_version("") == ""
    assert power_mode("NV Power Mode: MAXN\n0") == "MAXN"
    assert power_mode("NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W\n2") == "MODE_15W"
    held = {"cpu": ["1510400", "1510400"], "gpu": ["306000000", "624750000"]}
    assert clocks_of(json.dumps(held)) == "cpu held at 1510 MHz, gpu free between 306 and 625 MHz"
    assert clocks_of(json.dumps({"cpu": ["", ""]})) == ""


def test_the_runner_is_python_3_6_and_needs_nothing_else() -> None:
    source = Path(runner.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 6))
    outside = [
        name.name
        for node in tree.body
        if isinstance(node, ast.Import)
        for name in node.names
        if name.name in ("numpy", "onnxruntime") or name.name.startswith("vpr_edge")
    ]
    assert outside == []
    assert not any(word in source for word in ("capture_output", "text=True", "removeprefix"))
