"""A training recipe: every setting of a run, read from YAML and overridden on the command line."""

from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from vpr_edge.errors import CheckpointError


@dataclass(frozen=True)
class Batch:
    """What one step sees.

    Attributes:
        place_pairs: pairs of pictures of one place.
        keypoint_pairs: pairs of warped views of one photograph.
        segmentation: labelled pictures.
    """

    place_pairs: int = 32
    keypoint_pairs: int = 6
    segmentation: int = 8


@dataclass(frozen=True)
class Weights:
    """Weights of the losses in their sum; zero switches one off.

    `relate` holds the cosines between a batch's places at the teacher's; `corners` teaches
    keypoints the strongest corner of every cell, `keypoints` what two views agree on; `imitate`
    keeps the outputs of a fake-quantised network at those of the float network it
    started from (QAT only); it needs no labels.
    """

    distill: float = 1.0
    relate: float = 0.0
    contrast: float = 1.0
    keypoints: float = 1.0
    corners: float = 1.0
    segmentation: float = 1.0
    imitate: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run.

    Attributes:
        network: name in the zoo.
        init: checkpoint (path or shipped name) to start from; empty starts at random.
        quantize: train the fake-quantised network (QAT) instead of the float one.
        exact_last: the last share of a QAT run that trains through the integer-exact pass.
        steps, batch, weights: length of the run, its batches, its losses.
        learning_rate: at the peak (AdamW, warm-up then cosine to zero).
        weight_decay: of AdamW.
        warmup: steps of linear warm-up.
        temperature: of the contrastive loss.
        sources: share of place pairs drawn from each source (see `training.sources`).
        labelled: shares of the labelled pictures from "town" and "camvid", where they are there.
        teacher: "efficientnet-lite0" (extra [teacher]) or "" for none.
        average: decay of the moving average of the weights that is saved.
        seed: of initial weights and of every random draw.
        save_every, log_every: steps.
    """

    network: str = "nano"
    init: str = ""
    quantize: bool = False
    exact_last: float = 0.0
    steps: int = 4000
    batch: Batch = field(default_factory=Batch)
    weights: Weights = field(default_factory=Weights)
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 100
    temperature: float = 0.07
    sources: dict[str, float] = field(default_factory=lambda: {"town": 1.0})
    labelled: dict[str, float] = field(default_factory=lambda: {"town": 1.0, "camvid": 1.0})
    teacher: str = ""
    average: float = 0.998
    seed: int = 0
    save_every: int = 200
    log_every: int = 20

    def to_dict(self) -> dict[str, Any]:
        """The resolved recipe, JSON-ready."""
        return asdict(self)


def load_recipe(name: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe and apply overrides.

    Args:
        name: a YAML file, or the name of a recipe inside the package ("nano", "qat").
        overrides: "key=value" with a YAML value; nested keys with dots ("batch.place_pairs=8").

    Raises:
        CheckpointError: no such recipe, not YAML, or a setting that does not exist.
    """
    folder = Path(str(resources.files("vpr_edge") / "training" / "recipes"))
    shipped = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    path = shipped.get(name, Path(name))
    try:
        values = yaml.safe_load(path.read_text()) or {}
        for override in overrides:
            key, _, value = override.partition("=")
            target = values
            *parents, last = key.split(".")
            for parent in parents:
                target = target.setdefault(parent, {})
            # YAML reads nothing as null; here it is the empty name.
            target[last] = yaml.safe_load(value) if value else ""
        return _build(Recipe(), values)
    except OSError as error:
        raise CheckpointError(
            f"there is no recipe {name!r}; give a YAML file or one of {', '.join(shipped)}."
        ) from error
    except (yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"the recipe {path} cannot be used: {error}; correct it.") from error


def _build(default: Any, values: dict[str, Any]) -> Any:
    known = {f.name for f in fields(default)}
    changes = {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"it has no setting {key!r}, only {', '.join(sorted(known))}")
        old = getattr(default, key)
        if isinstance(old, Batch | Weights):
            value = _build(old, value)
        elif isinstance(old, float) and isinstance(value, int | str):
            value = float(value)
        if type(value) is not type(old):
            raise ValueError(f"{key} must be {type(old).__name__}, not {value!r}")
        changes[key] = value
    return replace(default, **changes)
