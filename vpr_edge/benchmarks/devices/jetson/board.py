"""What a board says of itself, from the texts that the runner collects."""

import json
import re
from collections.abc import Mapping

from vpr_edge.benchmarks.devices.jetson.trtexec import version_of


def l4t_version(release: str) -> str:
    """ "36.4.3" of the first line of /etc/nv_tegra_release; "" where it is another text."""
    found = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", release)
    return f"{found[1]}.{found[2]}" if found else ""


def power_mode(query: str) -> str:
    """The mode in what `nvpmodel -q` prints, such as "MAXN" or "15W"; "" where there is none."""
    found = re.search(r"NV Power Mode: *(\S+)", query)
    return found[1] if found else ""


def clocks_of(limits: str) -> str:
    """Whether clocks are held at one frequency, as `jetson_clocks` does, and at which.

    Args:
        limits: JSON, least and greatest frequency as sysfs has them: "cpu" in kHz, "gpu" in Hz.
    """
    told = []
    for name, to_mhz in (("cpu", 1e-3), ("gpu", 1e-6)):
        least, greatest = json.loads(limits).get(name, ("", ""))
        if least.isdigit() and greatest.isdigit():
            low, high = int(least) * to_mhz, int(greatest) * to_mhz
            told.append(
                f"{name} held at {high:.0f} MHz"
                if low == high
                else f"{name} free between {low:.0f} and {high:.0f} MHz"
            )
    return ", ".join(told)


def facts_of(raw: Mapping[str, str]) -> dict[str, str]:
    """What is worth recording, by name; what the board does not say is left out.

    Args:
        raw: of the runner's event "about".
    """
    found = {
        "board": raw["model"],
        "gpu": raw["gpu"],
        "jetpack": raw["jetpack"],
        "l4t": l4t_version(raw["release"]),
        "tensorrt": version_of(raw["tensorrt"]),
        "power_mode": power_mode(raw["nvpmodel"]),
        "clocks": clocks_of(raw["clocks"]),
        "kernel": raw["kernel"],
        "machine": raw["machine"],
        "python": raw["python"],
    }
    return {name: value for name, value in found.items() if value}
