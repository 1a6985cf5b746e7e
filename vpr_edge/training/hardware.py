"""Where a run computes: devices, nodes and number format, through Lightning Fabric."""

from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from vpr_edge.errors import ToolMissingError


@dataclass(frozen=True)
class Hardware:
    """What a run is given.

    Attributes:
        accelerator: "auto", "cpu" or "cuda"; auto takes a GPU where there is one.
        devices: processes on each node, one a GPU; several work on one batch each and average
            their gradients.
        nodes: machines; start the same command on each, or let SLURM or torchrun do it.
        precision: "32-true", or mixed in bfloat16 or float16 (losses stay in float32; the
            fake-quantised network always computes in float32, which holds its integers).
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32-true"


def launch(hardware: Hardware) -> Fabric:
    """Start the processes; each goes on from here with its own rank.

    Raises:
        ToolMissingError: there is no GPU where one is wanted, or fewer than devices.
    """
    several = hardware.devices * hardware.nodes > 1
    gpus = torch.cuda.device_count() if hardware.accelerator != "cpu" else 0
    if hardware.accelerator == "cuda" and not gpus:
        raise ToolMissingError(
            "--accelerator cuda needs a GPU, and this machine has none; choose cpu or auto."
        )
    if gpus and hardware.devices > gpus:
        raise ToolMissingError(
            f"--devices {hardware.devices} needs as many GPUs, but this machine has {gpus}; lower "
            "it, or use more machines with --num-nodes."
        )
    if hardware.precision == "16-mixed" and not gpus:
        raise ToolMissingError("--precision 16-mixed needs a GPU; choose bf16-mixed or 32-true.")
    fabric = Fabric(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        precision=hardware.precision,  # type: ignore[arg-type]  # as the command offers
        # Not every loss is there in every step, so not every weight has a gradient.
        strategy=DDPStrategy(find_unused_parameters=True) if several else "auto",
    )
    fabric.launch()
    return fabric
