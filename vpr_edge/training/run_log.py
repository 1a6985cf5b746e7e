"""Where figures of a run are kept: TensorBoard events, and Weights & Biases when asked for."""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from vpr_edge.errors import ToolMissingError


def require_wandb() -> None:
    """Say so before a run is prepared if Weights & Biases is not there.

    Raises:
        ToolMissingError: it is not installed.
    """
    if importlib.util.find_spec("wandb") is None:
        raise ToolMissingError(
            "--wandb needs Weights & Biases; run pip install wandb, or leave the option out."
        )


class RunLog:
    """Writes figures by step.

    Args:
        folder: of the run; events go to its `events`.
        start: the step that the run goes on from; figures of later steps, written before it was
            stopped, are taken back.
        recipe: resolved settings.
        wandb_project: of Weights & Biases, or "" for TensorBoard alone. The library's own
            variables hold: WANDB_MODE=offline needs no account.

    Raises:
        ToolMissingError: a project is named but wandb is not installed.
    """

    def __init__(
        self, folder: Path, start: int, recipe: dict[str, Any], wandb_project: str = ""
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._events = SummaryWriter(str(folder / "events"), purge_step=start or None)
        self._run: Any = None
        if wandb_project:
            require_wandb()
            import wandb

            self._run = wandb.init(
                project=wandb_project,
                name=folder.name,
                # One folder is one run, also after it was resumed.
                id=hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16],
                resume="allow",
                config=recipe,
                dir=str(folder),
            )

    def write(self, step: int, figures: dict[str, float]) -> None:
        """Write figures of a step."""
        for name, value in figures.items():
            self._events.add_scalar(name, value, step)
        if self._run:
            self._run.log(figures, step=step)

    def close(self) -> None:
        """Write what is left."""
        self._events.close()
        if self._run:
            self._run.finish()
