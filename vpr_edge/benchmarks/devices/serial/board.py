"""`bench --device serial:PORT`: a real board with the firmware of examples/firmware on it.

The board answers what its network and its map of places answer; its outputs are compared with those
of TensorFlow Lite Micro, and it is timed by its own counter. How long a frame takes over the line
is told apart: at 115,200 baud that is mostly the line.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.devices.serial.messages import About, Device
from vpr_edge.benchmarks.devices.serial.port import BAUD, SerialPort
from vpr_edge.benchmarks.results import Facts, Measured
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import DeviceError, ModelError
from vpr_edge.firmware_bridge.vision.camera import PixelFormat, camera_input
from vpr_edge.firmware_bridge.vision.decode_model import decoding_of
from vpr_edge.places.device_map import DeviceMap
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.tflite.read import read_metadata, read_tflite
from vpr_edge.tflite.tflm import Tflm

RUNS = 5
GREETINGS = 3
GREETING_SECONDS = 3.0
Figure = tuple[str, float, str]
T = TypeVar("T")


def bench_serial(
    path: Path,
    port: str,
    runs: int = RUNS,
    places: DeviceMap | None = None,
    frame_size: tuple[int, int] | None = None,
) -> Iterator[Measured]:
    """Measure the firmware on a board.

    Args:
        path: the int8 TFLite file that the firmware was made of.
        port: of the board, as "/dev/ttyACM0" or "/dev/ttyUSB0@921600" with its baud.
        runs: how many inputs, and how many frames.
        places: the board's map, to compare its answers with those of the host; None leaves that
            out.
        frame_size: height and width of the frames; by default those of the network's input.

    Yields:
        What the board says of itself, then figures of the network, then of frames.

    Raises:
        ModelError: the artefact is no TFLite file of an exported network.
        DeviceError: the port does not open, or the board does not answer, vanishes, or carries
            another network.
    """
    if path.suffix != ".tflite":
        raise ModelError(
            f"{path} does not run on a microcontroller; export it first (vpr-edge export "
            "--target tflite-int8) and give the .tflite file."
        )
    host = _Host(path)
    name, _, baud = port.partition("@")
    if baud and not baud.isdigit():
        raise DeviceError(f"the speed {baud!r} of {name} is no number; give {name}@115200.")
    with SerialPort(Path(name), int(baud or BAUD)) as line:
        board = Device(line.write, line.read)
        about = _greet(line, board)
        device = f"serial:{name}"
        yield Facts(device, {"protocol": str(about.protocol), "ticks_hz": str(about.ticks_hz)})
        host.check(about, device)

        def rows(figures: Iterable[Figure]) -> Iterator[Row]:
            for metric, value, unit in figures:
                yield Row(path.name, device, "", metric, float(value), unit, "measured")

        yield from rows([("arena_bytes", about.arena_bytes, "bytes")])
        yield from rows(_network(host, board, about, runs))
        if about.places:
            yield from rows(_frames(host, board, runs, places, frame_size))


class _Host:
    """What this machine answers to the same inputs and frames."""

    def __init__(self, path: Path) -> None:
        file, metadata = read_tflite(path), read_metadata(path)
        try:
            self.preprocessing = Preprocessing(**metadata["preprocessing"])
            self.place_at = [tensor.name for tensor in file.outputs].index("place")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{path} declares no preprocessing or has no output 'place'; give the file that "
                "the firmware was made of, exported by vpr-edge."
            ) from error
        self.path, self.oracle = path, Tflm(path)
        self.shape, self.outputs = file.inputs[0].shape, len(file.outputs)
        self.transform = decoding_of(path).place

    def check(self, about: About, device: str) -> None:
        """Refuse a board with another network."""
        height, width = self.shape[1:3]
        here = (height, width, int(np.prod(self.shape)), self.outputs)
        there = (about.height, about.width, about.input_bytes, about.outputs)
        if here != there:
            raise DeviceError(
                f"{device} carries another network than {self.path} (input {there[0]}x{there[1]} "
                f"and {there[3]} outputs, not {height}x{width} and {here[3]}); flash the firmware "
                "that was made of this file."
            )

    def place(
        self, frame: NDArray[np.uint8], pixel_format: PixelFormat, places: DeviceMap
    ) -> tuple[int, int]:
        """Id and score of the best place."""
        image = camera_input(frame, pixel_format, self.preprocessing)
        found = self.oracle.run(image[None])[self.place_at]
        assert self.transform
        rows, scores = places.search(self.transform.describe(found, places.unit), 1)
        return int(places.ids[rows[0]]), int(scores[0])


def _greet(line: SerialPort, board: Device) -> About:
    """Ask who is there, more than once: opening a port restarts many boards."""
    patience, line.patience = line.patience, GREETING_SECONDS
    for left in reversed(range(GREETINGS)):
        try:
            about = board.about()
            break
        except DeviceError:
            if not left:
                raise
            line.drain(0.2)
    line.patience = patience
    return about


def _network(host: _Host, board: Device, about: About, count: int) -> Iterator[Figure]:
    """The network alone on random inputs, against TFLM."""
    rng = np.random.default_rng(0)

    def run() -> tuple[int, NDArray[np.int64]]:
        image = rng.integers(-128, 128, host.shape).astype(np.int8)
        ticks, answer = board.outputs(image)
        expected = np.concatenate([v.reshape(-1) for v in host.oracle.run(image)])
        found = np.frombuffer(answer, np.int8)
        if found.size != expected.size:
            raise DeviceError(
                f"the board's outputs have {found.size} bytes, not {expected.size}; flash the "
                "firmware that was made of this file."
            )
        return ticks, np.abs(found.astype(np.int64) - expected)

    runs, failure = _as_many_as_come(run, count)
    if runs:
        unequal = sum(int(np.count_nonzero(apart)) for _, apart in runs)
        yield "oracle_unequal_elements", unequal, "count"
        yield "oracle_max_lsb", max(int(apart.max()) for _, apart in runs), "count"
        ticks = np.array([ticks for ticks, _ in runs], float)
        if ticks.any():
            yield "ticks_median", float(np.median(ticks)), "count"
        if ticks.any() and about.ticks_hz:
            yield from _spread("latency", ticks / about.ticks_hz * 1e3)
        yield "runs", len(runs), "count"
    if failure:
        raise failure


def _frames(
    host: _Host,
    board: Device,
    count: int,
    places: DeviceMap | None,
    frame_size: tuple[int, int] | None,
) -> Iterator[Figure]:
    """Camera frames in, places out, over the line."""
    height, width = frame_size or host.shape[1:3]
    rng = np.random.default_rng(1)

    def run() -> tuple[float, bool]:
        frame = rng.integers(0, 256, (height, width)).astype(np.uint8)
        begun = time.perf_counter()
        answer = board.place(frame, PixelFormat.GREY8, width)
        seconds = time.perf_counter() - begun
        expected = host.place(frame, PixelFormat.GREY8, places) if places else None
        return seconds, expected in (None, (answer.id, answer.score))

    runs, failure = _as_many_as_come(run, count)
    if runs:
        yield from _spread("frame_round_trip", np.array([seconds for seconds, _ in runs]) * 1e3)
        yield "frames", len(runs), "count"
        if places:
            yield "place_unequal_answers", sum(not equal for _, equal in runs), "count"
    if failure:
        raise failure


def _as_many_as_come(run: Callable[[], T], count: int) -> tuple[list[T], DeviceError | None]:
    """The results of so many calls, or of those before one that failed, and why it failed."""
    found: list[T] = []
    try:
        while len(found) < count:
            found.append(run())
    except DeviceError as error:
        return found, error
    return found, None


def _spread(name: str, milliseconds: NDArray[np.float64]) -> Iterator[Figure]:
    yield f"{name}_median_ms", float(np.median(milliseconds)), "ms"
    yield f"{name}_p95_ms", float(np.percentile(milliseconds, 95)), "ms"
    yield f"{name}_p99_ms", float(np.percentile(milliseconds, 99)), "ms"
