"""The host's side of Arm semihosting, for an emulator that has none: files in memory.

Source: Arm, Semihosting for AArch32 and AArch64, 2.0.
"""

from collections.abc import Callable, Mapping

OPEN, WRITE, READ, EXIT_EXTENDED = 0x01, 0x05, 0x06, 0x20
_FAILED = 0xFFFFFFFF
_MODE_READ = 1


class SemihostingFiles:
    """Files that a program reads and writes.

    Attributes:
        written: what it wrote, by name.
    """

    def __init__(
        self,
        files: Mapping[str, bytes],
        read_memory: Callable[[int, int], bytes],
        write_memory: Callable[[int, bytes], None],
    ) -> None:
        """See the class.

        Args:
            files: that the program may read.
            read_memory: bytes at an address.
            write_memory: put bytes at an address.
        """
        self.written: dict[str, bytearray] = {}
        self._files = files
        self._read_memory = read_memory
        self._write_memory = write_memory
        # By handle less one: the name, and how far it has been read.
        self._open: list[tuple[str, int]] = []

    def call(self, operation: int, argument: int) -> int | None:
        """Carry out one call; None where this operation is not known.

        Args:
            operation: in r0.
            argument: in r1, the address of three words.

        Returns:
            For r0.
        """
        block = self._read_memory(argument, 12)
        first, second, third = (int.from_bytes(block[i : i + 4], "little") for i in (0, 4, 8))
        if operation == OPEN:
            return self._opened(self._read_memory(first, third).decode("ascii"), second)
        if operation == READ:
            name, at = self._open[first - 1]
            data = self._files.get(name, b"")[at : at + third]
            self._open[first - 1] = (name, at + len(data))
            self._write_memory(second, data)
            return third - len(data)
        if operation == WRITE:
            self.written[self._open[first - 1][0]] += self._read_memory(second, third)
            return 0
        return None

    def _opened(self, name: str, mode: int) -> int:
        if mode != _MODE_READ:
            self.written[name] = bytearray()
        elif name not in self._files:
            return _FAILED
        self._open.append((name, 0))
        return len(self._open)
