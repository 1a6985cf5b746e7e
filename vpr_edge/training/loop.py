"""The training loop.

A run folder holds `recipe.json` (resolved, with hashes of the files it names), `state.pt` (to
resume), TensorBoard events, and at the end `checkpoint.safetensors`. The draws of a step depend on
the seed and the step's number alone, so a resumed run continues as if it had not stopped.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from vpr_edge.errors import CheckpointError
from vpr_edge.files import write_json
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.quantize.fake import FakeQuantNetwork
from vpr_edge.training.batches import Data, StepBatch, draw_batch
from vpr_edge.training.freeze import freeze_layers, frozen_layers
from vpr_edge.training.hardware import Hardware, launch
from vpr_edge.training.mining import HardNegatives, mine
from vpr_edge.training.network import (
    finished_checkpoint,
    quantized_network,
    recipe_config,
    starting_network,
    trained_part,
)
from vpr_edge.training.prefetch import Prefetcher
from vpr_edge.training.recipe import Recipe
from vpr_edge.training.run_log import RunLog
from vpr_edge.training.run_state import (
    CHECKPOINT,
    STATE,
    RunState,
    load_state,
    run_settings,
    save_state,
)
from vpr_edge.training.schedule import ever_used, learning_rate
from vpr_edge.training.step import SealedBatch, Step, weights_at
from vpr_edge.training.validation import describe, hold_out, inference, judge

LARGEST_GRADIENT = 5.0
Report = Callable[[int, dict[str, float]], None]


def train(
    recipe: Recipe,
    folder: Path,
    data: Data,
    report: Report | None = None,
    hardware: Hardware | None = None,
    wandb_project: str = "",
) -> Path:
    """Run a recipe, resuming where the folder's last state left off.

    Args:
        recipe: all settings.
        folder: of the run; made.
        data: from `training.data.load_data`.
        report: called every `log_every` steps with the step and the losses.
        hardware: devices and number format; by default one device in float32.
        wandb_project: also report there.

    Returns:
        The path of the checkpoint (kind "float", or "int8" for a QAT recipe).

    Raises:
        CheckpointError: a setting or a checkpoint cannot be used, or the folder holds a run with
            other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = run_settings(recipe)
    resumed = load_state(folder / STATE, settings)
    torch.manual_seed(recipe.seed)
    fabric = launch(hardware or Hardware())
    run = _Run(recipe, settings, folder, data, fabric, resumed)
    if fabric.is_global_zero:
        write_json(folder / "recipe.json", settings)
        log = RunLog(folder, run.state.step, settings, wandb_project)
        run.loop(log, report)
        log.close()
    else:
        run.loop(None, None)
    fabric.barrier()
    path = folder / CHECKPOINT
    if fabric.is_global_zero:
        run.finish(path)
    fabric.barrier()
    return path


class _Run:
    """One run on one device; all devices do the same, the first also writes."""

    def __init__(
        self,
        recipe: Recipe,
        settings: dict[str, Any],
        folder: Path,
        data: Data,
        fabric: Fabric,
        resumed: RunState | None,
    ) -> None:
        self.recipe, self.settings, self.folder, self.fabric = recipe, settings, folder, fabric
        self.data, self.judged = hold_out(data, recipe.validation)
        self.config = recipe_config(recipe)
        network = starting_network(recipe, self.config)
        frozen = frozen_layers(network.graph, recipe.freeze, recipe.only)
        original = self._original(network)
        self.whole: Network | None = None
        if recipe.variants:
            self.whole = network
            network = trained_part(network, frozen)
        self.network: nn.Module = (
            quantized_network(network, self.data, recipe.symmetric) if recipe.quantize else network
        )
        step = Step(self.network, self.config, recipe, self.data, original)
        step.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs
        self.network.train()
        freeze_layers(self.network.layers, frozen & set(self.network.layers))
        optimizer = torch.optim.AdamW(_groups(step, recipe), lr=recipe.learning_rate)
        self.state = resumed or RunState()
        if resumed:
            step.load_state_dict(resumed.model)
        self.batches = Prefetcher(self._draw)
        self.module: Any
        self.module, self.optimizer = fabric.setup(step, optimizer)
        self.step = step
        if resumed:
            self.optimizer.load_state_dict(resumed.optimizer)
            fabric.strategy.precision.load_state_dict(resumed.precision)
        else:
            self.state.average = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.state.average = self._here(self.state.average)
        self.state.best = self._here(self.state.best)

    def _original(self, network: Network) -> Network | None:
        """The float network whose outputs are held: that of `init`, whatever becomes of it."""
        held = (self.recipe.weights.imitate, self.recipe.weights.hold)
        if not (self.recipe.init and any(map(ever_used, held))):
            return None
        given = Network.from_checkpoint(load_checkpoint(find_checkpoint(self.recipe.init)))
        self.fabric.to_device(given)
        return given

    def _here(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value.to(self.fabric.device) for name, value in tensors.items()}

    def loop(self, log: RunLog | None, report: Report | None) -> None:
        """Go on to the last step, or until validation says that there is no more to gain."""
        recipe, state = self.recipe, self.state
        while state.step < recipe.steps and not self._over():
            if self._mines_before(state.step):
                state.hard = self._mined()
            for name, part in self._step(state.step).items():
                state.sums[name] = state.sums.get(name, 0.0) + float(part.detach())
            state.step, state.summed = state.step + 1, state.summed + 1
            if state.step % recipe.log_every == 0:
                means = {name: value / state.summed for name, value in state.sums.items()}
                state.sums, state.summed = {}, 0
                if log:
                    log.write(state.step, means)
                if report:
                    report(state.step, means)
            if recipe.validation.figure and state.step % recipe.validation.every == 0:
                self._judge(log)
            if self.fabric.is_global_zero:
                if recipe.keep_every and state.step % recipe.keep_every == 0:
                    self._keep()
                if state.step % recipe.save_every == 0:
                    self._save()
        self.batches.close()

    def _step(self, number: int) -> dict[str, Tensor]:
        """Draw, compute, and move the weights."""
        recipe, fabric = self.recipe, self.fabric
        for group in self.optimizer.param_groups:
            share = learning_rate(number, recipe.steps, recipe.warmup)
            group["lr"] = recipe.learning_rate * share
        if isinstance(self.network, FakeQuantNetwork):
            self.network.integer_exact = number >= recipe.steps * (1 - recipe.exact_last)
        batch = self.batches(number)
        if fabric.device.type != "cpu" and not self._mines_before(number + 1):
            self.batches.prepare(number + 1)
        parts: dict[str, Tensor] = self.module(
            SealedBatch(fabric.to_device(batch)), weights_at(recipe.weights, number)
        )
        if not parts:
            raise CheckpointError(
                f"no loss of the recipe has both a weight and pictures in step {number}; set a "
                "weight, or the part of the batch that it needs."
            )
        self.optimizer.zero_grad()
        fabric.backward(torch.stack(list(parts.values())).sum())
        fabric.clip_gradients(
            self.module, self.optimizer, max_norm=LARGEST_GRADIENT, error_if_nonfinite=False
        )
        self.optimizer.step()
        _average(
            self.state.average, self.network, min(recipe.average, (number + 1) / (number + 10))
        )
        return parts

    def _draw(self, number: int) -> StepBatch:
        tables = tuple(table.numpy() for table in self.state.hard)
        hard = HardNegatives(tables) if tables else None
        return draw_batch(self.data, self.recipe, number, self.fabric.global_rank, hard)

    def _mines_before(self, number: int) -> bool:
        every = self.recipe.mining.every
        return bool(every) and number % every == 0

    def _mined(self) -> list[Tensor]:
        """Tables of hard negatives by the network as it stands; equal on all devices."""
        run = inference(self.network, self.network.state_dict(), self.fabric.device)
        found = mine(
            self.data.places,
            lambda images: describe(run, images, self.data, self.config),
            self.recipe.mining.nearest,
        )
        return [torch.from_numpy(table) for table in found.pairs]

    def _judge(self, log: RunLog | None) -> None:
        """Keep the averaged weights if they are the best so far."""
        state, figure = self.state, self.recipe.validation.figure
        run = inference(self.network, state.average, self.fabric.device)
        value = judge(run, self.judged, self.config, figure)
        # One judgement for all, whose last bits may differ: all must stop at the same step.
        value = float(self.fabric.broadcast(value))
        if log:
            log.write(state.step, {f"validation_{figure}": value})
        state.since_best += 1
        if value > state.best_figure:
            state.best_figure, state.since_best = value, 0
            state.best = {name: tensor.clone() for name, tensor in state.average.items()}

    def _over(self) -> bool:
        validation = self.recipe.validation
        return bool(validation.figure) and self.state.since_best >= validation.patience

    def _save(self) -> None:
        state = self.state
        state.model = self.step.state_dict()
        state.optimizer = self.optimizer.state_dict()
        state.precision = self.fabric.strategy.precision.state_dict()
        save_state(self.folder / STATE, state, self.settings)

    def _keep(self) -> None:
        """Write the averaged weights of this step beside those of others, and go on."""
        trained = {name: value.clone() for name, value in self.network.state_dict().items()}
        path = self.folder / f"checkpoint-{self.state.step}.safetensors"
        self._write(path, self.state.average, {})
        self.network.load_state_dict(trained)

    def finish(self, path: Path) -> None:
        """Write the checkpoint: the best weights that were judged, or the averaged ones."""
        state = self.state
        judged = {self.recipe.validation.figure: state.best_figure} if state.best else {}
        self._write(path, state.best or state.average, judged)

    def _write(self, path: Path, tensors: dict[str, Tensor], judged: dict[str, float]) -> None:
        self.network.load_state_dict(tensors)
        finished = self.network
        if self.whole:
            self.whole.load_state_dict(tensors, strict=False)
            finished = self.whole
        provenance: dict[str, Any] = {
            "recipe": self.settings,
            "steps": self.state.step,
            "sources": sorted(source.name for source in self.data.places),
            "command": " ".join(["vpr-edge", *sys.argv[1:]]),
        }
        if judged:
            provenance["validation"] = judged
        save_checkpoint(path, finished_checkpoint(self.config, finished, self.data.fit, provenance))


def _groups(module: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Weights decay; biases, BatchNorm and learned scales do not; frozen ones do not move."""
    learned = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def _average(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value.to(average[name].device), 1 - decay)
        else:
            average[name].copy_(value)
