"""The host's side of the serial protocol, byte by byte as the example's README writes it down."""

import io
import struct
import zlib

import numpy as np
import pytest

from vpr_edge.benchmarks.devices.serial.messages import (
    ABOUT,
    FRAME,
    INPUT,
    LONGEST,
    About,
    Device,
    Place,
    frame_message,
    message,
    read_reply,
)
from vpr_edge.errors import DeviceError


def reply(kind: int, payload: bytes, status: int = 0) -> bytes:
    """What a board sends."""
    return message(kind | 128, bytes([status]) + payload)


def told(text: bytes, kind: int = ABOUT) -> bytes:
    return read_reply(io.BytesIO(text).read, kind)


def test_a_message_is_its_magic_kind_length_payload_and_checksum() -> None:
    body = b"\x03\x05\x00\x00\x00hello"
    assert message(INPUT, b"hello") == b"VE" + body + struct.pack("<I", zlib.crc32(body))
    assert message(ABOUT)[:7] == b"VE\x01\x00\x00\x00\x00" and len(message(ABOUT)) == 11


def test_a_frame_is_its_format_rows_columns_and_pixels() -> None:
    frame = np.arange(2 * 12, dtype=np.uint8).reshape(2, 12)
    text = frame_message(frame, 2, 4)
    assert text == message(FRAME, b"\x02\x00\x02\x00\x04\x00" + bytes(range(24)))


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 5])
def test_the_payload_comes_back_without_its_status_through_noise(payload: bytes) -> None:
    assert told(reply(ABOUT, payload)) == payload
    assert told(b"noise V and VV" + reply(ABOUT, payload) + b"more") == payload


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("place", range(2, 15))
def test_a_bit_that_fell_over_is_noticed_wherever_it_is(place: int, bit: int) -> None:
    text = bytearray(reply(ABOUT, b"abc"))
    assert len(text) == 15
    text[place] ^= 1 << bit
    with pytest.raises(DeviceError, match=r"checksum|cut short|length of|answer is of kind"):
        told(bytes(text))
    if place >= 7:
        with pytest.raises(DeviceError, match=r"checksum of the board's answer is wrong"):
            told(bytes(text))


@pytest.mark.parametrize("length", range(15))
def test_an_answer_cut_short_is_an_error_at_every_byte(length: int) -> None:
    said = "does not answer" if length < 2 else "cut short" if length < 7 else "checksum"
    with pytest.raises(DeviceError, match=said):
        told(reply(ABOUT, b"abc")[:length])


def test_the_longest_answer_is_taken_and_a_longer_one_is_not_waited_for() -> None:
    assert LONGEST == 4 << 20
    assert len(told(reply(INPUT, bytes(LONGEST - 1)), INPUT)) == LONGEST - 1
    header = b"VE" + struct.pack("<BI", INPUT | 128, LONGEST + 1)
    asked = []
    stream = io.BytesIO(header)

    def read(count: int) -> bytes:
        asked.append(count)
        return stream.read(count)

    with pytest.raises(DeviceError, match=f"a length of {LONGEST + 1} bytes"):
        read_reply(read, INPUT)
    assert sum(asked) == len(header)


def test_an_answer_to_another_message_or_without_a_status_is_an_error() -> None:
    with pytest.raises(DeviceError, match="of kind 130, not 129"):
        told(reply(FRAME, b"abc"))
    with pytest.raises(DeviceError, match="of kind 129, not 129"):
        told(message(ABOUT | 128))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, "the checksum was wrong"),
        (2, "the board does not know this kind"),
        (3, "the payload does not fit"),
        (4, "the network did not run, or the map has no places"),
        (5, "its status is 5"),
        (255, "its status is 255"),
    ],
)
def test_what_the_board_refuses_is_said_in_words(status: int, said: str) -> None:
    with pytest.raises(DeviceError, match=f"refuses a message: {said}"):
        told(reply(ABOUT, b"", status))


def test_what_is_on_the_board_is_read_field_by_field() -> None:
    fields = (2, 120, 160, 57600, 5, 70000, 12, 613, 168_000_000)
    text = struct.pack("<BHHIIIIII", *fields)
    assert About.parse(text) == About(*fields)
    # The first protocol did not say how fast its counter counts.
    assert About.parse(b"\x01" + text[1:-4]) == About(1, *fields[1:-1], 0)
    for wrong in (text[:-1], text + b"x", text[:-4]):
        with pytest.raises(DeviceError, match=f"has {len(wrong)} bytes, not 29"):
            About.parse(wrong)


def test_a_place_is_ticks_a_number_and_a_score_that_may_be_negative() -> None:
    assert Place.parse(struct.pack("<Iii", 2**32 - 1, -7, -123456)) == Place(2**32 - 1, -7, -123456)
    with pytest.raises(DeviceError, match="has 8 bytes, not 12"):
        Place.parse(bytes(8))


def test_a_device_is_asked_each_question_in_its_kind() -> None:
    image = np.arange(-4, 4, dtype=np.int8)
    frame = np.zeros((2, 6), np.uint8)
    about = struct.pack("<BHHIIIIII", 2, 1, 8, 8, 1, 9, 1, 127, 1000)
    answers = io.BytesIO(
        reply(ABOUT, about)
        + reply(FRAME, struct.pack("<Iii", 5, 3, 99))
        + reply(INPUT, struct.pack("<I", 1234) + b"maps")
    )
    sent: list[bytes] = []
    device = Device(sent.append, answers.read)
    assert device.about().ticks_hz == 1000
    assert device.place(frame, 0, 6) == Place(5, 3, 99)
    assert device.outputs(image) == (1234, b"maps")
    assert sent == [message(ABOUT), frame_message(frame, 0, 6), message(INPUT, image.tobytes())]
