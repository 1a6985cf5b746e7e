"""What a run needs to go on as if it had not stopped: `state.pt`, written whole or not at all."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vpr_edge.errors import CheckpointError
from vpr_edge.files import atomic_file

CHECKPOINT = "checkpoint.safetensors"
"""What a finished run leaves in its folder."""
STATE = "state.pt"
"""What an unfinished one goes on from."""
FREE_TO_CHANGE = ("save_every", "log_every")
"""Settings that a resumed run may have otherwise than the run that it goes on with."""


@dataclass
class RunState:
    """Everything that changes from step to step.

    Attributes:
        step: steps done.
        model: tensors of the network and of what only training needs.
        optimizer: of AdamW.
        precision: of the gradient scaler.
        average: moving average of the network's tensors.
        sums: losses summed since they were last reported.
        best: tensors of the best judgement so far; empty before the first.
        best_figure: that judgement.
        since_best: judgements since.
        hard: tables of mined pairs.
    """

    step: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    precision: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_figure: float = float("-inf")
    since_best: int = 0
    hard: list[Tensor] = field(default_factory=list)


def save_state(path: Path, state: RunState, recipe: dict[str, Any]) -> None:
    """Write the state together with the recipe that it belongs to."""
    with atomic_file(path) as scratch:
        torch.save({"recipe": json.dumps(recipe), **vars(state)}, scratch)


def load_state(path: Path, recipe: dict[str, Any]) -> RunState | None:
    """Read a state; None where there is none yet.

    Raises:
        CheckpointError: it is damaged, of another version, or of a run with other settings.
    """
    if not path.is_file():
        return None
    try:
        values = torch.load(path, weights_only=True, map_location="cpu")
        begun = json.loads(values.pop("recipe"))
        state = RunState(**values)
    except Exception as error:  # torch raises half a dozen kinds for damaged files
        raise CheckpointError(
            f"{path} is not a state that this version can resume from; remove the folder "
            f"{path.parent} or choose another --output."
        ) from error
    refuse_other_settings(path.parent, begun, recipe)
    return state


def refuse_other_settings(folder: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A folder holds one run: going on with other settings would give neither result.

    Raises:
        CheckpointError: the recipes differ in what matters to the result.
    """
    for name in sorted(begun.keys() | wanted.keys()):
        if name not in FREE_TO_CHANGE and begun.get(name) != wanted.get(name):
            raise CheckpointError(
                f"{folder} holds a run with {name} {begun.get(name)!r}, not {wanted.get(name)!r}; "
                "choose another --output, or remove the folder to begin anew."
            )
