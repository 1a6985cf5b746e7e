"""The host's side of the firmware's serial protocol; README.md specifies it.

Works on any two functions that write and read bytes, such as those of a `serial.Serial` of
pyserial.
"""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAGIC = b"VE"
ABOUT, FRAME, INPUT, REPLY = 1, 2, 3, 128
STATUS = {
    1: "the checksum was wrong",
    2: "the board does not know this kind of message",
    3: "the payload does not fit",
    4: "the network did not run, or the map has no places",
}


class DeviceError(Exception):
    """The board's answer is an error, or none."""


@dataclass(frozen=True)
class About:
    """What is on the board."""

    protocol: int
    height: int
    width: int
    input_bytes: int
    outputs: int
    arena_bytes: int
    places: int
    unit: int

    @classmethod
    def parse(cls, reply: bytes) -> "About":
        """From the payload of a reply, without its status."""
        return cls(*struct.unpack("<BHHIIIII", reply))


@dataclass(frozen=True)
class Place:
    """The best place: `score` is the cosine similarity times the map's unit squared."""

    ticks: int
    id: int
    score: int

    @classmethod
    def parse(cls, reply: bytes) -> "Place":
        """From the payload of a reply, without its status."""
        return cls(*struct.unpack("<Iii", reply))


def message(kind: int, payload: bytes = b"") -> bytes:
    """A message as it goes over the line."""
    body = struct.pack("<BI", kind, len(payload)) + payload
    return MAGIC + body + struct.pack("<I", zlib.crc32(body))


def frame_message(frame: NDArray[np.uint8], pixel_format: int, width: int) -> bytes:
    """The message with a camera frame, uint8 [H, W * bytes a pixel]."""
    header = struct.pack("<HHH", pixel_format, frame.shape[0], width)
    return message(FRAME, header + frame.tobytes())


def read_reply(read: Callable[[int], bytes], kind: int) -> bytes:
    """The payload of the reply to a message of that kind, without its status.

    Raises:
        DeviceError: the line ended, the checksum is wrong, or the board says what was wrong.
    """
    seen = b""
    while seen != MAGIC:
        byte = read(1)
        if not byte:
            raise DeviceError("the board does not answer; reset it and send the message again")
        seen = (seen + byte)[-2:]
    header = read(5)
    if len(header) < 5:
        raise DeviceError("the answer is cut short; reset the board and send the message again")
    found, length = struct.unpack("<BI", header)
    payload, checksum = read(length), read(4)
    if checksum != struct.pack("<I", zlib.crc32(header + payload)):
        raise DeviceError("the answer's checksum is wrong; send the message again")
    if found != kind | REPLY or not payload:
        raise DeviceError(f"the answer is of kind {found}, not {kind | REPLY}")
    if payload[0]:
        raise DeviceError(STATUS.get(payload[0], f"the board's status is {payload[0]}"))
    return payload[1:]


class Device:
    """A board with the firmware on it."""

    def __init__(self, write: Callable[[bytes], object], read: Callable[[int], bytes]) -> None:
        self._write, self._read = write, read

    def about(self) -> About:
        """Ask what is on the board."""
        return About.parse(self._ask(ABOUT, message(ABOUT)))

    def place(self, frame: NDArray[np.uint8], pixel_format: int, width: int) -> Place:
        """The place that a camera frame shows."""
        return Place.parse(self._ask(FRAME, frame_message(frame, pixel_format, width)))

    def outputs(self, image: NDArray[np.int8]) -> tuple[int, bytes]:
        """Ticks of one run, and all of the network's outputs one after the other."""
        reply = self._ask(INPUT, message(INPUT, image.tobytes()))
        return struct.unpack("<I", reply[:4])[0], reply[4:]

    def _ask(self, kind: int, text: bytes) -> bytes:
        self._write(text)
        return read_reply(self._read, kind)


def main() -> None:
    """Send a picture, as a camera of 320x240 sees it, to the firmware that runs on this PC."""
    from vpr_edge.errors import VprEdgeError
    from vpr_edge.preprocessing import Preprocessing, read_image

    if len(sys.argv) != 3:
        sys.exit("Give the firmware that was built for this PC, and a picture.")
    with subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin and program.stdout
        line = program.stdin

        def send(text: bytes) -> None:
            line.write(text)
            line.flush()

        board = Device(send, program.stdout.read)
        try:
            picture = Preprocessing(240, 320).fit(read_image(Path(sys.argv[2])))
            about = board.about()
            place = board.place(picture.reshape(len(picture), -1), 2, picture.shape[1])
        except (DeviceError, VprEdgeError) as error:
            sys.exit(str(error))
        finally:
            line.close()
    print(f"place {place.id}, similarity {place.score / about.unit**2:.3f}")


if __name__ == "__main__":
    main()
