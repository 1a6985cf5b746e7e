"""The processors of this machine: what they are, which are idle, and running on some of them."""

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

import psutil

from vpr_edge.errors import DataError

WATCHED_SECONDS = 0.25
IDLE_PERCENT = 20.0
SCHEDULED = Path("/proc/self/schedstat")


def machine() -> dict[str, str]:
    """Of this machine "cpu" (model), "cores" and "system"."""
    model = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).is_file():
        found = re.search(r"(?:model name|Model)\s*:\s*(.+)", info.read_text())
        model = found.group(1).strip() if found else model
    return {
        "cpu": model,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def parse_cpus(text: str) -> tuple[int, ...]:
    """CPU numbers of a list such as "2", "0,2" or "4-7".

    Raises:
        DataError: it is no such list, or this process may not run on one of them.
    """
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise DataError(f"--cpu {text!r} is no list of CPUs; write it like 2, 0,2 or 4-7.")
    allowed = _allowed()
    if not allowed:
        raise DataError("this system does not pin processes to CPUs; leave --cpu out.")
    chosen = set[int]()
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen |= set(range(int(first), int(last or first) + 1))
    if not chosen or not chosen <= set(allowed):
        raise DataError(
            f"--cpu {text} names CPUs that this process may not use; choose of "
            f"{', '.join(map(str, allowed))}."
        )
    return tuple(sorted(chosen))


def idle_cpus(count: int) -> tuple[int, ...]:
    """As many CPUs, idle ones first, then fast ones, then high numbers (low ones serve interrupts).

    Empty where the system does not pin processes, or there are too few.
    """
    allowed = _allowed()
    if len(allowed) < count:
        return ()
    busy = psutil.cpu_percent(WATCHED_SECONDS, percpu=True)

    def rank(cpu: int) -> tuple[bool, int, int]:
        used = busy[cpu] if cpu < len(busy) else 0.0
        return used > IDLE_PERCENT, -_largest_clock(cpu), -cpu

    return tuple(sorted(sorted(allowed, key=rank)[:count]))


class WaitingTime:
    """How long this process has been ready to run while other programs held its CPU.

    Of the main thread, from Linux's /proc/PID/schedstat (its second figure, nanoseconds).

    Attributes:
        known: whether the system says so.
    """

    def __init__(self) -> None:
        try:
            # Kept open, for it is read before and after every run.
            self._file = SCHEDULED.open("rb", buffering=0)
            self.known = self.milliseconds() >= 0
        except (OSError, IndexError, ValueError):
            self.known = False

    def milliseconds(self) -> float:
        """Since the process began."""
        return int(os.pread(self._file.fileno(), 80, 0).split()[1]) / 1e6


def pin(cpus: Sequence[int]) -> None:
    """Run this process, and what it starts, on these CPUs; anywhere when there are none."""
    if cpus:
        os.sched_setaffinity(0, cpus)


def _allowed() -> tuple[int, ...]:
    if not hasattr(os, "sched_getaffinity"):
        return ()
    return tuple(sorted(os.sched_getaffinity(0)))


def _largest_clock(cpu: int) -> int:
    """In kHz; 0 where the system does not say."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq")
    return int(path.read_text()) if path.is_file() else 0
