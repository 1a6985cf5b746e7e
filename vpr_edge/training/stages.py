"""A chain of recipes: each stage goes on from the checkpoint of the one before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vpr_edge.errors import CheckpointError
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.training.recipe import Recipe, load_recipe, read_settings
from vpr_edge.training.run_state import CHECKPOINT, refuse_other_settings, run_settings


@dataclass(frozen=True)
class Stage:
    """One recipe of a chain.

    Attributes:
        name: of the recipe.
        recipe: resolved; but the first, `init` is the checkpoint of the stage before.
        folder: of its run.
    """

    name: str
    recipe: Recipe
    folder: Path

    @property
    def checkpoint(self) -> Path:
        """What the run leaves."""
        return self.folder / CHECKPOINT


def chain(recipes: Sequence[str], folder: Path, settings: tuple[str, ...] = ()) -> list[Stage]:
    """Resolve the recipes of a chain, before anything is trained.

    Args:
        recipes: names or YAML files; one whose only setting is `stages`, a list of such names,
            stands for these.
        folder: of the run; a chain of several stages gets a numbered folder for each.
        settings: overrides of every stage, or of one: "qat:steps=300".

    Raises:
        CheckpointError: a recipe or a setting does not exist, or a stage is overridden that is not
            in the chain.
    """
    names = [stage for name in recipes for stage in _stage_names(name)]
    labels = [Path(name).stem for name in names]
    general, special = _parted(settings, labels)
    stages: list[Stage] = []
    for number, (name, label) in enumerate(zip(names, labels, strict=True), start=1):
        recipe = load_recipe(name, (*general, *special.get(label, ())))
        if stages:
            recipe = replace(recipe, init=str(stages[-1].checkpoint))
        own = folder / f"{number}-{label}" if len(names) > 1 else folder
        stages.append(Stage(label, recipe, own))
    for stage in stages[:-1]:
        if stage.recipe.quantize:
            raise CheckpointError(
                f"the stage {stage.name} ends with an int8 checkpoint, which no other stage can "
                "start from; put it last."
            )
    return stages


def _stage_names(name: str, above: tuple[str, ...] = ()) -> list[str]:
    settings = read_settings(name)
    if "stages" not in settings:
        return [name]
    stages = settings["stages"]
    if len(settings) > 1 or not isinstance(stages, list) or not all(map(_is_name, stages)):
        raise CheckpointError(
            f"the recipe {name} has stages; it must hold their names alone, as "
            "'stages: [multitask, qat]'."
        )
    # A stage that is a file lies beside the recipe that names it.
    beside = [str(Path(name).parent / s) if s.endswith((".yaml", ".yml")) else s for s in stages]
    if name in (*above, *beside):
        raise CheckpointError(f"the recipe {name} is a stage of itself; take it out of its stages.")
    return [inner for stage in beside for inner in _stage_names(stage, (*above, name))]


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _parted(
    settings: tuple[str, ...], labels: Sequence[str]
) -> tuple[list[str], dict[str, list[str]]]:
    general: list[str] = []
    special: dict[str, list[str]] = {}
    for setting in settings:
        label, colon, rest = setting.partition(":")
        if not colon or "=" in label:
            general.append(setting)
        elif label in labels:
            special.setdefault(label, []).append(rest)
        else:
            raise CheckpointError(
                f"the setting {setting!r} is for a stage {label!r}, which is not among "
                f"{', '.join(labels)}; correct its name."
            )
    return general, special


def run_chain(stages: Sequence[Stage], run: Callable[[Stage], Path]) -> Path:
    """Run the stages that are not finished yet, one after another.

    Args:
        stages: from `chain`.
        run: trains one stage, resuming it, and returns its checkpoint.

    Returns:
        The last stage's checkpoint.

    Raises:
        CheckpointError: a finished stage was run with other settings.
    """
    for stage in stages:
        if not _finished(stage):
            run(stage)
    return stages[-1].checkpoint


def _finished(stage: Stage) -> bool:
    if not stage.checkpoint.is_file():
        return False
    done = load_checkpoint(stage.checkpoint).provenance.get("recipe", {})
    refuse_other_settings(stage.folder, done, run_settings(stage.recipe))
    return True
