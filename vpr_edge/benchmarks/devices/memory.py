"""The resident memory of processes."""

import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
FORGET = Path("/proc/self/clear_refs")


def peak_resident_bytes() -> int:
    """The largest resident memory that this process has had, in bytes.

    On Linux from VmHWM and not from getrusage: there `ru_maxrss` of a process that another one
    started begins at the peak of the one that started it.
    """
    if STATUS.is_file():
        found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
        if found:
            return int(found.group(1)) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """Let the peak begin anew at what this process holds now, where the system can (Linux).

    Without, a short peak of an import would hide what comes after it.
    """
    # proc(5): 5 resets VmHWM; kernels may be built without it.
    with suppress(OSError):
        FORGET.write_text("5")
