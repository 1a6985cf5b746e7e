# ruff: noqa: UP006, UP031, UP035, UP045
"""Runs on the device: builds engines, times them, and says what the board says meanwhile.

`connection` sends this file to the device's own Python, 3.6 or later, which needs nothing else.
Standard input holds a line of JSON (the order), then the bytes of an input and of each model, and
stays open as long as somebody waits: when it ends, this program kills what it started, removes its
folder and ends too. Standard output holds events, each a line of MARK and JSON; what a login shell
prints besides is no event. Nothing is parsed here that can be parsed on the other side.
"""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, Any, Dict, List, Optional

MARK = "vpr-edge:"
TRTEXEC_FOLDER = "/usr/src/tensorrt/bin"
SAMPLE_MS = 100
# In trtexec's file of times until TensorRT 8.0, and since.
COLUMNS = (
    ("start", ("startComputeMs",)),
    ("latency", ("latencyMs",)),
    ("compute", ("computeMs",)),
    ("h2d", ("inMs", "h2dMs")),
    ("d2h", ("outMs", "d2hMs")),
)
# As ONNX Runtime names them, and what the float model is computed in.
PROVIDERS = {
    "onnxruntime-tensorrt": ("TensorrtExecutionProvider", "fp16"),
    "onnxruntime-cuda": ("CUDAExecutionProvider", "fp32"),
    "onnxruntime-cpu": ("CPUExecutionProvider", "fp32"),
}

_speaking = threading.Lock()
_children = []  # type: List[subprocess.Popen[Any]]


class Failure(Exception):
    """What could not be done, and of which kind: "disk", "missing" or "model"."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def say(event: str, **values: Any) -> None:
    """Send an event."""
    line = MARK + json.dumps(dict(values, event=event)) + "\n"
    with _speaking:
        sys.stdout.write(line)
        sys.stdout.flush()


def text_of(command: List[str]) -> str:
    """What a program prints; "" where it is missing or fails."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def file_text(path: str) -> str:
    """A file's text without its trailing zeros; "" where it cannot be read."""
    try:
        with open(path, errors="replace") as stream:
            return stream.read().strip("\0\n ")
    except OSError:
        return ""


def about() -> Dict[str, str]:
    """What the system says of itself, unparsed."""
    clocks = {}
    for path in glob.glob("/sys/class/devfreq/*"):
        if any(word in path for word in ("gpu", "gv11b", "ga10b", "gp10b", "gm20b")):
            clocks["gpu"] = [file_text(path + "/" + name) for name in ("min_freq", "max_freq")]
    cpu = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_"
    clocks["cpu"] = [file_text(cpu + name) for name in ("min_freq", "max_freq")]
    return {
        "model": file_text("/proc/device-tree/model"),
        "release": file_text("/etc/nv_tegra_release"),
        "jetpack": text_of(["dpkg-query", "-W", "-f", "${Version}", "nvidia-jetpack"]),
        "nvpmodel": text_of(["nvpmodel", "-q"]),
        "clocks": json.dumps(clocks),
        "gpu": text_of(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "python": "%d.%d.%d" % sys.version_info[:3],
        "tensorrt": trtexec_banner(),
    }


def trtexec() -> Optional[str]:
    """The path of trtexec, which JetPack keeps off the PATH."""
    return shutil.which("trtexec") or shutil.which("trtexec", path=TRTEXEC_FOLDER)


def trtexec_banner() -> str:
    """The line in which trtexec names its version; "" where there is none."""
    program = trtexec()
    if not program:
        return ""
    found = [line for line in text_of([program, "--help"]).splitlines() if "TensorRT v" in line]
    return found[0] if found else ""


def receive(stream: IO[bytes], path: str, size: int, digest: str) -> None:
    """Write the next bytes of a stream to a file."""
    seen = hashlib.sha256()
    with open(path, "wb") as target:
        while size:
            part = stream.read(min(size, 1 << 16))
            if not part:
                raise Failure("model", "the connection ended before the model was whole")
            seen.update(part)
            target.write(part)
            size -= len(part)
    if seen.hexdigest() != digest:
        raise Failure("model", "the model arrived with other bytes")


def run(command: List[str], folder: str) -> str:
    """What a program prints.

    Raises:
        Failure: it failed; with the line that says why.
    """
    # In a group of its own, so that it can be killed with all that it starts.
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        cwd=folder, start_new_session=True,
    )  # fmt: skip
    _children.append(child)
    try:
        text = child.communicate()[0].decode(errors="replace")
    finally:
        _children.remove(child)
    if child.returncode:
        lines = [line for line in text.splitlines() if line.strip()] or ["no message"]
        errors = [line for line in lines if "[E]" in line] or lines[-1:]
        if "No space left" in text or not shutil.disk_usage(folder).free:
            raise Failure("disk", folder)
        raise Failure("model", f"{os.path.basename(command[0])}: {errors[0][:300]}")
    return text


class Sampler:
    """Sends what tegrastats prints while the block runs, each line with its time."""

    def __init__(self, program: Optional[str], label: str) -> None:
        self.program, self.label = program, label
        self.child = None  # type: Optional[subprocess.Popen[bytes]]

    def __enter__(self) -> "Sampler":
        if self.program:
            self.child = subprocess.Popen(
                [self.program, "--interval", str(SAMPLE_MS)],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            _children.append(self.child)
            self.thread = threading.Thread(target=self._forward, daemon=True)
            self.thread.start()
        return self

    def _forward(self) -> None:
        begun = time.monotonic()
        assert self.child and self.child.stdout
        for line in self.child.stdout:
            text = line.decode(errors="replace").strip()
            say("sample", label=self.label, seconds=round(time.monotonic() - begun, 3), line=text)

    def __exit__(self, *_: Any) -> None:
        if self.child:
            kill(self.child)
            self.thread.join()
            _children.remove(self.child)


def kill(child: "subprocess.Popen[Any]") -> None:
    """End a program and all that it started."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def columns(records: List[Dict[str, float]], warm_up_ms: float) -> Dict[str, List[float]]:
    """Trtexec's file of times by column, in milliseconds, without what it ran to warm up."""
    counted = [record for record in records if record["startComputeMs"] >= warm_up_ms]
    found = {}
    for name, keys in COLUMNS:
        for key in keys:
            if counted and key in counted[0]:
                found[name] = [round(record[key], 5) for record in counted]
    return found


def time_engine(order: Dict[str, Any], model: Dict[str, Any], folder: str, system: str) -> None:
    """Build an engine where none like it is kept, and time it."""
    program = trtexec() or ""
    version = trtexec_banner()
    parts = [model["sha256"], version, system, " ".join(model["flags"])]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
    kept = os.path.join(order["cache"], key + ".engine")
    label = model["form"]
    cached = os.path.exists(kept)
    seconds = 0.0
    if not cached:
        os.makedirs(order["cache"], exist_ok=True)
        scratch = f"{kept}.{os.getpid()}"
        begun = time.monotonic()
        options = ["--onnx=" + model["path"], "--saveEngine=" + scratch, *model["flags"]]
        try:
            # One run, for the flag that leaves it out has changed its name.
            run([program, *options, "--warmUp=0", "--duration=0", "--iterations=1"], folder)
            os.replace(scratch, kept)
        finally:
            if os.path.exists(scratch):
                os.unlink(scratch)
        seconds = time.monotonic() - begun
    say("engine", label=label, runtime="tensorrt", precision=model["precision"], path=kept,
        cached=cached, seconds=round(seconds, 3), bytes=os.path.getsize(kept))  # fmt: skip
    times = os.path.join(folder, "times.json")
    with Sampler(shutil.which("tegrastats"), label):
        text = run(
            [
                program,
                "--loadEngine=" + kept,
                f"--warmUp={order['warm_up_ms']}",
                f"--duration={max(1, round(order['seconds']))}",
                "--exportTimes=" + times,
            ],
            folder,
        )
    with open(times) as stream:
        found = columns(json.load(stream), order["warm_up_ms"])
    os.unlink(times)
    summary = [line for line in text.splitlines() if "Latency:" in line or "Throughput:" in line]
    say("times", label=label, columns=found, log=summary)
    if order["input"]:
        say("outputs", label=label, values=engine_outputs(order["input"], kept, folder))


def engine_outputs(given: Dict[str, Any], engine: str, folder: str) -> Dict[str, List[float]]:
    """What an engine computes of the input that was sent, by output."""
    answers = os.path.join(folder, "outputs.json")
    options = ["--loadEngine=" + engine, "--warmUp=0", "--duration=0", "--iterations=1"]
    options += [f"--loadInputs={given['name']}:{given['path']}", "--exportOutput=" + answers]
    run([trtexec() or "", *options], folder)
    with open(answers) as stream:
        return {entry["name"]: entry["values"] for entry in json.load(stream)}


def time_session(order: Dict[str, Any], model: Dict[str, Any], folder: str, name: str) -> None:
    """Time a model in ONNX Runtime, on one thread of the CPU or on the GPU."""
    import numpy
    import onnxruntime

    provider, precision = PROVIDERS[name]
    settings = {}  # type: Dict[str, Any]
    if name == "onnxruntime-tensorrt":
        os.makedirs(order["cache"], exist_ok=True)
        settings = {
            "trt_fp16_enable": True,
            "trt_int8_enable": model["form"] == "int8",
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": order["cache"],
        }
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            model["path"], options, providers=[(provider, settings)]
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        raise Failure("model", "ONNX Runtime: " + " ".join(str(error).split())[:300]) from error
    if session.get_providers()[0] != provider:
        raise Failure("model", f"ONNX Runtime has {provider}, but not the libraries it needs")
    random = numpy.random.RandomState(0)
    fed = {
        entry.name: random.rand(
            *(size if isinstance(size, int) else 1 for size in entry.shape)
        ).astype(numpy.float32)
        for entry in session.get_inputs()
    }
    begun = time.perf_counter()
    session.run(None, fed)
    first = time.perf_counter() - begun
    if model["form"] == "int8":
        precision = "int8"
    label = model["form"]
    say("session", label=label, runtime=name, precision=precision, version=onnxruntime.__version__,
        threads=1, first_ms=round(first * 1e3, 3))  # fmt: skip
    starts = []  # type: List[float]
    latencies = []  # type: List[float]
    end = time.perf_counter() + order["warm_up_ms"] / 1e3
    while time.perf_counter() < end:
        session.run(None, fed)
    with Sampler(shutil.which("tegrastats"), label):
        origin = time.perf_counter()
        while not starts or starts[-1] < order["seconds"] * 1e3:
            before = time.perf_counter()
            session.run(None, fed)
            latencies.append(round((time.perf_counter() - before) * 1e3, 5))
            starts.append(round((before - origin) * 1e3, 5))
    say("times", label=label, columns={"start": starts, "latency": latencies}, log=[])
    if order["input"]:
        (entry,) = session.get_inputs()
        given = numpy.fromfile(order["input"]["path"], numpy.float32).reshape(fed[entry.name].shape)
        found = session.run(None, {entry.name: given})
        names = [output.name for output in session.get_outputs()]
        values = {name: found[at].ravel().tolist() for at, name in enumerate(names)}
        say("outputs", label=label, values=values)


def choose_runtime(wanted: str, with_cpu: bool) -> str:
    """The runtime to use: the one that is wanted, else the best that is here.

    The figures of its CPU are not what a Jetson is measured for: only who asks for them gets them.

    Raises:
        Failure: it is not here, or none is.
    """
    found = ["tensorrt"] if trtexec() else []
    try:
        import numpy  # noqa: F401
        import onnxruntime

        here = onnxruntime.get_available_providers()
        found += [name for name in PROVIDERS if PROVIDERS[name][0] in here]
    except ImportError:
        pass
    if wanted in found:
        return wanted
    rest = [name for name in found if with_cpu or name != "onnxruntime-cpu"]
    if not wanted and rest:
        return rest[0]
    raise Failure("missing", ", ".join(found) or "none")


def watch(folder: str) -> None:
    """Tidy up and end as soon as nobody waits any more."""
    # Not through the buffered stream, whose lock would be held when the interpreter ends.
    while os.read(0, 1):
        pass
    for child in list(_children):
        kill(child)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def serve(stream: IO[bytes], folder: str) -> None:
    """Take the order, say what this system is, and time every model."""
    order = json.loads(stream.readline().decode())
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    order["cache"] = os.path.join(cache, "vpr-edge", "engines")
    system = about()
    if order["needs_jetson"] and not is_jetson(system):
        raise Failure("no_jetson", system["model"] or system["machine"])
    say("about", facts=system, is_jetson=is_jetson(system))
    for sent in ([order["input"]] if order["input"] else []) + order["models"]:
        sent["path"] = os.path.join(folder, sent["file"])
        receive(stream, sent["path"], sent["bytes"], sent["sha256"])
    threading.Thread(target=watch, args=(folder,), daemon=True).start()
    name = choose_runtime(order["runtime"], not is_jetson(system))
    for model in order["models"]:
        try:
            if name == "tensorrt":
                time_engine(order, model, folder, system["model"] or system["gpu"])
            else:
                time_session(order, model, folder, name)
        except Failure as failure:
            say("failed", label=model["form"], kind=failure.kind, reason=failure.reason)
            if failure.kind == "disk":
                return


def is_jetson(system: Dict[str, str]) -> bool:
    """Whether this is a Jetson, by what NVIDIA's system image puts on one."""
    return bool(system["release"]) or "Jetson" in system["model"]


def interrupted(number: int, _frame: Any) -> None:
    """Leave by way of every `finally`."""
    raise SystemExit(128 + number)


def main() -> None:
    """Serve one order from standard input."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    folder = ""
    try:
        folder = tempfile.mkdtemp(prefix="vpr-edge-")
        # So that what libraries leave behind goes with it.
        os.environ["TMPDIR"] = folder
        serve(sys.stdin.buffer, folder)
    except Failure as failure:
        say("failed", label="", kind=failure.kind, reason=failure.reason)
    except OSError as error:
        full = error.errno in (28, 122)  # ENOSPC, EDQUOT
        say("failed", label="", kind="disk" if full else "system", reason=str(error))
    finally:
        for child in list(_children):
            kill(child)
        shutil.rmtree(folder, ignore_errors=True)
    say("done")


if __name__ == "__main__":
    main()
