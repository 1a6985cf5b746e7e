"""The accuracy of an artefact itself on a named data set, as rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.rows import Row
from vpr_edge.benchmarks.tasks.device import device_keypoints, evaluate_on_device
from vpr_edge.benchmarks.tasks.keypoint_sources import (
    decode_keypoints,
    orb_keypoints,
    sift_keypoints,
)
from vpr_edge.benchmarks.tasks.keypoints import Detect, evaluate_keypoints, evaluate_readings
from vpr_edge.benchmarks.tasks.learned_keypoints import LEARNED, open_peer
from vpr_edge.benchmarks.tasks.places import (
    Describe,
    PlaceScores,
    evaluate_places,
    evaluate_sequences,
)
from vpr_edge.benchmarks.tasks.segmentation import (
    Segment,
    SegmentationScores,
    evaluate_segmentation,
)
from vpr_edge.datasets.homographies import (
    HomographyPair,
    read_homography_pairs,
    synthetic_homography_pairs,
)
from vpr_edge.datasets.images import find_images
from vpr_edge.datasets.nordland import DIRECTIONS
from vpr_edge.datasets.photographs import load_photographs
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.datasets.registry import load_places, load_segmentation, resolve
from vpr_edge.datasets.segmentation_set import CLASSES, SegmentationSet
from vpr_edge.errors import DataError, ModelError, ToolMissingError
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.export.tflite import write_tflite
from vpr_edge.metrics.keypoints import Keypoints, KeypointScores
from vpr_edge.models.checkpoint import load_checkpoint
from vpr_edge.places.centring import Centring
from vpr_edge.places.describe import place_descriptor
from vpr_edge.preprocessing import Preprocessing, read_image
from vpr_edge.quantize.model import Int8Model
from vpr_edge.runtimes.device import DeviceRuntime
from vpr_edge.runtimes.runtime import Runtime
from vpr_edge.scratch import ScratchFolder

TASKS = ("places", "keypoints", "segmentation", "parity")
PARITY_IMAGES = 50
Progress = Callable[[int, int], None]
Watch = Callable[[str], AbstractContextManager[Progress]]


def evaluate(
    runtime: Runtime,
    task: str,
    data: str | Path,
    progress: Progress | None = None,
    sequence: int = 1,
    centre: Centring = "none",
    homographies: int = 1,
) -> list[Row]:
    """Judge an artefact.

    Args:
        runtime: the opened artefact.
        task: one of `TASKS`.
        data: a data set's name or folder; Nordland is judged in both directions.
        progress: called with the pictures done and in total.
        sequence: frames by which places are recognised; above 1 single frames are judged as well.
        centre: what is subtracted from the descriptors of places.
        homographies: for keypoints, random homographies of each photograph.

    Raises:
        DataError: the data set cannot be read, or its pictures form no sequences.
        ModelError: the artefact lacks the outputs of the task.
    """
    if sequence > 1 and task != "places":
        raise DataError(f"sequences are judged for places, not for {task}; leave out --sequence.")
    if centre != "none" and task != "places":
        option = "--centre" if centre == "drive" else "--centre-so-far"
        raise DataError(f"descriptors of places are centred, not {task}; leave out {option}.")
    if task == "parity":
        return parity_rows(runtime, resolve(data))
    if task == "places":
        directions = DIRECTIONS if (resolve(data) / "summer.npz").is_file() else DIRECTIONS[:1]
        return [
            row
            for direction in directions
            for row in place_rows(runtime, load_places(data, direction), progress, sequence, centre)
        ]
    if task == "segmentation":
        return segmentation_rows(runtime, load_segmentation(data), progress)
    return keypoint_rows(runtime, *homography_pairs(resolve(data), homographies), progress)


def describer(runtime: Runtime) -> Describe:
    """The function that describes a picture by this artefact."""
    return lambda image: place_descriptor(runtime, image)


def detector(
    runtime: Runtime, top_k: int = 300
) -> Callable[[NDArray[np.uint8]], tuple[Keypoints, Keypoints]]:
    """The function that finds a picture's keypoints by one run of this artefact.

    It gives them where the network has them, and snapped to the corners of the fitted picture, both
    in the picture's own pixels.
    """

    def read(
        maps: dict[str, NDArray[np.float32]],
        size: tuple[int, ...],
        fitted: NDArray[np.uint8] | None = None,
    ) -> Keypoints:
        found = decode_keypoints(
            maps["score"],
            maps["location"],
            maps["descriptor"],
            cell=runtime.preprocessing.height // maps["score"].shape[0],
            top_k=top_k,
            reach=runtime.transforms.get("location", {}).get("reach", 1.0),
            picture=fitted,
        )
        input_size = np.array([runtime.preprocessing.width, runtime.preprocessing.height])
        scale = np.array([size[1], size[0]]) / input_size
        xy = ((found.xy + 0.5) * scale - 0.5).astype(np.float32)
        return Keypoints(xy, found.score, found.descriptor)

    if isinstance(runtime, DeviceRuntime):
        return lambda image: device_keypoints(runtime, image, top_k)

    def detect(image: NDArray[np.uint8]) -> tuple[Keypoints, Keypoints]:
        fitted = runtime.preprocessing.fit(image)
        maps = runtime.run(fitted)
        _need(runtime, maps, ("score", "location", "descriptor"))
        return read(maps, image.shape), read(maps, image.shape, fitted)

    return detect


def segmenter(runtime: Runtime) -> Segment:
    """The function that gives a picture's class logits [h, w, 11] by this artefact.

    The device's whole way ends in labels, and gives these.
    """
    if isinstance(runtime, DeviceRuntime):
        way = runtime.way

        def label(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
            way.see(image)
            return way.labels()

        return label

    def segment(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        maps = runtime.run(runtime.preprocessing.fit(image))
        _need(runtime, maps, ("segmentation",))
        classes = maps["segmentation"].shape[-1]
        if classes != len(CLASSES):
            raise ModelError(
                f"{runtime.path} tells {classes} classes apart where the data sets have "
                f"{len(CLASSES)}; train a network with these first."
            )
        return maps["segmentation"]

    return segment


def homography_pairs(folder: Path, each: int = 1) -> tuple[str, tuple[HomographyPair, ...]]:
    """Pairs of a folder and the terms they are judged under.

    An HPatches-like folder gives its sequences; a folder of photographs (BSDS500: its test part)
    gives synthetic pairs, so many of each photograph.

    Raises:
        DataError: several homographies a photograph are asked for where the folder has its own.
    """
    if any(folder.glob("H_1_*")) or any(folder.glob("*/H_1_*")):
        if each > 1:
            raise DataError(f"{folder} has homographies of its own; leave out --homographies.")
        pairs = tuple(read_homography_pairs(folder))
        return f"{folder.name}, {len(pairs)} pairs", pairs
    test = any(folder.glob("test_*"))
    images = load_photographs(folder, "test" if test else None)
    pairs = tuple(
        pair
        for seed in range(each)
        for pair in synthetic_homography_pairs(images, seed, brightness=0.15)
    )
    part = " test" if test else ""
    return f"{folder.name}{part}, {len(pairs)} synthetic homographies", pairs


def place_rows(
    runtime: Runtime,
    data: PlaceSet,
    progress: Progress | None = None,
    sequence: int = 1,
    centre: Centring = "none",
) -> list[Row]:
    """recall_at_1, 5 and 10; with a sequence's length also of sequences."""
    describe = describer(runtime)
    found: tuple[PlaceScores, ...]
    if isinstance(runtime, DeviceRuntime):
        if sequence > 1 or centre != "none":
            raise DataError(
                "the device's own search knows single frames as they are; choose --runtime c for "
                "sequences and centring."
            )
        found = (evaluate_on_device(runtime, data, progress=progress),)
    elif sequence == 1:
        found = (evaluate_places(describe, data, centre=centre, progress=progress),)
    else:
        found = evaluate_sequences(describe, data, sequence, progress=progress, centre=centre)
    return [
        row
        for scores in found
        for row in recall_rows(scores, runtime.path.name, f"host/{runtime.name}")
    ]


def recall_rows(scores: PlaceScores, artefact: str, device: str) -> list[Row]:
    """The rows of a recall."""
    data = f"{scores.data}, {scores.terms}, {scores.queries} queries"
    return [
        Row(artefact, device, data, f"recall_at_{n}", value, "fraction", "measured")
        for n, value in scores.recall.items()
    ]


def keypoint_rows(
    runtime: Runtime,
    terms: str,
    pairs: Sequence[HomographyPair],
    progress: Progress | None = None,
) -> list[Row]:
    """The figures of the homography protocol, at the artefact's own input size, k = 300.

    They are given for the network's own positions, and for those snapped to corners.
    """
    fit: Preprocessing = runtime.preprocessing
    size = (fit.height, fit.width)
    own, snapped = evaluate_readings(detector(runtime), _told(pairs, progress), size)
    data = f"{terms}, {size[1]}x{size[0]}, k 300"
    artefact, device = runtime.path.name, f"host/{runtime.name}"
    return [
        *score_rows(own, artefact, device, data),
        *score_rows(snapped, artefact, device, f"{data}, snapped"),
    ]


def keypoint_peers(
    data: str,
    size: tuple[int, int],
    tell: Callable[[str], None],
    watch: Watch,
    homographies: int = 1,
) -> list[Row]:
    """The figures of SIFT, ORB and the networks of others that are installed.

    Args:
        data: the data set's name or folder.
        size: (height, width) at which an artefact was judged.
        tell: takes one sentence about each peer that is left out.
        watch: shows how far a peer is, as `vpr_edge.commands.console.progress` does.
        homographies: random homographies of each photograph.

    Raises:
        DataError: the data set is missing or damaged.
    """
    terms, pairs = homography_pairs(resolve(data), homographies)
    terms = f"{terms}, {size[1]}x{size[0]}, k 300"
    rows: list[Row] = []

    def judge(name: str, detect: Detect, device: str) -> None:
        with watch(name) as report:
            scores = evaluate_keypoints(detect, _told(pairs, report), size)
        rows.extend(score_rows(scores, name, device, terms))

    judge("SIFT", sift_keypoints, "host/opencv")
    judge("ORB", orb_keypoints, "host/opencv")
    for name in LEARNED:
        try:
            detect, parameters = open_peer(name, size)
        except ToolMissingError as error:
            tell(str(error))
            continue
        judge(name, detect, "host/torch")
        rows.append(Row(name, "host/torch", terms, "parameters", parameters, "count", "static"))
    return rows


def score_rows(scores: KeypointScores, artefact: str, device: str, data: str) -> list[Row]:
    """The rows of keypoint scores."""
    return [
        Row(
            artefact,
            device,
            data,
            metric,
            value,
            "px" if metric.endswith("_px") else "fraction",
            "measured",
        )
        for metric, value in asdict(scores).items()
    ]


def segmentation_rows(
    runtime: Runtime, data: SegmentationSet, progress: Progress | None = None
) -> list[Row]:
    """miou over the data set, and the fraction of pixels that are right."""
    scores: SegmentationScores = evaluate_segmentation(segmenter(runtime), data, progress=progress)
    terms = f"{scores.data}, {scores.terms}, 160x120"
    return [
        Row(runtime.path.name, f"host/{runtime.name}", terms, metric, value, "fraction", "measured")
        for metric, value in (("miou", scores.miou), ("pixel_accuracy", scores.accuracy))
    ]


def parity_rows(runtime: Runtime, folder: Path) -> list[Row]:
    """Every pair of executions of an int8 checkpoint, on up to 50 pictures below a folder.

    Raises:
        CheckpointError: the artefact is no int8 checkpoint.
        DataError: the folder holds no pictures.
    """
    # Here, because it needs torch, and judging an exported artefact must not.
    from vpr_edge.benchmarks.tasks.parity import parity_table

    model = Int8Model.from_checkpoint(load_checkpoint(runtime.path))
    paths = find_images(folder, recursive=True)
    chosen = [
        paths[k] for k in np.unique(np.linspace(0, len(paths) - 1, PARITY_IMAGES).astype(int))
    ]
    fitted = np.stack([model.preprocessing.fit(read_image(path)) for path in chosen])
    with ScratchFolder("parity") as scratch:
        onnx_path = write_qdq_onnx(model, scratch / "model.onnx")
        tflite_path = write_tflite(onnx_path, scratch / "model.tflite")
        table = parity_table(model, onnx_path, tflite_path, fitted)
    rows = []
    for pair in table:
        device = f"{pair.first} against {pair.second}"
        data = f"{len(chosen)} pictures of {folder.resolve().name}, output {pair.output}"
        figures = [
            ("parity_unequal_fraction", pair.unequal_fraction, "fraction"),
            ("parity_max_lsb", float(pair.max_lsb), "count"),
        ]
        rows += [Row(runtime.path.name, device, data, *f, "measured") for f in figures]
    return rows


def _told(pairs: Sequence[HomographyPair], progress: Progress | None) -> Iterator[HomographyPair]:
    for number, pair in enumerate(pairs, start=1):
        yield pair
        if progress:
            progress(number, len(pairs))


def _need(runtime: Runtime, maps: dict[str, NDArray[np.float32]], names: tuple[str, ...]) -> None:
    for name in names:
        if name not in maps:
            raise ModelError(
                f"{runtime.path} has no output `{name}`; export a network with that task."
            )
