"""The training loop: one step is a place, a keypoint and a segmentation batch through one backbone.

A run folder holds `recipe.json` (resolved), `state.pt` (to resume), TensorBoard events, and at the
end `checkpoint.safetensors`. The draws of a step depend on the seed and the step's number alone, so
a resumed run continues as if it had not stopped.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn import functional

from vpr_edge.files import atomic_file, write_json
from vpr_edge.models.checkpoint import Checkpoint, find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.models.zoo import NetworkConfig, build_graph, network_config
from vpr_edge.preprocessing import Preprocessing
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model
from vpr_edge.training import losses
from vpr_edge.training.batches import (
    Data,
    keypoint_batch,
    labelled_shares,
    place_batch,
    segmentation_batch,
)
from vpr_edge.training.recipe import Recipe
from vpr_edge.training.teacher import CHANNELS

DISTILLED_NODE = "place_mix_pointwise"
KEYPOINT_NODE = "keypoint_pointwise"
OUTPUTS = ("place", "score", "location", "descriptor", "segmentation")
KEYPOINT_OUTPUTS = ("score", "location", "descriptor", KEYPOINT_NODE)
Report = Callable[[int, dict[str, float]], None]


class _Model(nn.Module):
    """The network, and what only training needs.

    Attributes:
        network: what is trained.
        lift: lifts features to the teacher's maps.
        inside: tells from a cell's features which of its pixels is the keypoint.
    """

    def __init__(self, network: nn.Module, config: NetworkConfig) -> None:
        super().__init__()
        graph = build_graph(config)
        self.network = network
        self.lift = nn.Conv2d(graph[DISTILLED_NODE].shape[0], CHANNELS, 1)
        self.inside = nn.Conv2d(graph[KEYPOINT_NODE].shape[0], losses.CELL**2, 1)

    def forward(self, images: Tensor, keep: tuple[str, ...]) -> dict[str, Tensor]:
        return self.network(images, keep)


def train(recipe: Recipe, folder: Path, data: Data, report: Report | None = None) -> Path:
    """Run a recipe, resuming where the folder's last state left off.

    Args:
        recipe: all settings.
        folder: of the run; made.
        data: from `training.data.load_data`.
        report: called every `log_every` steps with the step and the losses.

    Returns:
        The path of the checkpoint (kind "float", or "int8" for a QAT recipe).
    """
    from torch.utils.tensorboard import SummaryWriter

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "recipe.json", recipe.to_dict())
    torch.manual_seed(recipe.seed)
    fabric = Fabric(accelerator="auto", devices=1)
    fabric.launch()
    config, network, original = _network(recipe, data)
    model = _Model(network, config)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs
    optimizer = torch.optim.AdamW(_groups(model, recipe), lr=recipe.learning_rate)
    trained, optimizer = fabric.setup(model, optimizer)
    network.train()
    average = {name: value.clone() for name, value in network.state_dict().items()}
    start = _resume(folder / "state.pt", model, optimizer, average)
    step = _Step(recipe, config, data, fabric, original)
    writer = SummaryWriter(str(folder / "events"))
    sums: dict[str, float] = {}
    for number in range(start, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * recipe.learning_rate * _schedule(number, recipe)
        exact = recipe.quantize and number >= recipe.steps * (1 - recipe.exact_last)
        if exact:
            cast(FakeQuantNetwork, network).integer_exact = True
        parts = step(trained, number)
        optimizer.zero_grad()
        fabric.backward(torch.stack(list(parts.values())).sum())
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        _average(average, network, min(recipe.average, (number + 1) / (number + 10)))
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + float(part.detach())
        if (number + 1) % recipe.log_every == 0:
            means = {name: value / recipe.log_every for name, value in sums.items()}
            sums = {}
            for name, value in means.items():
                writer.add_scalar(name, value, number + 1)
            if report:
                report(number + 1, means)
        if (number + 1) % recipe.save_every == 0:
            state = {
                "step": number + 1,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": average,
            }
            with atomic_file(folder / "state.pt") as scratch:
                torch.save(state, scratch)
    writer.close()
    network.load_state_dict(average)
    provenance = {
        "recipe": recipe.to_dict(),
        "sources": sorted(source.name for source in data.places),
        "command": " ".join(["vpr-edge", *sys.argv[1:]]),
    }
    result = _finished(recipe, config, network, data.fit, provenance)
    return save_checkpoint(folder / "checkpoint.safetensors", result)


class _Step:
    """The losses of one step."""

    def __init__(
        self,
        recipe: Recipe,
        config: NetworkConfig,
        data: Data,
        fabric: Fabric,
        original: Network | None,
    ) -> None:
        self.recipe, self.config, self.data, self.fabric = recipe, config, data, fabric
        self.original = fabric.to_device(original) if original else None
        share = labelled_shares(data, recipe) @ np.stack(
            [
                np.bincount(s.labels.ravel(), minlength=12)[:11] / s.labels.size
                for s in data.labelled
            ]
        )
        # The square root keeps rare classes (poles, people) learnable without flooding the map.
        balance = 1 / np.sqrt(share + 1e-3)
        self.class_weights = torch.tensor(balance / balance.mean(), dtype=torch.float32)

    def __call__(self, model: Any, number: int) -> dict[str, Tensor]:
        recipe, w = self.recipe, self.recipe.weights
        rng = np.random.default_rng([recipe.seed, number])
        g = torch.Generator().manual_seed(recipe.seed * 1_000_003 + number)
        parts: dict[str, Tensor] = {}
        places = place_batch(self.data, recipe, rng, g)
        keypoints = keypoint_batch(self.data, recipe.batch.keypoint_pairs, rng, g)
        pictures, labels = segmentation_batch(self.data, recipe, rng, g)
        # One pass for all tasks, so that BatchNorm sees one distribution.
        groups = [places.images, keypoints.a, keypoints.b, pictures]
        sizes = [len(group) for group in groups]
        images = torch.cat(groups).contiguous(memory_format=torch.channels_last)
        outputs = model(self.fabric.to_device(images), (*OUTPUTS, DISTILLED_NODE, KEYPOINT_NODE))
        if self.original is not None and w.imitate:
            with torch.no_grad():
                targets = self.original(self.fabric.to_device(images))
            parts["imitate"] = w.imitate * losses.imitation(outputs, targets)
        split = {name: value.split(sizes) for name, value in outputs.items()}
        place = split["place"][0]
        vectors = losses.place_vectors(place, self.config.head)
        half = len(vectors) // 2
        parts["contrast"] = w.contrast * losses.contrastive(
            vectors[:half],
            vectors[half:],
            self.fabric.to_device(places.ignore),
            recipe.temperature,
        )
        if places.targets:
            maps, target = (self.fabric.to_device(t) for t in places.targets)
            lifted = model.lift(split[DISTILLED_NODE][0])
            parts["distill_maps"] = w.distill * losses.distillation(lifted, maps)
            if self.config.head == "convap":
                target = functional.adaptive_avg_pool2d(target, place.shape[2:])
                parts["distill_place"] = w.distill * losses.distillation(place, target)
                parts["relate"] = w.relate * losses.relation(vectors, target.flatten(1))
        a, b = ({name: split[name][k] for name in KEYPOINT_OUTPUTS} for k in (1, 2))
        found = losses.keypoints(a, b, self.fabric.to_device(keypoints.a_to_b))
        parts.update({f"keypoint_{name}": w.keypoints * v for name, v in found.items()})
        views = ((a, keypoints.clean_a), (b, keypoints.clean_b))
        for seen, clean in views:
            taught = losses.corners(
                seen["location"],
                seen["score"],
                model.inside(seen[KEYPOINT_NODE]),
                self.fabric.to_device(clean),
            )
            for name, value in taught.items():
                so_far = parts.get(f"keypoint_{name}", value.new_zeros(()))
                parts[f"keypoint_{name}"] = so_far + w.corners / len(views) * value
        parts["segmentation"] = w.segmentation * losses.segmentation(
            split["segmentation"][3],
            self.fabric.to_device(labels),
            self.fabric.to_device(self.class_weights),
        )
        return parts


def _network(recipe: Recipe, data: Data) -> tuple[NetworkConfig, nn.Module, Network | None]:
    """The configuration, the network to train, and for QAT the float network it starts from."""
    if recipe.init:
        checkpoint = load_checkpoint(find_checkpoint(recipe.init))
        config, network = checkpoint.config, Network.from_checkpoint(checkpoint)
    else:
        config = network_config(recipe.network)
        network = Network(build_graph(config))
    if not recipe.quantize:
        return config, network, None
    fake = FakeQuantNetwork(network)
    return config, calibrate(fake, calibration_images(data)), network


def calibration_images(data: Data, count: int = 128) -> list[Tensor]:
    """Pictures of every place source, as batches of float images, to set the first ranges."""
    share = count // len(data.places)
    return [
        torch.from_numpy(data.fit.to_float(s.images[:: max(1, len(s.images) // share)][:share]))
        for s in data.places
    ]


def _finished(
    recipe: Recipe,
    config: NetworkConfig,
    network: nn.Module,
    fit: Preprocessing,
    provenance: dict[str, Any],
) -> Checkpoint:
    if recipe.quantize:
        assert isinstance(network, FakeQuantNetwork)
        return to_int8_model(network, config, fit, provenance).to_checkpoint()
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    return Checkpoint("float", replace(config), tensors, fit, provenance)


def _groups(model: _Model, recipe: Recipe) -> list[dict[str, Any]]:
    """Weights decay; biases, BatchNorm and learned scales do not."""
    decay = [p for p in model.parameters() if p.ndim > 1]
    free = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": decay, "weight_decay": recipe.weight_decay, "share": 1.0},
        {"params": free, "weight_decay": 0.0, "share": 1.0},
    ]


def _schedule(step: int, recipe: Recipe) -> float:
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.5 * (1 + math.cos(math.pi * done))


@torch.no_grad()
def _average(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value.to(average[name].device), 1 - decay)
        else:
            average[name].copy_(value)


def _resume(path: Path, model: nn.Module, optimizer: Any, average: dict[str, Tensor]) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    average.update(state["average"])
    return int(state["step"])
