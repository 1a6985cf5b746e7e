"""A run that was killed ends as one that was not; several processes train as one."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision

from tests.training import tiny
from vpr_edge.errors import CheckpointError
from vpr_edge.files import sha256
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from vpr_edge.training import loop
from vpr_edge.training.batches import Data, draw_batch
from vpr_edge.training.hardware import Hardware
from vpr_edge.training.loop import train
from vpr_edge.training.network import recipe_config, starting_network
from vpr_edge.training.recipe import Batch, Recipe, Validation, load_recipe
from vpr_edge.training.stages import Stage, run_chain
from vpr_edge.training.step import SealedBatch, Step, weights_at


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _run(*arguments: object) -> int:
    command = [sys.executable, tiny.__file__, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, env=environment, timeout=300).returncode


def test_a_run_killed_twice_ends_with_every_bit_of_an_uninterrupted_one(tmp_path, town) -> None:
    data = tiny.tiny_data(town, tiny.EVERYTHING)
    cpu = Hardware("cpu")
    whole = load_checkpoint(train(tiny.EVERYTHING, tmp_path / "whole", data, hardware=cpu))
    cut = tmp_path / "cut"
    assert _run(town, cut, 1, "step:3") == -signal.SIGKILL
    assert _run(town, cut, 1, "save:2") == -signal.SIGKILL
    steps: list[int] = []
    path = train(tiny.EVERYTHING, cut, data, lambda step, _losses: steps.append(step), cpu)
    resumed = load_checkpoint(path)
    # The last state was never whole: the run goes on from the one before.
    assert steps == [5, 6]
    assert resumed.provenance["validation"] == whole.provenance["validation"]
    for name, value in whole.tensors.items():
        np.testing.assert_array_equal(resumed.tensors[name], value, err_msg=name)


def test_two_processes_take_the_step_of_their_mean_gradient(tmp_path, town) -> None:
    assert _run(town, tmp_path / "two", 2, "never") == 0
    found = load_checkpoint(tmp_path / "two" / "checkpoint.safetensors")
    recipe = replace(tiny.TINY, steps=1, warmup=0)
    data = tiny.tiny_data(town, recipe)
    torch.manual_seed(recipe.seed)
    config = recipe_config(recipe)
    step = Step(starting_network(recipe, config), config, recipe, data)
    for rank in (0, 1):
        parts = step(SealedBatch(draw_batch(data, recipe, 0, rank)), weights_at(recipe.weights, 0))
        (torch.stack(list(parts.values())).sum() / 2).backward()
    torch.nn.utils.clip_grad_norm_(step.parameters(), 5.0)
    # AdamW's first step is the learning rate in the direction of the gradient's sign.
    start = {k: v.clone() for k, v in step.network.named_parameters()}
    for name, value in start.items():
        gradient = step.network.get_parameter(name).grad
        assert gradient is not None
        decay = recipe.weight_decay if value.ndim > 1 else 0.0
        moved = value * (1 - recipe.learning_rate * decay)
        moved = moved - recipe.learning_rate * gradient / (gradient.abs() + 1e-8)
        expected = (value + 0.9 * (moved - value)).detach().numpy()
        # Where a gradient is nearly zero its sign is a matter of the last bit.
        sure = gradient.abs().numpy() > 1e-5
        np.testing.assert_allclose(found.tensors[name][sure], expected[sure], atol=2e-5)
        assert sure.mean() > 0.5 or value.ndim == 1


def test_a_folder_of_another_run_is_not_gone_on_with(tmp_path, data) -> None:
    train(replace(tiny.TINY, steps=2), tmp_path, data)
    with pytest.raises(CheckpointError, match="steps 2, not 3"):
        train(replace(tiny.TINY, steps=3), tmp_path, data)
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CheckpointError, match=r"state\.pt is not a state"):
        train(replace(tiny.TINY, steps=2), tmp_path, data)


def test_mixed_precision_computes_the_same_losses_to_two_digits(tmp_path, data) -> None:
    recipe = replace(tiny.TINY, steps=1)
    seen: list[dict[str, float]] = []
    for precision in ("32-true", "bf16-mixed"):
        hardware = Hardware("cpu", precision=precision)
        folder = tmp_path / precision
        train(recipe, folder, data, lambda _step, found: seen.append(found), hardware)
    exact, mixed = seen
    assert exact != mixed
    for name, value in exact.items():
        assert mixed[name] == pytest.approx(value, rel=0.05, abs=0.02), name


def test_a_run_is_not_gone_on_with_when_a_file_it_names_has_changed(tmp_path, data) -> None:
    start = tmp_path / "start.safetensors"
    start.write_bytes(find_checkpoint("nano").read_bytes())
    targets = tmp_path / "maps.npz"
    targets.write_bytes(b"of a teacher")
    recipe = replace(
        tiny.TINY, init=str(start), teacher=str(targets), steps=2, batch=Batch(0, 0, 1)
    )
    run = tmp_path / "run"
    train(recipe, run, data)
    written = json.loads((run / "recipe.json").read_text())
    digests = {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in (("init", start), ("teacher", targets))
    }
    assert written["sha256"] == digests
    assert load_recipe(str(run / "recipe.json")) == recipe
    (stage,) = [Stage("tiny", recipe, run)]
    assert run_chain([stage], pytest.fail) == train(recipe, run, data)
    checkpoint = load_checkpoint(start)
    moved = {name: value + 1 for name, value in checkpoint.tensors.items()}
    save_checkpoint(start, replace(checkpoint, tensors=moved), overwrite=True)
    for resume in (lambda: train(recipe, run, data), lambda: run_chain([stage], pytest.fail)):
        with pytest.raises(CheckpointError, match=r"init '.*start\.safetensors', a file whose"):
            resume()
    start.write_bytes(find_checkpoint("nano").read_bytes())
    targets.write_bytes(b"of another")
    with pytest.raises(CheckpointError, match=r"teacher '.*maps\.npz', a file whose content"):
        train(recipe, run, data)


def _interrupted(recipe: Recipe, folder: Path, data: Data, at: int, **more: Any) -> dict[str, Any]:
    """The state of a run that was stopped after reporting a step."""

    def stop(step: int, _losses: dict[str, float]) -> None:
        if step == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder, data, stop, **more)
    return torch.load(folder / "state.pt", weights_only=True)


def test_a_run_that_was_out_of_patience_takes_no_further_step(tmp_path, data) -> None:
    recipe = replace(
        tiny.TINY, steps=4, batch=Batch(0, 0, 1),
        validation=Validation("miou", every=2, share=0.3, patience=2),
    )  # fmt: skip
    state = _interrupted(recipe, tmp_path, data, at=3)
    assert (state["step"], state["since_best"]) == (2, 0) and state["best_figure"] >= 0
    torch.save(state | {"since_best": 2}, tmp_path / "state.pt")
    steps: list[int] = []
    path = train(recipe, tmp_path, data, lambda step, _losses: steps.append(step))
    assert steps == []
    judged = load_checkpoint(path).provenance["validation"]
    assert judged == {"miou": state["best_figure"]}


def test_a_judgement_is_measured_against_the_best_before_the_run_stopped(tmp_path, data) -> None:
    recipe = replace(
        tiny.TINY, steps=4, batch=Batch(0, 0, 1),
        validation=Validation("miou", every=2, share=0.3, patience=9),
    )  # fmt: skip
    state = _interrupted(recipe, tmp_path, data, at=3)
    # Better than any network can be.
    torch.save(state | {"best_figure": 2.0}, tmp_path / "state.pt")
    assert load_checkpoint(train(recipe, tmp_path, data)).provenance["validation"] == {"miou": 2.0}
    found = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (found["step"], found["since_best"]) == (4, 1)


def test_the_scale_of_float16s_gradients_goes_on_where_it_was(
    tmp_path, data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_float16(_hardware: Hardware) -> Fabric:
        """As on a GPU: `launch` offers no float16 on a CPU, where it is slow."""
        scaler = torch.amp.GradScaler("cpu")
        return Fabric(
            accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)]
        )

    monkeypatch.setattr(loop, "launch", in_float16)
    recipe = replace(tiny.TINY, steps=4, batch=Batch(0, 0, 1))
    state = _interrupted(recipe, tmp_path, data, at=3)
    # Torch begins at 65536, and halves it while gradients overflow.
    assert state["precision"]["scale"] >= 8192
    changed = state["precision"] | {"scale": 512.0}
    torch.save(state | {"precision": changed}, tmp_path / "state.pt")
    train(recipe, tmp_path, data)
    found = torch.load(tmp_path / "state.pt", weights_only=True)
    assert found["step"] == 4 and found["precision"]["scale"] <= 512


def test_a_state_without_hashes_is_gone_on_with(tmp_path, data) -> None:
    recipe = replace(tiny.TINY, init="nano", steps=3, save_every=2, batch=Batch(0, 0, 1))
    train(recipe, tmp_path, data)
    path = tmp_path / "state.pt"
    state = torch.load(path, weights_only=True)
    settings = json.loads(state["recipe"])
    assert settings.pop("sha256")["init"] == sha256(find_checkpoint("nano"))
    del state["summed"]
    torch.save({**state, "recipe": json.dumps(settings)}, path)
    steps: list[int] = []
    train(recipe, tmp_path, data, lambda step, _losses: steps.append(step))
    assert steps == [3]


def test_a_state_that_holds_scales_as_logarithms_is_gone_on_with(tmp_path, data) -> None:
    recipe = replace(
        tiny.TINY, init="nano", quantize=True, steps=3, save_every=2, batch=Batch(0, 0, 1)
    )
    whole = load_checkpoint(train(recipe, tmp_path / "whole", data))
    path = tmp_path / "whole" / "state.pt"
    state = torch.load(path, weights_only=True)
    assert state["step"] == 2
    for part in (state["model"], state["average"]):
        for name in [name for name in part if name.endswith("log_factor")]:
            given = part.pop(name.replace("log_factor", "given_scale"))
            part[name.replace("log_factor", "log_scale")] = part.pop(name) + given.log()
    (tmp_path / "old").mkdir()
    torch.save(state, tmp_path / "old" / "state.pt")
    resumed = load_checkpoint(train(recipe, tmp_path / "old", data))
    for name, value in whole.tensors.items():
        if name.endswith(".scale"):
            np.testing.assert_allclose(resumed.tensors[name], value, rtol=1e-2, err_msg=name)


@pytest.mark.parametrize("old", [False, True])
def test_losses_are_means_of_the_steps_since_the_last_whatever_log_every(
    old, tmp_path, data
) -> None:
    recipe = replace(tiny.TINY, steps=6, save_every=3, batch=Batch(0, 0, 1))
    each: list[dict[str, float]] = []
    train(recipe, tmp_path / "each", data, lambda _step, losses: each.append(losses))
    cut = tmp_path / "cut"

    def stop(step: int, _losses: dict[str, float]) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(replace(recipe, log_every=2), cut, data, stop)
    if old:
        state = torch.load(cut / "state.pt", weights_only=True)
        assert state.pop("summed") == 1
        torch.save(state, cut / "state.pt")
    seen: dict[int, dict[str, float]] = {}
    train(replace(recipe, log_every=5), cut, data, lambda step, losses: seen.update({step: losses}))
    # The state of step 3 holds the loss of that step, and steps 4 and 5 follow.
    assert list(seen) == [5]
    for name, value in seen[5].items():
        assert value == pytest.approx(np.mean([losses[name] for losses in each[2:5]]), rel=1e-5)
