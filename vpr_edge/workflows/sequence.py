"""From a place network's artefact and a drive seen twice to an int8 LSTM in a file, judged.

The descriptors are those of the artefact, and the figures those of the file that is written.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vpr_edge import __version__
from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.tasks.evaluate import describer, recall_rows
from vpr_edge.benchmarks.tasks.places import Describe, PlaceScores, evaluate_sequences
from vpr_edge.command_line import recorded_command
from vpr_edge.datasets.images import Images
from vpr_edge.datasets.nordland import DIRECTIONS, PARTS, load_nordland
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.datasets.registry import load_places, resolve
from vpr_edge.errors import DataError
from vpr_edge.export.tflite_lstm import write_lstm_tflite
from vpr_edge.files import atomic_folder, sha256, write_json
from vpr_edge.metrics.recall import RECALL_AT, recall_at
from vpr_edge.models.sequence import SequenceConfig, SequenceNetwork, save_sequence
from vpr_edge.places.search import rank
from vpr_edge.places.sequence_matching import check_sequence, frames_before
from vpr_edge.quantize.fake_lstm import FakeQuantLstm
from vpr_edge.quantize.lstm import Int8Lstm
from vpr_edge.runtimes.choose import open_runtime
from vpr_edge.runtimes.runtime import dequantized
from vpr_edge.tflite.tflm import Tflm
from vpr_edge.training.sequences import DrivePair, SequenceRecipe, fit_sequences

TFLITE, FLOAT = "sequence.tflite", "sequence.safetensors"
SHARE = 0.7
"""Of a drive other than Nordland's: the part that is learned from."""
CALIBRATION = 256
"""Sequences of each pass whose ranges the int8 network takes."""
QAT_RATE = 0.1
"""QAT's learning rate, as a share of the recipe's."""

Stage = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Opens a named stage and gives what reports (done, total) within it."""


@dataclass(frozen=True)
class SequencePlan:
    """What becomes an LSTM.

    Attributes:
        artefact: with an output `place`.
        runtime: that describes pictures by it.
        data: a data set's name or folder, one drive seen twice: frame i of the queries shows the
            place of frame i of the database.
        length: frames of a sequence.
        units: of the LSTM, and values of a sequence's descriptor.
        learn: the first so many places are learned from and the others judged by; None takes 2,500
            of Nordland and `SHARE` of any other drive.
        recipe: of the float network.
        qat_steps: steps of QAT after it; with 0 the int8 network is calibrated only.
    """

    artefact: Path
    runtime: str
    data: str | Path
    length: int = 10
    units: int = 128
    learn: int | None = None
    recipe: SequenceRecipe = field(default_factory=SequenceRecipe)
    qat_steps: int = 0


@dataclass(frozen=True)
class Judgement:
    """Recall by one way to recognise places.

    Attributes:
        where: data set, terms and number of queries.
        how: "single frame", "sequence of 10 (LSTM, int8)", ...
        rows: recall_at_1, 5 and 10.
    """

    where: str
    how: str
    rows: tuple[Row, ...]


def write_sequence_file(
    plan: SequencePlan, folder: Path, stage: Stage, overwrite: bool = False
) -> tuple[Judgement, ...]:
    """Describe both passes, train, quantise, write, and judge what was written.

    Args:
        plan: what to do.
        folder: gets `sequence.tflite`, `sequence.safetensors` (float) and `manifest.json`; written
            whole or not at all.
        stage: shows progress, as `console.progress`.
        overwrite: whether a folder that exists may be replaced.

    Returns:
        For each direction: single frames, trajectories, averaged descriptors, the LSTM in float and
        in int8.

    Raises:
        DataError: the data set is no drive seen twice, or too short.
        ModelError: the artefact has no place descriptor, or does not run.
        OutputError: the folder exists, or could not be written.
    """
    learned, judged = load_drives(plan.data, plan.length, plan.learn)
    describe = remembered(describer(open_runtime(plan.artefact, plan.runtime)))
    both = (learned, judged[0])
    with stage("describing") as report:
        total = sum(len(one.database) + len(one.queries) for one in both)
        pictures = chain.from_iterable(images for one in both for images in _passes(one))
        for done, picture in enumerate(pictures, start=1):
            describe(picture)
            report(done, total)
    first, second = (np.stack([describe(one) for one in images]) for images in _passes(learned))
    config = SequenceConfig(first.shape[1], 0, plan.units, plan.length)
    network, int8 = _trained(plan, config, DrivePair(first, second), stage)
    with atomic_folder(folder, overwrite) as scratch:
        papers = _papers(plan, config, learned, judged)
        save_sequence(network, scratch / FLOAT)
        write_lstm_tflite(int8, plan.length, scratch / TFLITE, papers)
        with stage("judging") as report:
            runs = len(judged) * (len(judged[0].database) + len(judged[0].queries))
            tflm = _in_tflm(scratch / TFLITE, network, int8, lambda done: report(done, runs))
            ways = (
                (FLOAT, "host/torch", "float", _in_float(network)),
                (TFLITE, "host/tflm", "int8", tflm),
            )
            found = tuple(one for to in judged for one in _judged(plan, describe, to, ways))
        write_json(scratch / "manifest.json", papers | _manifest(int8, config, found))
    return found


def load_drives(
    data: str | Path, length: int, learn: int | None = None
) -> tuple[PlaceSet, tuple[PlaceSet, ...]]:
    """The places that are learned from, and those judged by; of Nordland in both directions.

    Args:
        data: a data set's name or folder.
        length: frames of a sequence.
        learn: how many places are learned from; see `SequencePlan`.

    Raises:
        DataError: it is no drive seen twice, or too short; or the length is below 1.
    """
    folder = resolve(data)
    nordland = (folder / "summer.npz").is_file()
    whole = (
        [load_nordland(folder, direction, "all") for direction in DIRECTIONS]
        if nordland
        else [load_places(data)]
    )
    name, frames = whole[0].name, len(whole[0].queries)
    aligned = len(whole[0].database) == frames and whole[0].drives == (0,)
    if not aligned or any(i not in right for i, right in enumerate(whole[0].positives)):
        raise DataError(
            f"{name} is not one drive seen twice, frame by frame; save the two passes as "
            "summer.npz and winter.npz (see docs/places.md)."
        )
    check_sequence(length, whole[0].drives, name)
    usual = PARTS["train"].stop
    if learn is None:
        learn = usual if nordland and frames > usual else round(SHARE * frames)
    if learn >= frames or learn <= 2 * length:
        raise DataError(
            f"of the {frames} places of {name} {learn} would be learned from; sequences of "
            f"{length} need more than {2 * length}, and one at least must be left to judge by."
        )
    return _cut(whole[0], 0, learn), tuple(_cut(one, learn, frames) for one in whole)


def remembered(describe: Describe) -> Describe:
    """The same, but a picture that was described before is not described again."""
    known: dict[bytes, NDArray[np.float32]] = {}

    def look(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        key = hashlib.sha256(image.tobytes()).digest()
        if key not in known:
            known[key] = describe(image)
        return known[key]

    return look


def last_frames(frames: int, length: int) -> NDArray[np.int64]:
    """The frames of the sequence that ends at each frame of a drive, int64 [frames, length].

    At the beginning of the drive its first frame is repeated.
    """
    back = np.minimum(np.arange(length)[::-1], frames_before(frames, (0,))[:, None])
    return np.arange(frames)[:, None] - back


def _passes(places: PlaceSet) -> Iterator[Images]:
    yield places.database
    yield places.queries


def _cut(places: PlaceSet, start: int, stop: int) -> PlaceSet:
    """A stretch of a drive; what the terms say after "database" is its own."""
    found = tuple(
        right[(right >= start) & (right < stop)] - start for right in places.positives[start:stop]
    )
    terms = places.terms.partition("database")[0]
    return PlaceSet(
        places.name,
        places.database[start:stop],
        places.queries[start:stop],
        found,
        f"{terms}database {stop - start} (places {start} to {stop - 1})",
        (0,),
    )


def _trained(
    plan: SequencePlan, config: SequenceConfig, pair: DrivePair, stage: Stage
) -> tuple[SequenceNetwork, Int8Lstm]:
    torch.manual_seed(plan.recipe.seed)
    network = SequenceNetwork(config)
    with stage("training") as report:
        steps = plan.recipe.steps
        fit_sequences(network, config, [pair], plan.recipe, lambda step, _: report(step, steps))
    windows = last_frames(len(pair.first), config.length)
    chosen = windows[np.linspace(config.length - 1, len(windows) - 1, CALIBRATION).astype(int)]
    seen = torch.from_numpy(np.concatenate([pair.first[chosen], pair.second[chosen]]))
    fake = FakeQuantLstm(network, network.frames(seen))
    if plan.qat_steps:
        rate = QAT_RATE * plan.recipe.learning_rate
        recipe = replace(plan.recipe, steps=plan.qat_steps, learning_rate=rate)
        with stage("QAT") as report:
            fit_sequences(fake, config, [pair], recipe, lambda step, _: report(step, recipe.steps))
    return network, fake.quantized()


Sequences = NDArray[np.float32]
Way = tuple[str, str, str, Callable[[Sequences], NDArray[np.float32]]]
"""File, device, number format, and from sequences of descriptors [N, T, D] to vectors [N, H]."""


def _in_float(network: SequenceNetwork) -> Callable[[Sequences], NDArray[np.float32]]:
    @torch.no_grad()
    def run(sequences: Sequences) -> NDArray[np.float32]:
        return network.describe(torch.from_numpy(sequences)).numpy()

    return run


def _in_tflm(
    path: Path, network: SequenceNetwork, int8: Int8Lstm, report: Callable[[int], None]
) -> Callable[[Sequences], NDArray[np.float32]]:
    """The file in TFLM, each sequence from a new beginning."""
    runtime, done = Tflm(path), count(1)

    def run(sequences: Sequences) -> NDArray[np.float32]:
        frames = int8.stored(network.frames(torch.from_numpy(sequences)).numpy())
        states = []
        for sequence in frames:
            (found,) = runtime.run(sequence[None])
            states.append(
                dequantized(found[0, -1], float(int8.hidden.scale), int8.hidden.zero_point)
            )
            report(next(done))
        last = np.stack(states)
        return last / np.maximum(np.linalg.norm(last, axis=1, keepdims=True), 1e-12)

    return run


def _judged(
    plan: SequencePlan, describe: Describe, places: PlaceSet, ways: tuple[Way, ...]
) -> Iterator[Judgement]:
    simple = evaluate_sequences(describe, places, plan.length)
    found = [(plan.artefact.name, f"host/{plan.runtime}", scores) for scores in simple]
    windows = last_frames(len(places.queries), plan.length)
    sequences = [np.stack([describe(one) for one in images])[windows] for images in _passes(places)]
    for file, device, kind, run in ways:
        database, queries = (run(one) for one in sequences)
        recall = recall_at(rank(queries, database, max(RECALL_AT)), places.positives)
        terms = f"{places.terms}, sequence of {plan.length} (LSTM, {kind})"
        scores = PlaceScores(places.name, terms, recall, len(places.queries), 0)
        found.append((file, device, scores))
    where = f"{places.name}, {places.terms}, {len(places.queries)} queries"
    for file, device, scores in found:
        how = scores.terms.removeprefix(f"{places.terms}, ")
        yield Judgement(where, how, tuple(recall_rows(scores, file, device)))


def _papers(
    plan: SequencePlan, config: SequenceConfig, learned: PlaceSet, judged: tuple[PlaceSet, ...]
) -> dict[str, Any]:
    return {
        "network": "sequence",
        "sequence": asdict(config),
        "provenance": {
            "descriptors": {"file": plan.artefact.name, "sha256": sha256(plan.artefact)},
            "runtime": plan.runtime,
            "learned from": f"{learned.name}, {learned.terms}",
            "judged by": [f"{one.name}, {one.terms}" for one in judged],
            "recipe": asdict(plan.recipe) | {"qat_steps": plan.qat_steps},
            "command": recorded_command(),
        },
    }


def _manifest(
    int8: Int8Lstm, config: SequenceConfig, found: tuple[Judgement, ...]
) -> dict[str, Any]:
    """How the file is fed and read, and what it scored."""
    return {
        "tool": f"vpr-edge {__version__}",
        "input": {
            "name": "frames",
            "shape": [1, config.length, config.inputs],
            "scale": float(int8.input.scale),
            "zero_point": int8.input.zero_point,
            "holds": "place descriptors of length 1, oldest first, times `factor`",
            "factor": config.descriptor**0.5,
        },
        "output": {
            "name": "states",
            "shape": [1, config.length, config.hidden],
            "scale": float(int8.hidden.scale),
            "zero_point": int8.hidden.zero_point,
            "holds": "the state after each frame; the last describes the sequence",
        },
        "figures": [asdict(row) for one in found for row in one.rows],
    }
