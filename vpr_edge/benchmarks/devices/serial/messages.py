"""The host's side of the serial protocol of examples/firmware, whose README specifies it.

Works on any two functions that write and read bytes: of a serial port, of a pipe, of pyserial's
`serial.Serial`.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vpr_edge.errors import DeviceError

MAGIC = b"VE"
ABOUT, FRAME, INPUT, REPLY = 1, 2, 3, 128
LONGEST = 1 << 22
STATUS = {
    1: "the checksum was wrong",
    2: "the board does not know this kind of message",
    3: "the payload does not fit",
    4: "the network did not run, or the map has no places",
}
_REMEDY = "see that the firmware on it is that of examples/firmware, and reset it"


@dataclass(frozen=True)
class About:
    """What is on the board.

    Attributes:
        protocol: version.
        height, width: of the network's input, pixels.
        input_bytes, outputs: of the network: bytes in, tensors out.
        arena_bytes: RAM of its maps.
        places: how many its map has.
        unit: of the places' scores.
        ticks_hz: of the counter; 0 where there is none (and by protocol 1, which does not say).
    """

    protocol: int
    height: int
    width: int
    input_bytes: int
    outputs: int
    arena_bytes: int
    places: int
    unit: int
    ticks_hz: int

    @classmethod
    def parse(cls, reply: bytes) -> "About":
        """From the payload of a reply, without its status.

        Raises:
            DeviceError: it has another length.
        """
        padded = reply + bytes(4) if reply[:1] == b"\x01" else reply
        return cls(*_unpack("<BHHIIIIII", padded))


@dataclass(frozen=True)
class Place:
    """The best place: `score` is the cosine similarity times the map's unit squared."""

    ticks: int
    id: int
    score: int

    @classmethod
    def parse(cls, reply: bytes) -> "Place":
        """From the payload of a reply, without its status.

        Raises:
            DeviceError: it has another length.
        """
        return cls(*_unpack("<Iii", reply))


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
            raise DeviceError(f"the board does not answer; {_REMEDY}.")
        seen = (seen + byte)[-2:]
    header = read(5)
    if len(header) < 5:
        raise DeviceError("the board's answer is cut short; reset it and try again.")
    found, length = struct.unpack("<BI", header)
    if length > LONGEST:
        raise DeviceError(f"the board's answer has a length of {length} bytes; {_REMEDY}.")
    payload, checksum = read(length), read(4)
    if checksum != struct.pack("<I", zlib.crc32(header + payload)):
        raise DeviceError("the checksum of the board's answer is wrong; try a slower line.")
    if found != kind | REPLY or not payload:
        raise DeviceError(f"the board's answer is of kind {found}, not {kind | REPLY}; {_REMEDY}.")
    if payload[0]:
        reason = STATUS.get(payload[0], f"its status is {payload[0]}")
        raise DeviceError(f"the board refuses a message: {reason}; {_REMEDY}.")
    return payload[1:]


class Device:
    """A board with the firmware on it."""

    def __init__(self, write: Callable[[bytes], object], read: Callable[[int], bytes]) -> None:
        """Take what writes all bytes, and what reads so many, or fewer when the line ends."""
        self._write, self._read = write, read

    def about(self) -> About:
        """Ask what is on the board."""
        return About.parse(self._ask(ABOUT, message(ABOUT)))

    def place(self, frame: NDArray[np.uint8], pixel_format: int, width: int) -> Place:
        """The place that a camera frame, uint8 [H, W * bytes a pixel], shows."""
        return Place.parse(self._ask(FRAME, frame_message(frame, pixel_format, width)))

    def outputs(self, image: NDArray[np.int8]) -> tuple[int, bytes]:
        """Ticks of one run, and all of the network's outputs one after the other."""
        reply = self._ask(INPUT, message(INPUT, image.tobytes()))
        return _unpack("<I", reply[:4])[0], reply[4:]

    def _ask(self, kind: int, text: bytes) -> bytes:
        self._write(text)
        return read_reply(self._read, kind)


def _unpack(form: str, reply: bytes) -> tuple[int, ...]:
    if len(reply) != struct.calcsize(form):
        raise DeviceError(
            f"the board's answer has {len(reply)} bytes, not {struct.calcsize(form)}; {_REMEDY}."
        )
    return struct.unpack(form, reply)
