"""The UART of Arm's CMSDK (DDI 0479, 4.3) as registers of an emulator that has none."""

from typing import Any

DATA, STATE, CONTROL = 0, 4, 8
_RECEIVED = 2
# Looks at the state without any byte moved, after which the program is taken to wait for ever.
_PATIENCE = 10_000


class Uart:
    """A UART that has all its input at hand and is always ready to send.

    Attributes:
        sent: bytes that the program sent.
        waits_in_vain: whether the program keeps waiting after the last byte of the input.
    """

    def __init__(self, received: bytes) -> None:
        """Give the bytes that the program is to receive."""
        self.sent = bytearray()
        self.waits_in_vain = False
        self._received = list(reversed(received))
        self._control = 0
        self._looks = 0

    def read(self, engine: Any, offset: int, _size: int, _data: Any) -> int:
        """The value of a register."""
        if offset == STATE:
            self._looks += 1
            if not self._received and self._looks > _PATIENCE:
                self.waits_in_vain = True
                engine.emu_stop()
            return _RECEIVED if self._received else 0
        if offset == DATA and self._received:
            self._looks = 0
            return self._received.pop()
        return self._control if offset == CONTROL else 0

    def write(self, _engine: Any, offset: int, _size: int, value: int, _data: Any) -> None:
        """Set a register."""
        if offset == DATA:
            self._looks = 0
            self.sent.append(value & 0xFF)
        elif offset == CONTROL:
            self._control = value
