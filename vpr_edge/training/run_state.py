"""What a run needs to go on as if it had not stopped: `state.pt`, written whole or not at all."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vpr_edge.errors import CheckpointError
from vpr_edge.files import atomic_file, sha256
from vpr_edge.models.checkpoint import find_checkpoint
from vpr_edge.training.recipe import HASHES, Recipe

CHECKPOINT = "checkpoint.safetensors"
"""What a finished run leaves in its folder."""
STATE = "state.pt"
"""What an unfinished one goes on from."""
FREE_TO_CHANGE = ("save_every", "keep_every", "log_every")
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
        summed: steps that these are of.
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
    summed: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_figure: float = float("-inf")
    since_best: int = 0
    hard: list[Tensor] = field(default_factory=list)


def run_settings(recipe: Recipe) -> dict[str, Any]:
    """What a run is told apart by: the resolved recipe, and the hashes of the files it names.

    These are the checkpoint `init`, shipped ones too, and the files of teachers. What is not there
    has no hash; whoever reads it says so.
    """
    files = {"teacher": Path(recipe.teacher), "keypoint_teacher": Path(recipe.keypoint_teacher)}
    if recipe.init:
        files["init"] = find_checkpoint(recipe.init)
    hashes = {name: sha256(path) for name, path in sorted(files.items()) if path.is_file()}
    return recipe.to_dict() | {HASHES: hashes}


def save_state(path: Path, state: RunState, settings: dict[str, Any]) -> None:
    """Write the state together with the settings that it belongs to (see `run_settings`)."""
    with atomic_file(path) as scratch:
        torch.save({"recipe": json.dumps(settings), **vars(state)}, scratch)


def load_state(path: Path, settings: dict[str, Any]) -> RunState | None:
    """Read a state; None where there is none yet.

    Args:
        path: of the state.
        settings: of the run that is to go on (see `run_settings`).

    Raises:
        CheckpointError: it is damaged, of another version, or of a run with other settings.
    """
    if not path.is_file():
        return None
    try:
        values = torch.load(path, weights_only=True, map_location="cpu")
        begun = json.loads(values.pop("recipe"))
        # Older states do not say it, but were summed since the last multiple of `log_every`.
        values.setdefault("summed", values["step"] % begun["log_every"])
        for name in ("model", "average", "best"):
            values[name] = _with_factors(values[name])
        state = RunState(**values)
    except Exception as error:  # torch raises half a dozen kinds for damaged files
        raise CheckpointError(
            f"{path} is not a state that this version can resume from; remove the folder "
            f"{path.parent} or choose another --output."
        ) from error
    refuse_other_settings(path.parent, begun, settings)
    return state


def _with_factors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Older states hold a scale as its logarithm: a factor on a given scale of 1, bit for bit."""
    found = {}
    for name, value in tensors.items():
        kept = name.removesuffix("log_scale")
        if kept == name:
            found[name] = value
        else:
            found |= {f"{kept}log_factor": value, f"{kept}given_scale": torch.ones_like(value)}
    return found


def refuse_other_settings(folder: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> None:
    """A folder holds one run: going on with other settings would give neither result.

    Hashes are compared where both have them: older runs kept none.

    Raises:
        CheckpointError: the settings differ in what matters to the result, or a file that one of
            them names is no longer the one that the run began with.
    """
    for name in sorted((begun.keys() | wanted.keys()) - {*FREE_TO_CHANGE, HASHES}):
        if begun.get(name) != wanted.get(name):
            raise CheckpointError(
                f"{folder} holds a run with {name} {begun.get(name)!r}, not {wanted.get(name)!r}; "
                "choose another --output, or remove the folder to begin anew."
            )
    now = wanted.get(HASHES, {})
    for name, old in begun.get(HASHES, {}).items():
        if now.get(name, old) != old:
            raise CheckpointError(
                f"{folder} holds a run with {name} {wanted[name]!r}, a file whose content has "
                f"changed since (sha256 {old[:12]}, now {now[name][:12]}); restore it, choose "
                "another --output, or remove the folder to begin anew."
            )
