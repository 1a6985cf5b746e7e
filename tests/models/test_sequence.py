"""The LSTM over sequences: torch, its int8 form against TFLM and the generated C, and training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tflite_micro.python.tflite_micro import runtime
from torch.nn import functional

from vpr_edge.errors import CheckpointError, DataError
from vpr_edge.export.tflite_lstm import write_lstm_tflite
from vpr_edge.firmware_bridge.compile.compiler import compile_model
from vpr_edge.firmware_bridge.compile.host import NativeModel
from vpr_edge.models.sequence import (
    SequenceConfig,
    SequenceNetwork,
    load_sequence,
    save_sequence,
)
from vpr_edge.places.search import best
from vpr_edge.quantize.fake_lstm import FakeQuantLstm
from vpr_edge.tflite.read import read_metadata
from vpr_edge.training.sequences import DrivePair, SequenceRecipe, fit_sequences

CONFIG = SequenceConfig(descriptor=20, positions=2, hidden=16, length=6)


def network(seed: int = 0, gain: float = 1.0) -> SequenceNetwork:
    torch.manual_seed(seed)
    made = SequenceNetwork(CONFIG)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(gain)
    return made


def frames(made: SequenceNetwork, count: int = 12, seed: int = 1) -> torch.Tensor:
    torch.manual_seed(seed)
    descriptors = functional.normalize(torch.randn(count, CONFIG.length, CONFIG.descriptor), dim=2)
    positions = 3 * torch.randn(count, CONFIG.length, CONFIG.positions).cumsum(1)
    return made.frames(descriptors, positions)


def test_positions_count_from_the_first_frame_and_descriptors_have_unit_variance() -> None:
    made = network()
    found = frames(made)
    torch.testing.assert_close(found[:, 0, 20:], torch.zeros(12, 2))
    assert 0.9 < float(found[:, :, :20].square().mean()) < 1.1
    described = made.describe(torch.ones(2, 6, 20), torch.zeros(2, 6, 2))
    torch.testing.assert_close(described.norm(dim=1), torch.ones(2))


def test_unrolled_float_pass_is_torchs_lstm() -> None:
    made = network(gain=3.0)
    given = frames(made)
    with torch.no_grad():
        found = FakeQuantLstm(made, given)._recur(given, real=True)[0]
        torch.testing.assert_close(found, made(given), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("gain", [0.3, 1.0, 6.0])
def test_integers_equal_tflm_and_the_generated_c(gain: float, tmp_path: Path) -> None:
    made = network(gain=gain)
    given = frames(made)
    model = FakeQuantLstm(made, given).quantized()
    stored = model.stored(given.numpy())
    expected = model.run(stored)
    assert len(np.unique(expected)) > 20
    path = write_lstm_tflite(model, CONFIG.length, tmp_path / "lstm.tflite", {"length": 6})
    assert read_metadata(path) == {"length": 6}
    oracle = runtime.Interpreter.from_bytes(path.read_bytes(), arena_size=1 << 20)
    native = NativeModel(compile_model(path))
    for sequence, states in zip(stored, expected, strict=True):
        oracle.reset()
        oracle.set_input(sequence[None], 0)
        oracle.invoke()
        np.testing.assert_array_equal(oracle.get_output(0)[0], states)
        native.reset()
        np.testing.assert_array_equal(native.run(sequence[None])[0][0], states)


def test_a_file_of_one_step_follows_a_drive_frame_by_frame(tmp_path: Path) -> None:
    made = network(gain=2.0)
    given = frames(made, count=1)
    model = FakeQuantLstm(made, given).quantized()
    stored = model.stored(given.numpy())
    native = NativeModel(compile_model(write_lstm_tflite(model, 1, tmp_path / "step.tflite")))
    native.reset()
    followed = [native.run(stored[:, step : step + 1])[0][0, 0] for step in range(CONFIG.length)]
    np.testing.assert_array_equal(np.stack(followed), model.run(stored)[0])


def test_fake_quantised_states_are_the_integers_within_a_step_and_have_gradients() -> None:
    made = network(gain=2.0)
    given = frames(made)
    fake = FakeQuantLstm(made, given)
    states = fake(given)
    states.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fake.parameters())
    model = fake.quantized()
    stored = states.detach().numpy() / model.hidden.scale
    difference = np.abs(stored - model.run(model.stored(given.numpy())))
    assert difference.max() < 2.01 and (difference > 0.01).mean() < 0.1
    with torch.no_grad():
        assert (states - made(given)).abs().max() < 0.05


def test_training_tells_places_apart_that_single_frames_do_not() -> None:
    random = np.random.default_rng(0)
    places = random.normal(size=(5, 20)).astype(np.float32)
    route = places[random.integers(5, size=220)]  # many places share a look, few share a history
    drives = []
    for _ in range(2):
        seen = route + 0.15 * random.normal(size=route.shape).astype(np.float32)
        drives.append(seen / np.linalg.norm(seen, axis=1, keepdims=True))
    config = replace(CONFIG, positions=0, hidden=24)
    torch.manual_seed(0)
    made = SequenceNetwork(config)
    first, second = drives
    recipe = SequenceRecipe(steps=150, batch=48, learning_rate=1e-2, nearest=1, noise=0.1)
    losses: list[float] = []
    pair = DrivePair(first[:160], second[:160])
    fit_sequences(made, config, [pair], recipe, lambda _step, loss: losses.append(loss))
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    ends = np.arange(166, 220)
    windows = ends[:, None] - np.arange(config.length)[::-1]
    with torch.no_grad():
        a, b = (made.describe(torch.from_numpy(drive[windows])).numpy() for drive in drives)
    single = (best(first[ends] @ second[ends].T, 1)[:, 0] == np.arange(54)).mean()
    assert (best(a @ b.T, 1)[:, 0] == np.arange(54)).mean() > single + 0.3


def test_checkpoints_return_the_network_and_strange_files_are_refused(tmp_path: Path) -> None:
    made = network()
    loaded = load_sequence(save_sequence(made, tmp_path / "sequence.safetensors"))
    given = frames(made)
    assert loaded.config == CONFIG
    with torch.no_grad():
        torch.testing.assert_close(loaded(given), made(given))
    (tmp_path / "other.safetensors").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="not a sequence network"):
        load_sequence(tmp_path / "other.safetensors")


def test_drives_that_do_not_fit_are_refused() -> None:
    short = np.ones((12, 20), np.float32)
    with pytest.raises(DataError, match="no drive has more than 12 frames"):
        fit_sequences(network(), CONFIG, [DrivePair(short, short)], SequenceRecipe())
    long = np.ones((40, 20), np.float32)
    with pytest.raises(DataError, match="0 coordinates, but the network takes 20 and 2"):
        fit_sequences(network(), CONFIG, [DrivePair(long, long)], SequenceRecipe())
