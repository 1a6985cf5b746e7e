"""A serial port that never stops sending ends in a sentence all the same."""

import os
import pty
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vpr_edge.benchmarks.devices.serial.messages import Device
from vpr_edge.benchmarks.devices.serial.port import SerialPort
from vpr_edge.errors import DeviceError


@pytest.fixture(params=[b"\x00", b"VE\x81\xff\xff\x00\x00" + bytes(64)], ids=["noise", "drip"])
def babbler(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A pseudo-terminal whose far end sends without end, one byte every 20 ms."""
    board, port = pty.openpty()
    stop = threading.Event()

    def babble() -> None:
        at = 0
        while not stop.wait(0.02):
            os.write(board, request.param[at % len(request.param) :][:1])
            at += 1

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    yield Path(os.ttyname(port))
    stop.set()
    thread.join()
    os.close(port)
    os.close(board)


def test_an_exchange_ends_though_bytes_keep_coming(babbler: Path) -> None:
    with SerialPort(babbler) as line:
        line.patience = 0.3
        with pytest.raises(DeviceError, match="does not answer"):
            Device(line.write, line.read).about()
        line.drain(0.1)
