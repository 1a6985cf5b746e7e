"""`bench --device jetson`: an artefact on a Jetson, from there or from a workstation over SSH.

An int8 artefact is timed as such and, for comparison, without rounding in FP16. What is measured is
yielded at once, so that it is kept when the device vanishes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vpr_edge.benchmarks.devices.jetson.board import facts_of
from vpr_edge.benchmarks.devices.jetson.connection import Event, events
from vpr_edge.benchmarks.devices.jetson.tegrastats import Sample, parse_line
from vpr_edge.benchmarks.devices.jetson.trtexec import figures, summary_of
from vpr_edge.benchmarks.devices.latency import Protocol
from vpr_edge.benchmarks.results import Facts, Measured, Series
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DeviceError, ModelError, OutputError, ToolMissingError, VprEdgeError
from vpr_edge.export.onnx import write_onnx, write_qdq_onnx
from vpr_edge.export.tensorrt import BUILD_FLAGS, read_onnx, tensorrt_forms
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.quantize.model import Int8Model
from vpr_edge.scratch import ScratchFolder

RUNTIMES = ("tensorrt", "onnxruntime-tensorrt", "onnxruntime-cuda", "onnxruntime-cpu")
WARM_UP_MS = 500
_PRECISION = {"int8": "int8", "float": "fp16"}


def bench_jetson(
    path: Path, host: str | None = None, protocol: Protocol | None = None, runtime: str = ""
) -> Iterator[Measured]:
    """Measure an artefact on a Jetson.

    Args:
        path: ONNX, float or QDQ with zero points 0, or a checkpoint.
        host: `user@address` of the device; None where this machine is the Jetson. A host that is
            no Jetson is measured too, and named as what it is.
        protocol: its windows make up the time that is measured.
        runtime: one of `RUNTIMES`; by default the best that is there, on a Jetson not its CPU.

    Yields:
        Facts of the device; for each form of the artefact its rows and the series of its sensors.

    Raises:
        ModelError: the artefact is of another kind, or has zero points other than 0, or the
            device cannot build or run it.
        DeviceError: the device is no Jetson, unreachable, refuses, or vanished.
        OutputError: the device's disk is full.
        ToolMissingError: there is no runtime on the device.
    """
    told = protocol or Protocol()
    forms = tensorrt_forms(_as_onnx(path), path)
    models = {form: model.SerializeToString() for form, model in forms.items()}
    given = _input(forms["float"])
    order = {
        "needs_jetson": host is None,
        "runtime": runtime,
        "seconds": told.windows * told.seconds,
        "warm_up_ms": WARM_UP_MS,
        "input": given and {"name": given.name, **_sent("input.bin", given.data)},
        "models": [
            {"form": form, "flags": BUILD_FLAGS[form], "precision": _PRECISION[form]}
            | _sent(f"{form}.onnx", model)
            for form, model in models.items()
        ],
    }
    payload = [*([given.data] if given else []), *models.values()]
    session = _Session(path, host, told.windows, models, given)
    failures = []
    with events(host, order, payload) as heard:
        for event in heard:
            if event["event"] == "failed":
                failures.append(session.failure(event))
            else:
                yield from session.measured(event)
    if failures:
        raise type(failures[0])(" ".join(map(str, failures)))


@dataclass(frozen=True)
class _Input:
    """What the device's answers are compared on."""

    name: str
    values: NDArray[np.float32]

    @property
    def data(self) -> bytes:
        """The values as the runner reads them."""
        return self.values.astype("<f4").tobytes()


def _sent(file: str, data: bytes) -> dict[str, Any]:
    return {"file": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


class _Session:
    """What the events of one run mean."""

    def __init__(
        self,
        path: Path,
        host: str | None,
        windows: int,
        models: dict[str, bytes],
        given: _Input | None,
    ) -> None:
        self.path, self.host, self.windows = path, host, windows
        self.models, self.given = models, given
        self.where = host or "this machine"
        self.base = ""
        self.device = ""
        self.samples: list[tuple[float, Sample]] = []

    def measured(self, event: Event) -> Iterator[Measured]:
        """What one event tells."""
        match event["event"]:
            case "about":
                kind = "jetson" if event["is_jetson"] else "remote"
                self.base = f"{kind} {self.host.removeprefix('ssh://')}" if self.host else kind
                yield Facts(self.base, facts_of(event["facts"]))
            case "engine":
                yield from self._begins(event)
                yield self._row("engine_bytes", event["bytes"], "bytes")
                if not event["cached"]:
                    yield self._row("engine_build_ms", event["seconds"] * 1e3, "ms")
            case "session":
                yield from self._begins(event)
                yield self._row("first_call_ms", event["first_ms"], "ms")
            case "sample":
                self.samples.append((event["seconds"], parse_line(event["line"])))
            case "times":
                yield from self._times(event)
            case "outputs":
                yield from self._agreement(event)

    def failure(self, event: Event) -> VprEdgeError:
        """The sentence for what the device could not do."""
        reason = str(event["reason"]).rstrip(".")
        match event["kind"]:
            case "disk":
                return OutputError(
                    f"the disk of {self.where} is full ({reason}); free some space there, or point "
                    "TMPDIR and XDG_CACHE_HOME there to a larger one."
                )
            case "missing":
                return ToolMissingError(
                    f"{self.where} lacks the runtime (it has: {reason}); install TensorRT with its "
                    "trtexec there (on a Jetson: apt-get install nvidia-jetpack) or ONNX Runtime, "
                    "or name one that it has by --runtime."
                )
            case "no_jetson":
                return DeviceError(
                    f"this machine ({reason}) is no Jetson; pass --host user@address of one, or "
                    "measure here by --device host."
                )
            case "system":
                return DeviceError(f"{self.where} cannot hold the model: {reason}; correct that.")
        return ModelError(
            f"{self.path} as {event['label'] or 'sent'} does not run on {self.where}: {reason}; "
            "export it again, or choose another runtime by --runtime."
        )

    def _begins(self, event: Event) -> Iterator[Measured]:
        self.device = f"{self.base}/{event['runtime']}-{event['precision']}"
        self.samples = []
        known = [name for name in ("version", "threads", "path") if name in event]
        yield Facts(self.device, {name: str(event[name]) for name in known})

    def _times(self, event: Event) -> Iterator[Measured]:
        columns: dict[str, Any] = event["columns"]
        if not columns.get("latency"):
            raise ModelError(f"{self.where} counted no run of {self.path}; measure for longer.")
        for metric, value, unit in figures(columns, self.windows):
            yield self._row(metric, value, unit)
        summary = summary_of(event["log"]).get("Latency")
        if summary:
            yield self._row("trtexec_latency_median_ms", summary["median"], "ms")
        span = columns["start"][-1] - columns["start"][0] + columns["latency"][-1]
        yield from self._sensors(span / 1e3 / len(columns["start"]))

    def _agreement(self, event: Event) -> Iterator[Measured]:
        """The cosine of each output with that of ONNX Runtime on this machine."""
        import onnxruntime

        assert self.given
        session = onnxruntime.InferenceSession(self.models[event["label"]])
        names = [entry.name for entry in session.get_outputs()]
        expected = session.run(names, {self.given.name: self.given.values})
        for name, values in zip(names, expected, strict=True):
            here, there = values.ravel(), np.asarray(event["values"][name], np.float64)
            if here.shape != there.shape:
                raise ModelError(
                    f"{self.where} computes {there.size} values of {name} of {self.path}, not "
                    f"{here.size}; report the model."
                )
            lengths = float(np.linalg.norm(here) * np.linalg.norm(there))
            cosine = float(here @ there) / lengths if lengths else 0.0
            yield self._row(f"reference_cosine_{name}", cosine, "fraction")

    def _sensors(self, seconds_a_run: float) -> Iterator[Measured]:
        """Power and temperature over the measurement."""
        watched = {
            "power_mw": ("mW", [s.power_mw for _, s in self.samples]),
            "temperature_c": ("C", [s.temperature_c for _, s in self.samples]),
        }
        times = tuple(seconds for seconds, _ in self.samples)
        for what, (unit, every) in watched.items():
            for name in every[0] if every else ():
                values = tuple(one.get(name, float("nan")) for one in every)
                metric = f"{name}_{what}"
                yield Series(self.path.name, self.device, metric, unit, times, values)
                yield self._row(f"{metric}_max", float(np.nanmax(values)), unit)
        totals = [sample.total_mw() for _, sample in self.samples]
        known = [total for total in totals if total is not None]
        if known:
            yield self._row("power_mw_mean", float(np.mean(known)), "mW")
            yield self._row("energy_per_run_mj", float(np.mean(known)) * seconds_a_run, "mJ")

    def _row(self, metric: str, value: float, unit: str) -> Row:
        return Row(self.path.name, self.device, "", metric, float(value), unit, "measured")


def _input(model: onnx.ModelProto) -> _Input | None:
    """A random picture for a network with one float input; None for others."""
    entries = model.graph.input
    if len(entries) != 1 or entries[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        return None
    shape = [size.dim_value or 1 for size in entries[0].type.tensor_type.shape.dim]
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    return _Input(entries[0].name, pixels * np.float32(1 / 255))


def _as_onnx(path: Path) -> onnx.ModelProto:
    if path.suffix == ".onnx":
        return read_onnx(path)
    if path.suffix != ".safetensors":
        raise ModelError(
            f"{path} does not run on a Jetson; give ONNX (vpr-edge export --target tensorrt) or a "
            "checkpoint of vpr-edge quantize --symmetric."
        )
    checkpoint = load_checkpoint(path)
    with ScratchFolder("jetson") as folder:
        target = folder / "model.onnx"
        if checkpoint.kind == "float":
            return read_onnx(write_onnx(checkpoint, target))
        return read_onnx(write_qdq_onnx(Int8Model.from_checkpoint(checkpoint), target))
