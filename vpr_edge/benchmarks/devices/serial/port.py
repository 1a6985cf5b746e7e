"""A serial port of a POSIX system: raw bytes, and an error when none come."""

import os
import select
import time
from pathlib import Path
from types import TracebackType

from vpr_edge.errors import DeviceError, ToolMissingError

BAUD = 115_200
ANSWER_SECONDS = 60.0


class SerialPort:
    """An open port; use it as a context manager.

    Args:
        path: of the device, such as /dev/ttyACM0.
        baud: bits a second, of which ten make a byte; ports over USB mostly ignore it.

    Attributes:
        patience: seconds from a message to the end of its answer, besides twice the message's own
            time on the line. Bytes that come meanwhile, noise or a drip, do not lengthen it.

    Raises:
        DeviceError: there is no such port, it may not be opened, or it has no such speed.
        ToolMissingError: this system has no POSIX terminals.
    """

    def __init__(self, path: Path, baud: int = BAUD) -> None:
        try:
            import termios
            import tty
        except ImportError as error:
            raise ToolMissingError(
                "serial boards need a POSIX system's terminals; run vpr-edge on Linux or macOS."
            ) from error
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise DeviceError(f"{path} has no speed of {baud} baud; choose 115200 or 921600.")
        self.path, self.baud, self.patience = path, baud, ANSWER_SECONDS
        self._end = time.monotonic() + self.patience
        try:
            self._line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise DeviceError(
                f"the serial port {path} does not open ({error.strerror}); see that the board is "
                "plugged in and that you may use it (on Debian: the group dialout)."
            ) from error
        try:
            tty.setraw(self._line)
            settings = termios.tcgetattr(self._line)
            # No flow control, no hang-up at closing, nobody else's modem lines.
            settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._line, termios.TCSANOW, settings)
            termios.tcflush(self._line, termios.TCIOFLUSH)
        except termios.error as error:
            os.close(self._line)
            raise DeviceError(
                f"{path} is no serial port; give one such as /dev/ttyACM0."
            ) from error

    def __enter__(self) -> "SerialPort":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._line)

    def write(self, data: bytes) -> None:
        """Send all bytes; an exchange begins, whose answer is waited for `patience` seconds.

        Raises:
            DeviceError: the port vanished, or takes nothing any more.
        """
        self._end = time.monotonic() + self.patience + 2 * len(data) * 10 / self.baud
        left = memoryview(data)
        while left:
            self._wait(write=True)
            try:
                left = left[os.write(self._line, left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._vanished() from error

    def read(self, count: int) -> bytes:
        """So many bytes.

        Raises:
            DeviceError: the port vanished, or they did not come by the end of the exchange.
        """
        found = bytearray()
        while len(found) < count:
            self._wait(write=False)
            try:
                part = os.read(self._line, count - len(found))
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._vanished() from error
            if not part:
                raise self._vanished()
            found += part
        return bytes(found)

    def drain(self, seconds: float) -> None:
        """Throw away what comes until nothing has come for so long, or the patience is over."""
        last = time.monotonic() + self.patience
        end = time.monotonic() + seconds
        while select.select([self._line], [], [], max(0.0, end - time.monotonic()))[0]:
            try:
                if not os.read(self._line, 4096):
                    return
            except OSError:
                return
            end = min(time.monotonic() + seconds, last)
            if time.monotonic() >= last:
                return

    def _wait(self, write: bool) -> None:
        lines = [self._line]
        left = self._end - time.monotonic()
        ready = left > 0 and any(
            select.select([] if write else lines, lines if write else [], [], left)
        )
        if not ready:
            raise DeviceError(
                f"the board on {self.path} does not {'listen' if write else 'answer'}; see that "
                "the firmware on it is that of examples/firmware, that the speed fits, and reset "
                "it."
            )

    def _vanished(self) -> DeviceError:
        return DeviceError(
            f"the serial port {self.path} is gone; plug the board in again; what was measured is "
            "kept."
        )
