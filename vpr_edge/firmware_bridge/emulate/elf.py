"""As much of an ELF32 little-endian executable as it takes to measure and to load it.

Source: Tool Interface Standard, Executable and Linking Format, version 1.2, book I.
"""

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PT_LOAD = 1
_SHT_SYMTAB = 2


@dataclass(frozen=True)
class Section:
    """A section: its name, type, address and bytes; `link` is the index of its string table."""

    name: str
    kind: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True)
class Segment:
    """What is loaded: bytes, and the physical address they go to."""

    address: int
    data: bytes


class Elf:
    """An executable file.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Read the file."""
        self.path = path
        self._data = path.read_bytes()
        self._header = struct.unpack_from("<16s2H5I6H", self._data)

    @cached_property
    def sections(self) -> dict[str, Section]:
        """By name."""
        offset, size, count, names = (self._header[i] for i in (6, 11, 12, 13))
        raw = [struct.unpack_from("<10I", self._data, offset + i * size) for i in range(count)]
        found = (
            Section(self._text(raw[names][4] + entry[0]), entry[1], *entry[3:7]) for entry in raw
        )
        return {section.name: section for section in found}

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All that a loader puts in memory; zeros that start-up writes itself are left out."""
        offset, size, count = (self._header[i] for i in (5, 9, 10))
        raw = [struct.unpack_from("<8I", self._data, offset + i * size) for i in range(count)]
        return tuple(
            Segment(entry[3], self._data[entry[1] : entry[1] + entry[4]])
            for entry in raw
            if entry[0] == _PT_LOAD and entry[4]
        )

    @cached_property
    def symbols(self) -> dict[str, int]:
        """Addresses by name; a function's has the Thumb bit cleared."""
        found: dict[str, int] = {}
        for table in self.sections.values():
            if table.kind == _SHT_SYMTAB:
                strings = list(self.sections.values())[table.link].offset
                for at in range(table.offset, table.offset + table.size, 16):
                    name, value, _, info, _, _ = struct.unpack_from("<3I2BH", self._data, at)
                    is_function = info & 15 == 2
                    found[self._text(strings + name)] = value & ~1 if is_function else value
        return found

    def size(self, *names: str) -> int:
        """Bytes of these sections together; one that is not there has none."""
        return sum(self.sections[name].size for name in names if name in self.sections)

    def _text(self, offset: int) -> str:
        return self._data[offset : self._data.index(b"\0", offset)].decode("ascii", "replace")
