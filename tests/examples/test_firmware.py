"""The example firmware answers as the host computes: on this machine and on emulated cores."""

import importlib.util
import io
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vpr_edge.benchmarks.devices.serial import messages as device
from vpr_edge.errors import DeviceError, ToolMissingError
from vpr_edge.export.c_source import write_firmware
from vpr_edge.export.package import export
from vpr_edge.firmware_bridge.compile.host import WARNINGS
from vpr_edge.firmware_bridge.vision.camera import PixelFormat, camera_input
from vpr_edge.firmware_bridge.vision.decode_model import decoding_of
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.places.device_map import DeviceMap
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.tflite.read import read_metadata, read_tflite
from vpr_edge.tflite.tflm import Tflm

EXAMPLE = Path(__file__).parents[2] / "examples/firmware"
PLACES = 12


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


emulate = load("emulate")
make_places = load("make_places").make_places


class Host:
    """What the PC answers: the frame through Python's twins of the C, the network through TFLM."""

    def __init__(self, model: Path, places: DeviceMap) -> None:
        decoding = decoding_of(model)
        assert decoding.place
        self.oracle, self.places, self.transform = Tflm(model), places, decoding.place
        self.preprocessing = Preprocessing(**read_metadata(model)["preprocessing"])
        self.outputs = [tensor.name for tensor in read_tflite(model).outputs]

    def place(self, frame: NDArray[np.uint8], pixel_format: PixelFormat) -> tuple[int, int]:
        image = camera_input(frame, pixel_format, self.preprocessing)
        place_map = self.maps(image[None])["place"]
        query = self.transform.describe(place_map, self.places.unit)
        rows, scores = self.places.search(query, 1)
        return int(self.places.ids[rows[0]]), int(scores[0])

    def maps(self, image: NDArray[np.int8]) -> dict[str, NDArray[np.int8]]:
        return dict(zip(self.outputs, self.oracle.run(image), strict=True))


class Bench:
    """The generated folders, and the host to compare with."""

    def __init__(self, folder: Path, pictures: list[NDArray[np.uint8]]) -> None:
        self.folder, self.pictures = folder, pictures
        export(find_checkpoint("nano-int8"), "tflite-int8", folder / "tflite")
        model = folder / "tflite/nano.tflite"
        write_firmware(model, folder / "nano", "nano", golden=0)
        (folder / "pictures").mkdir()
        for index, picture in enumerate(pictures[:PLACES]):
            cv2.imwrite(str(folder / f"pictures/{index:02}.png"), picture[:, :, ::-1])
        self.host = Host(model, make_places(model, folder / "pictures", folder / "places"))
        self.nano, self.places = folder / "nano", folder / "places"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, frames: list[NDArray[np.uint8]]) -> Bench:
    return Bench(tmp_path_factory.mktemp("firmware"), frames[: 2 * PLACES : 2])


@pytest.fixture(scope="module")
def program(bench: Bench) -> Path:
    """The firmware for this PC, sanitizers on."""
    compiler = shutil.which("gcc") or pytest.skip("gcc is not here")
    flags = ["-std=c99", "-O1", "-ffp-contract=off", "-fsanitize=address,undefined", *WARNINGS]
    flags += [f"-I{folder}" for folder in emulate.include(bench.nano, bench.places)]
    sources = [*emulate.sources(bench.nano, bench.places), EXAMPLE / "board_pc.c"]
    path = bench.folder / "firmware"
    command = [compiler, *flags, *sources, "-lm", "-o", path]
    subprocess.run([*map(str, command)], check=True)
    return path


def replies(program: Path, *messages: bytes) -> io.BytesIO:
    done = subprocess.run([program], input=b"".join(messages), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return io.BytesIO(done.stdout)


def as_frame(picture: NDArray[np.uint8], pixel_format: PixelFormat) -> NDArray[np.uint8]:
    """A picture as the camera would deliver it."""
    if pixel_format is PixelFormat.RGB888:
        return picture.reshape(len(picture), -1)
    if pixel_format is PixelFormat.GREY8:
        return np.ascontiguousarray(picture[:, :, 1])
    red, green, blue = np.moveaxis(picture.astype(np.uint16), -1, 0)
    word = red >> 3 << 11 | green >> 2 << 5 | blue >> 3
    return word.astype("<u2").view(np.uint8)


def frames(bench: Bench) -> list[tuple[NDArray[np.uint8], PixelFormat, int]]:
    """Real pictures at other sizes and in other formats than the places were described in."""
    found = []
    formats = (PixelFormat.RGB888, PixelFormat.RGB565, PixelFormat.GREY8)
    for index, picture in enumerate(bench.pictures[:6]):
        size = ((240, 180), (320, 240), (160, 120))[index % 3]
        resized = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        pixel_format = formats[index % 3]
        found.append((as_frame(resized, pixel_format), pixel_format, size[0]))
    return found


def test_the_pc_firmware_finds_the_places_that_the_host_finds(bench: Bench, program: Path) -> None:
    given = frames(bench)
    answers = replies(program, *(device.frame_message(*frame) for frame in given))
    for index, (frame, pixel_format, _) in enumerate(given):
        reply = device.Place.parse(device.read_reply(answers.read, device.FRAME))
        assert (reply.id, reply.score) == bench.host.place(frame, pixel_format)
        if pixel_format is not PixelFormat.GREY8:
            assert reply.id == index  # a picture is its own place


def test_the_pc_firmware_sends_the_outputs_that_tflm_gives(bench: Bench, program: Path) -> None:
    image = camera_input(*frames(bench)[0][:2], bench.host.preprocessing)[None]
    answers = replies(program, device.message(device.INPUT, image.tobytes()))
    reply = device.read_reply(answers.read, device.INPUT)
    maps = bench.host.maps(image)
    order = ("score", "location", "descriptor", "segmentation", "place")
    assert reply[4:] == b"".join(maps[name].tobytes() for name in order)


def test_the_firmware_says_what_it_is(bench: Bench, program: Path) -> None:
    answers = replies(program, device.message(device.ABOUT))
    about = device.Device(lambda _: None, answers.read).about()
    assert (about.protocol, about.height, about.width, about.outputs) == (2, 120, 160, 5)
    assert (about.places, about.unit) == (PLACES, bench.host.places.unit)


def broken(text: bytes) -> bytes:
    return text[:-5] + bytes([text[-5] ^ 1]) + text[-4:]


def header(pixel_format: int, height: int, width: int, pixels: int) -> bytes:
    payload = struct.pack("<HHH", pixel_format, height, width) + bytes(pixels)
    return device.message(device.FRAME, payload)


@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        (broken(device.message(device.FRAME, bytes(100))), device.FRAME, "checksum"),
        (broken(device.message(device.ABOUT, b"x")), device.ABOUT, "checksum"),
        (device.message(77), 77, "kind"),
        (device.message(device.INPUT, bytes(10)), device.INPUT, "does not fit"),
        (device.message(device.FRAME, b""), device.FRAME, "does not fit"),
        (header(9, 120, 160, 120 * 160), device.FRAME, "does not fit"),
        (header(0, 120, 160, 120 * 160 - 1), device.FRAME, "does not fit"),
        (header(2, 4, 65535, 4 * 3 * 65535), device.FRAME, "does not fit"),
        (header(0, 0, 160, 0), device.FRAME, "does not fit"),
        (header(3, 120, 161, 120 * 322), device.FRAME, "does not fit"),
    ],
)
def test_a_bad_message_is_answered_and_the_next_one_is_heard(
    program: Path, text: bytes, kind: int, sentence: str
) -> None:
    answers = replies(program, b"noise V", text, b"VVE\x01\xff\xff\xff\xff", device.message(1))
    with pytest.raises(DeviceError, match=sentence):
        device.read_reply(answers.read, kind)
    assert device.read_reply(answers.read, device.ABOUT)[0] == 2


def test_a_message_that_ends_early_is_an_error(program: Path) -> None:
    text = device.message(device.INPUT, bytes(1000))[:-200]
    with pytest.raises(DeviceError, match="checksum"):
        device.read_reply(replies(program, text).read, device.INPUT)


@pytest.mark.parametrize("reply", [b"", b"VE\x81", device.message(device.ABOUT)])
def test_an_answer_that_is_none_is_an_error(reply: bytes) -> None:
    with pytest.raises(DeviceError):
        device.read_reply(io.BytesIO(reply).read, device.ABOUT)


@pytest.mark.parametrize(
    ("core_name", "toolchain_name"),
    [
        ("cortex-m4", "zig+unicorn"),
        ("cortex-m4", "gcc+qemu"),
        ("cortex-m0", "gcc+qemu"),
        ("cortex-m55", "gcc+qemu"),
    ],
)
def test_an_emulated_microcontroller_finds_the_places_that_the_host_finds(
    bench: Bench, tmp_path: Path, core_name: str, toolchain_name: str
) -> None:
    try:
        image = emulate.build(core_name, bench.nano, bench.places, tmp_path, toolchain_name)
    except ToolMissingError as missing:
        pytest.skip(str(missing))
    # Small: to the emulated UART every byte is an event of its own.
    given = [
        (as_frame(cv2.resize(picture, (80, 60)), pixel_format), pixel_format, 80)
        for picture, pixel_format in zip(
            bench.pictures, (PixelFormat.RGB565, PixelFormat.GREY8), strict=False
        )
    ]
    done = emulate.converse(image, [device.frame_message(*frame) for frame in given])
    assert done.status == 0
    answers = io.BytesIO(done.uart)
    for frame, pixel_format, _ in given:
        reply = device.Place.parse(device.read_reply(answers.read, device.FRAME))
        assert (reply.id, reply.score) == bench.host.place(frame, pixel_format)


def test_cmake_builds_the_example(bench: Bench, tmp_path: Path) -> None:
    if not shutil.which("cmake"):
        pytest.skip("cmake is not here")
    folders = [f"-DNANO={bench.nano}", f"-DPLACES={bench.places}"]
    subprocess.run(["cmake", "-S", EXAMPLE, "-B", tmp_path, *folders], check=True)
    subprocess.run(["cmake", "--build", tmp_path], check=True)
    answers = replies(tmp_path / "firmware", device.message(device.ABOUT))
    assert device.read_reply(answers.read, device.ABOUT)
