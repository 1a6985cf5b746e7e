"""`vpr-edge demo`: town, shipped checkpoint, export, bench, evaluation, report."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vpr_edge.benchmarks.devices.host import bench_host
from vpr_edge.benchmarks.devices.latency import QUICK
from vpr_edge.benchmarks.devices.mcu import bench_mcu
from vpr_edge.benchmarks.devices.processors import machine
from vpr_edge.benchmarks.report import pictures
from vpr_edge.benchmarks.report.demo_report import (
    Headline,
    Report,
    Retrieved,
    SegmentedView,
    Strip,
    write_report,
)
from vpr_edge.benchmarks.rows import Row, rows_as_json
from vpr_edge.benchmarks.tasks.evaluate import (
    Progress,
    describer,
    detector,
    keypoint_rows,
    recall_rows,
    segmentation_rows,
    segmenter,
)
from vpr_edge.benchmarks.tasks.parity import parity_table
from vpr_edge.benchmarks.tasks.places import PlaceScores, hog_descriptor
from vpr_edge.datasets.homographies import HomographyPair, synthetic_homography_pairs
from vpr_edge.datasets.place_set import PlaceSet
from vpr_edge.datasets.registry import load_places, load_segmentation
from vpr_edge.datasets.segmentation_set import CLASSES, COLORS
from vpr_edge.datasets.town.rendered import (
    TownConfig,
    TownSplit,
    default_cache,
    load_split,
    render_town,
)
from vpr_edge.errors import ToolMissingError
from vpr_edge.export.carried import tflite_differences
from vpr_edge.export.package import export
from vpr_edge.files import atomic_folder, sha256, write_json
from vpr_edge.metrics.keypoints import warp
from vpr_edge.metrics.recall import RECALL_AT, recall_at
from vpr_edge.metrics.segmentation import predicted_labels
from vpr_edge.models.checkpoint import find_checkpoint, load_checkpoint
from vpr_edge.models.network import Network
from vpr_edge.places.search import rank
from vpr_edge.quantize.model import Int8Model
from vpr_edge.quantize.sensitivity import layer_errors
from vpr_edge.runtimes.choose import open_runtime
from vpr_edge.runtimes.runtime import Runtime
from vpr_edge.tflite.read import op_list

TOWN = TownConfig(splits=("test",))
FLOAT, INT8 = "nano", "nano-int8"
DEEPEST_RANK = 20
# Of a host's figures those that a first look can do without.
LEFT_OUT = ("cpu_wait_fraction", "end_to_end_p95_ms", "end_to_end_spread_ms", "latency_p99_ms")
PARITY_IMAGES = 8
KEYPOINT_PAIRS = 80
DRAWN_KEYPOINTS = 100


def run_demo(
    output: Path,
    overwrite: bool,
    say: Callable[[str], None],
    bar: Callable[[str], AbstractContextManager[Progress | None]] = lambda _what: nullcontext(),
) -> Path:
    """Go the whole way.

    Args:
        output: folder to write: float/, int8/, firmware/, bench.json, report.html.
        overwrite: whether a folder that exists may be replaced.
        say: told what is being done.
        bar: gives what is to be called with the frames rendered and in total.

    Returns:
        Path of the report.

    Raises:
        OutputError: `output` exists, or could not be written.
        ToolMissingError: Panda3D is missing.
    """
    with atomic_folder(output, overwrite) as scratch:
        say("rendering the test town")
        with bar("frames") as report_frames:
            town = render_town(default_cache(TOWN), TOWN, report_frames)
        say("exporting nano, nano-int8 and its C")
        export(find_checkpoint(FLOAT), "onnx", scratch / "float")
        export(find_checkpoint(INT8), "c-array", scratch / "int8", INT8.replace("-", "_"))
        export(find_checkpoint(INT8), "firmware", scratch / "firmware", INT8.replace("-", "_"))
        report = _measure(scratch, town, say)
        write_report(report, scratch / "report.html")
        rows = [*report.accuracy, *report.files, *report.host, *report.mcu]
        write_json(scratch / "bench.json", rows_as_json(rows))
    return output / "report.html"


def _measure(folder: Path, town: Path, say: Callable[[str], None]) -> Report:
    onnx_path, tflite_path = folder / "float" / "nano.onnx", folder / "int8" / "nano_int8.tflite"
    qdq_path = folder / "int8" / "nano_int8.onnx"
    float_net, int8_net = open_runtime(onnx_path), open_runtime(tflite_path)
    split, places = load_split(town, "test"), load_places(town)
    model = Int8Model.from_checkpoint(load_checkpoint(find_checkpoint(INT8)))

    say("recognising places, float and int8")
    ranked, curves, accuracy = {}, {}, []
    excluded = sum(len(right) == 0 for right in places.positives)
    judged = len(places.queries) - excluded
    for net in (float_net, int8_net):
        ranked[net.name] = _ranked(describer(net), places)
        curve = recall_at(ranked[net.name], places.positives, range(1, DEEPEST_RANK + 1))
        curves[f"{net.path.name} ({net.name})"] = [curve[n] for n in sorted(curve)]
        scores = PlaceScores(
            places.name, places.terms, {n: curve[n] for n in RECALL_AT}, judged, excluded
        )
        accuracy += recall_rows(scores, net.path.name, f"host/{net.name}")
        accuracy += _recall_by_condition(net, split, places, ranked[net.name])
    hog = recall_at(_ranked(hog_descriptor, places), places.positives, range(1, DEEPEST_RANK + 1))
    curves["HOG"] = [hog[n] for n in sorted(hog)]

    say("finding keypoints and segmenting")
    pairs = tuple(
        synthetic_homography_pairs(
            places.queries[:: max(1, len(places.queries) // KEYPOINT_PAIRS)],
            seed=0,
            size=(float_net.preprocessing.height, float_net.preprocessing.width),
            brightness=0.15,
        )
    )
    labelled = load_segmentation(town)
    for net in (float_net, int8_net):
        accuracy += keypoint_rows(net, f"town, {len(pairs)} synthetic homographies", pairs)
        accuracy += segmentation_rows(net, labelled)

    say("comparing the executions bit by bit")
    step = len(places.queries) // PARITY_IMAGES
    fitted = np.stack([model.preprocessing.fit(i) for i in places.queries[::step][:PARITY_IMAGES]])
    parity = parity_table(model, qdq_path, tflite_path, fitted)
    differences = tflite_differences(tflite_path, model)
    network = Network.from_checkpoint(load_checkpoint(find_checkpoint(FLOAT)))
    layers = layer_errors(network, model, fitted)

    say("measuring latency and memory")
    rows = [row for path in (onnx_path, tflite_path) for row in bench_host(path, QUICK)]
    files = tuple(r for r in rows if not r.device and not r.metric.startswith("operator_"))
    host = tuple(row for row in rows if row.device and row.metric not in LEFT_OUT)
    arenas = {
        row.device.removeprefix("host/"): row.value for row in host if row.metric == "arena_bytes"
    }
    recall = {row.artefact: row.value for row in reversed(accuracy) if row.metric == "recall_at_1"}
    say("counting instructions on an emulated Cortex-M4")
    mcu = _emulated(tflite_path, say)
    graph = model.graph
    return Report(
        title="vpr-edge: nano, from checkpoint to int8",
        subtitle=f"Measured on the exported files, on a rendered town never seen in training; "
        f"{_machine()}",
        headlines=(
            Headline(
                "recall@1, int8",
                f"{100 * recall[tflite_path.name]:.1f} %",
                f"float {100 * recall[onnx_path.name]:.1f} %, HOG {100 * hog[1]:.1f} %; "
                f"{places.terms}",
            ),
            Headline(
                "size of the int8 model",
                f"{tflite_path.stat().st_size / 1024:.0f} KiB",
                f"{graph.parameters():,} parameters, {graph.macs() / 1e6:.1f} M MAC an image",
            ),
            Headline(
                "memory on the device",
                f"{arenas['c'] / 1024:.0f} KiB",
                "arena of the generated C, all three tasks; TFLM's interpreter takes "
                f"{arenas['tflm'] / 1024:.0f} KiB on this host",
            ),
            Headline(
                "numbers lost in export",
                str(len(differences)),
                "weights, biases, scales and zero points of the TFLite that differ from the "
                "quantised checkpoint",
            ),
        ),
        strips=_strips(split, places, ranked[int8_net.name]),
        recall_svg=pictures.recall_plot(curves),
        recall_caption=f"town, {places.terms}, {judged} queries.",
        layers_svg=pictures.layer_plot(layers),
        matches=tuple(_matched(int8_net, pair) for pair in _day_pairs(int8_net, places)),
        segmented=_segmented(split, int8_net),
        legend=tuple(
            (name, "rgb({}, {}, {})".format(*color))
            for name, color in zip(CLASSES, COLORS, strict=False)
        ),
        accuracy=tuple(accuracy),
        files=files,
        host=host,
        mcu=mcu,
        parity=parity,
        parity_caption=f"{PARITY_IMAGES} town pictures, every output. TensorFlow Lite Micro is "
        "what runs on the microcontroller; the integer-exact pass must equal it in every element. "
        "Executions that round otherwise drift apart through the layers: those are judged by the "
        "accuracy above.",
        protocol=f"{QUICK.windows} windows of {QUICK.seconds:g} s after {QUICK.warm_up + 1} runs",
        operators=tuple(Counter(op_list(tflite_path)).most_common()),
        provenance=(
            ("float ONNX, sha256", sha256(onnx_path)),
            ("int8 TFLite, sha256", sha256(tflite_path)),
            ("float checkpoint, sha256", sha256(find_checkpoint(FLOAT))),
            ("int8 checkpoint, sha256", sha256(find_checkpoint(INT8))),
            ("int8 checkpoint made by", str(model.provenance.get("command", ""))),
        ),
    )


def _emulated(path: Path, say: Callable[[str], None]) -> tuple[Row, ...]:
    """Figures on a Cortex-M4; none where no toolchain for it is installed."""
    try:
        return tuple(bench_mcu(path, "cortex-m4", runs=1))
    except ToolMissingError as error:
        say(f"left out: {error}")
        return ()


def _machine() -> str:
    """Processor and system, as the terms of a latency."""
    here = machine()
    return f"{here['cpu']}, {here['cores']} cores, {here['system']}"


def _recall_by_condition(
    net: Runtime, split: TownSplit, places: PlaceSet, ranked: NDArray[np.int64]
) -> list[Row]:
    rows = []
    for condition in split.config.conditions:
        mine = [q for q, frame in enumerate(split.queries) if frame.condition == condition]
        value = recall_at(ranked[mine], [places.positives[q] for q in mine], (1,))[1]
        data = f"town, {condition}, {len(mine)} queries"
        device = f"host/{net.name}"
        rows.append(Row(net.path.name, device, data, "recall_at_1", value, "fraction", "measured"))
    return rows


def _ranked(
    describe: Callable[[NDArray[np.uint8]], NDArray[np.float32]], places: PlaceSet
) -> NDArray[np.int64]:
    queries, database = (
        np.stack([describe(image) for image in images])
        for images in (places.queries, places.database)
    )
    return rank(queries, database, DEEPEST_RANK)


def _strips(split: TownSplit, places: PlaceSet, ranked: NDArray[np.int64]) -> tuple[Strip, ...]:
    """Two queries of each condition, spread over the route: one right, one wrong if there is."""
    strips = []
    for condition in split.config.conditions:
        mine = [q for q, frame in enumerate(split.queries) if frame.condition == condition]
        right = [q for q in mine if ranked[q, 0] in places.positives[q]]
        wrong = [q for q in mine if q not in right]
        for q in right[len(right) // 2 :][:1] + wrong[len(wrong) // 2 :][:1]:
            pose = split.queries[q].pose
            found = tuple(
                Retrieved(
                    pictures.jpeg_uri(places.database[int(d)]),
                    float(
                        np.hypot(
                            split.database[d].pose.easting - pose.easting,
                            split.database[d].pose.northing - pose.northing,
                        )
                    ),
                    bool(d in places.positives[q]),
                )
                for d in ranked[q, :5]
            )
            strips.append(Strip(pictures.jpeg_uri(places.queries[q]), condition, found))
    return tuple(strips)


def _day_pairs(net: Runtime, places: PlaceSet) -> tuple[HomographyPair, ...]:
    size = (net.preprocessing.height, net.preprocessing.width)
    chosen = places.database[:: len(places.database) // 2][:2]
    return tuple(synthetic_homography_pairs(chosen, seed=2, size=size, brightness=0.15))


def _matched(net: Runtime, pair: HomographyPair) -> tuple[str, str]:
    detect = detector(net, top_k=DRAWN_KEYPOINTS)
    a, b = (detect(image)[1] for image in (pair.image_a, pair.image_b))
    similarity = a.descriptor @ b.descriptor.T
    forward, backward = similarity.argmax(1), similarity.argmax(0)
    gap = np.linalg.norm(warp(a.xy, pair.homography) - b.xy[forward], axis=1)
    mutual = [
        (i, int(forward[i]), bool(gap[i] <= 3)) for i in range(len(a)) if backward[forward[i]] == i
    ]
    right = sum(match[2] for match in mutual)
    drawn = pictures.draw_matches(pair.image_a, pair.image_b, (a, b), mutual)
    caption = (
        f"The {len(a)} and {len(b)} strongest keypoints of the two views, snapped to corners, "
        f"{len(mutual)} matches, {right} of them right."
    )
    return pictures.jpeg_uri(drawn), caption


def _segmented(split: TownSplit, net: Runtime) -> tuple[SegmentedView, ...]:
    segment = segmenter(net)
    views = []
    for frame in (split.database[10], *split.queries[:: len(split.queries) // 3][1:3]):
        image = frame.image()
        found = predicted_labels(segment(image), (image.shape[0], image.shape[1]))
        views.append(
            SegmentedView(
                pictures.jpeg_uri(image),
                pictures.jpeg_uri(pictures.overlay(image, found)),
                pictures.jpeg_uri(pictures.overlay(image, frame.labels())),
            )
        )
    return tuple(views)
