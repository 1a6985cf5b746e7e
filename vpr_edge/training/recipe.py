"""A training recipe: every setting of a run, read from YAML and overridden on the command line."""

import json
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from vpr_edge.errors import CheckpointError
from vpr_edge.training.plain_yaml import load_plain
from vpr_edge.training.schedule import Weight

HASHES = "sha256"
"""Beside the settings of a run's `recipe.json`: the hashes of the files that they name."""


@dataclass(frozen=True)
class Batch:
    """What one step sees on each device.

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

    Each is a number, or values at steps between which it changes linearly: {0: 1.0, 500: 0.2}.

    Attributes:
        distill: features and place output at the teacher's.
        relate: cosines between a batch's places at the teacher's.
        contrast: InfoNCE of places.
        triplet: of places, hardest positive and negative.
        hinge: of places, over all pairs of positive and negative.
        multi_similarity: of places.
        keypoints: what two views agree on: location, InfoNCE of descriptors, score.
        keypoint_triplet: of keypoints' descriptors, hardest negative.
        usp: UnsuperPoint's score loss.
        inliers: KP2D's inlier-outlier loss.
        corners: keypoints at the strongest corner of every cell.
        agree: the corner pixels of two views at each other (networks with detector "corners").
        keypoint_teacher: score and descriptors of the keypoint teacher.
        segmentation: cross-entropy and Jaccard.
        depth: scale-invariant logarithmic error, for networks with an output "depth".
        domain: strength of the gradient that makes rendered pictures like real ones.
        imitate: the outputs of a network at those of the float network it started from
            (QAT); it needs no labels.
        hold: the same for all outputs but "place", and on the pictures of keypoints and labels
            alone: places are learned while the other tasks stay.
        overview: of a pyramid's overview, in `distill`, `relate` and `contrast`, beside the grid's.
    """

    distill: Weight = 1.0
    relate: Weight = 0.0
    contrast: Weight = 1.0
    triplet: Weight = 0.0
    hinge: Weight = 0.0
    multi_similarity: Weight = 0.0
    keypoints: Weight = 1.0
    keypoint_triplet: Weight = 0.0
    usp: Weight = 0.0
    inliers: Weight = 0.0
    corners: Weight = 1.0
    agree: Weight = 0.0
    keypoint_teacher: Weight = 0.0
    segmentation: Weight = 1.0
    depth: Weight = 0.0
    domain: Weight = 0.0
    imitate: Weight = 0.0
    hold: Weight = 0.0
    overview: Weight = 1.0


@dataclass(frozen=True)
class Mining:
    """Hard negatives: half of a place batch looks like the other half to the network itself.

    Attributes:
        every: steps after which all pictures are described anew; 0 mines nothing.
        nearest: how many of the most alike other places are drawn from.
    """

    every: int = 0
    nearest: int = 10


@dataclass(frozen=True)
class Validation:
    """Early stopping.

    Attributes:
        figure: "miou" or "recall_at_1", on pictures held out of training; "" switches it off.
        every: steps from judgement to judgement.
        share: of the labelled pictures, or of the pairs, that is held out.
        patience: judgements without a better one after which the run ends.
    """

    figure: str = ""
    every: int = 200
    share: float = 0.1
    patience: int = 5


@dataclass(frozen=True)
class TeacherInput:
    """What a teacher's file takes: (pixel / 255 - mean) / std, [N, 3, height, width] float32.

    Attributes:
        height, width: pixels; 0 takes what an ONNX file fixes, or else the pictures as they are.
        mean, std: of red, green and blue.
        grey: one channel [N, 1, height, width], the mean of the three before `mean` and `std`.
    """

    height: int = 0
    width: int = 0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    grey: bool = False


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run.

    Attributes:
        network: name in the zoo.
        init: checkpoint (path or shipped name) to start from; empty starts at random.
        become: name in the zoo of the network that takes over the layers of `init` that fit, as
            they are or within larger ones (see `training.grow`); empty keeps that of `init`.
        freeze: groups of layers that stay as they are: "backbone", a task ("keypoints",
            "segmentation", "places": the layers that serve it alone), or the start of a layer's
            name.
        only: groups likewise; all layers outside them stay as they are. Empty: no such limit.
        quantize: train the fake-quantised network (QAT) instead of the float one.
        symmetric: whether QAT's zero points are 0 (all but the image's), as TensorRT demands.
        variants: views of each picture (itself, and some in other lights) of which the map behind
            the frozen layers is computed once; steps then run the trained layers alone, on places
            alone. 0: every step runs the whole network on pictures lit anew.
        former: for `vpr-edge fit-places`, the share of the network's own projection in the head.
        exact_last: the last share of a QAT run that trains through the integer-exact pass.
        steps, batch, weights: length of the run, its batches, its losses.
        learning_rate: at the peak (AdamW, warm-up then cosine to zero).
        weight_decay: of AdamW.
        warmup: steps of linear warm-up.
        temperature: of InfoNCE.
        margin: of `weights.triplet` (distance) and `weights.hinge` (cosine).
        mining: hard negatives for places.
        sources: share of place pairs drawn from each source (see `training.sources`).
        labelled: shares of the labelled pictures from "town" and "camvid", where they are there,
            or from folders in CamVid's layout.
        teacher: of places: "efficientnet-lite0" or "efficientnet-lite2" (extra [teacher]), an ONNX
            or TorchScript file, an .npz of arrays (see docs/train.md), or "" for none.
        keypoint_teacher: of keypoints: a file likewise, or "".
        teacher_input: what these files take.
        whiten: whether the teacher's maps are whitened by what season and light change in them.
        average: decay of the moving average of the weights that is saved.
        validation: early stopping.
        seed: of initial weights and of every random draw.
        save_every, log_every: steps.
        keep_every: steps after which `checkpoint-STEP.safetensors` is written as well, for learning
            curves of any figure; 0 for none.
    """

    network: str = "nano"
    init: str = ""
    become: str = ""
    freeze: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    quantize: bool = False
    symmetric: bool = False
    variants: int = 0
    former: float = 0.0
    exact_last: float = 0.0
    steps: int = 4000
    batch: Batch = field(default_factory=Batch)
    weights: Weights = field(default_factory=Weights)
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 100
    temperature: float = 0.07
    margin: float = 0.1
    mining: Mining = field(default_factory=Mining)
    sources: dict[str, float] = field(default_factory=lambda: {"town": 1.0})
    labelled: dict[str, float] = field(default_factory=lambda: {"town": 1.0, "camvid": 1.0})
    teacher: str = ""
    keypoint_teacher: str = ""
    teacher_input: TeacherInput = field(default_factory=TeacherInput)
    whiten: bool = False
    average: float = 0.998
    validation: Validation = field(default_factory=Validation)
    seed: int = 0
    save_every: int = 200
    keep_every: int = 0
    log_every: int = 20

    def to_dict(self) -> dict[str, Any]:
        """The resolved recipe, as JSON gives it back."""
        result: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return result


def shipped_recipes() -> dict[str, Path]:
    """The recipes inside the package by name."""
    folder = Path(str(resources.files("vpr_edge") / "training" / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(name: str, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe and apply overrides.

    Args:
        name: a YAML file, or the name of a recipe inside the package ("nano", "qat"). Its setting
            `base` may name another recipe, whose settings it takes where it has none of its own.
        overrides: "key=value" with a YAML value; nested keys with dots ("batch.place_pairs=8").

    Raises:
        CheckpointError: no such recipe, not YAML, or a setting that does not exist.
    """
    values = read_settings(name)
    try:
        for override in overrides:
            key, _, value = override.partition("=")
            target = values
            *parents, last = key.split(".")
            for parent in parents:
                target = target.setdefault(parent, {})
            # YAML reads nothing as null; here it is the empty name.
            target[last] = load_plain(value) if value else ""
        return _build(Recipe(), values)
    except (yaml.YAMLError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"the recipe {name} cannot be used: {error}; correct it.") from error


def read_settings(name: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
    """The settings of a YAML file or shipped recipe as they are written, on those of its `base`.

    Args:
        name: a YAML file, or the name of a recipe inside the package.
        above: the recipes that it is the base of.

    Raises:
        CheckpointError: no such recipe, not YAML, or a base that is based on the recipe itself.
    """
    shipped = shipped_recipes()
    path = shipped.get(name, Path(name))
    try:
        values = load_plain(path.read_text()) or {}
        base = values.pop("base", "")
        if not isinstance(base, str):
            raise TypeError(f"base must be the name of a recipe, not a {type(base).__name__}")
        # No setting: the `recipe.json` of a run is a recipe too.
        values.pop(HASHES, None)
    except OSError as error:
        raise CheckpointError(
            f"there is no recipe {name!r}; give a YAML file or one of {', '.join(shipped)}."
        ) from error
    except (yaml.YAMLError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"the recipe {path} cannot be used: {error}; correct it.") from error
    if not base:
        return dict(values)
    if base in above:
        raise CheckpointError(f"the recipe {path} is based on itself; give it another base.")
    # A base that is a file lies beside the recipe that names it.
    found = base if base in shipped else str(path.parent / base)
    below = read_settings(found, (*above, base))
    try:
        return _merged(below, values)
    except TypeError as error:
        raise CheckpointError(f"the recipe {path} cannot be used: {error}; correct it.") from error


# Counts that divide or are drawn from; of others 0 switches something off.
AT_LEAST_ONE = ("log_every", "save_every", "nearest", "patience")
_GROUPS = (Batch, Weights, Mining, Validation, TeacherInput)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Settings over others; groups such as `weights` are merged, tables such as `sources` not."""
    result = below | above
    for group in fields(Recipe):
        if group.type in _GROUPS and group.name in below and group.name in above:
            result[group.name] = below[group.name] | above[group.name]
    return result


def _build(default: Any, values: dict[str, Any]) -> Any:
    known = {f.name for f in fields(default)}
    changes = {}
    for key, value in values.items():
        if key not in known:
            raise ValueError(f"it has no setting {key!r}, only {', '.join(sorted(known))}")
        old = getattr(default, key)
        if isinstance(default, Weights) and isinstance(value, dict):
            if not value:
                raise ValueError(f"the schedule of {key} is empty")
            changes[key] = {int(step): float(weight) for step, weight in value.items()}
        else:
            changes[key] = _setting(key, old, value)
    return replace(default, **changes)


def _setting(key: str, old: Any, value: Any) -> Any:
    """A value of the type of the default, or an error that names the setting."""
    if isinstance(old, _GROUPS):
        return _build(old, value)
    if isinstance(old, float) and isinstance(value, int | str):
        value = float(value)
    if isinstance(old, tuple) and isinstance(value, list):
        value = tuple(value)
    if isinstance(old, dict) and isinstance(value, dict):
        value = {name: float(share) for name, share in value.items()}
    if type(value) is not type(old):
        raise ValueError(f"{key} must be {type(old).__name__}, not {value!r}")
    least = 1 if key in AT_LEAST_ONE else 0
    if isinstance(value, int) and value < least:
        raise ValueError(f"{key} must be at least {least}, not {value}")
    return value
