"""The peak of this process's resident memory."""

import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


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
