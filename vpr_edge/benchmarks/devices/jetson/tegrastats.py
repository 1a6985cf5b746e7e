"""A line of tegrastats as figures: power of every rail, temperature of every sensor, load, memory.

Rails read `VDD_IN 3227/3086` in milliwatts, now and on average, with "mW" since JetPack 5; Xavier
names some without "VDD" (`GPU 463/463`). Sensors read `GPU@37C`; -256 stands for one that is off,
and the PMIC's is a constant. Source: "Tegrastats Utility" and "Software-Based Power Consumption
Modeling" in https://docs.nvidia.com/jetson/archives/r36.4/DeveloperGuide/
"""

import re
from dataclasses import dataclass

# A rail's power, and nothing that is written alike: RAM 1/2MB, SWAP 0/8192MB, IRAM 0/252kB.
_RAIL = re.compile(r"(?:^|\s)([A-Z][A-Z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?(?=\s|$)")
_SENSOR = re.compile(r"(?:^|\s)([A-Za-z]\w*)@(-?[\d.]+)C(?=\s|$)")
_GPU_LOAD = re.compile(r"GR3D_FREQ (\d+)%")
_MEMORY = re.compile(r"RAM (\d+)/\d+MB")
# What the module or the board draws in all, by the name it has on Nano, Xavier and Orin.
INPUT_RAILS = ("VDD_IN", "POM_5V_IN")
_OFF = -256.0
_CONSTANT = "PMIC"


@dataclass(frozen=True)
class Sample:
    """What one line says.

    Attributes:
        power_mw: by rail.
        temperature_c: by sensor.
        gpu_load: fraction; None where it is not said.
        memory_mb: of the whole system; None where it is not said.
    """

    power_mw: dict[str, float]
    temperature_c: dict[str, float]
    gpu_load: float | None
    memory_mb: float | None

    def total_mw(self) -> float | None:
        """What is drawn in all; None where no rail measures that.

        AGX boards have no such rail. Theirs are fed side by side and measure parts of the whole,
        whose sum leaves the carrier board out; it is not taken for the total.
        """
        return next((self.power_mw[name] for name in INPUT_RAILS if name in self.power_mw), None)


def parse_line(line: str) -> Sample:
    """The figures of one line; what it does not say is missing."""
    sensors = {name: float(value) for name, value in _SENSOR.findall(line)}
    load, memory = _GPU_LOAD.search(line), _MEMORY.search(line)
    return Sample(
        {name: float(value) for name, value in _RAIL.findall(line) if name != "NC"},
        {name: c for name, c in sensors.items() if c != _OFF and name != _CONSTANT},
        int(load[1]) / 100 if load else None,
        float(memory[1]) if memory else None,
    )
