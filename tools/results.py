"""Measures what docs/results.md shows, and writes the page from what was measured.

    python tools/results.py                what is missing is measured, then the page is written
    python tools/results.py --page         only the page, from docs/results/*.json
    python tools/results.py --again NAME   measure a section anew (or: all)

Every section is a list of commands as a user would type them. What each printed with `--json` is
kept in docs/results/NAME.json with the commit it ran on, so that no figure of the page is typed and
a run that was stopped goes on. Data sets are found in $VPR_EDGE_DATA.
"""

import argparse
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vpr_edge.files import write_json
from vpr_edge.metrics.table import metric, place

ROOT = Path(__file__).parents[1]
KEPT, PAGE = ROOT / "docs" / "results", ROOT / "docs" / "results.md"
WORK = ROOT / "build" / "results"


@dataclass(frozen=True)
class Section:
    """Figures that stand together.

    Attributes:
        name: of its file.
        title, about: of the page; `about` is Markdown.
        commands: whose rows it shows; `--json` is added.
        by_metric: whether a table has a line a figure and a column an artefact, or the reverse.
    """

    name: str
    title: str
    about: str
    commands: tuple[str, ...]
    by_metric: bool = True


EXPORTS = {
    "float/nano.onnx": "vpr-edge export nano --target onnx --output float",
    "float-small/small.onnx": "vpr-edge export small --target onnx --output float-small",
    "int8/nano.tflite": "vpr-edge export nano-int8 --output int8",
    "int8-small/small.tflite": "vpr-edge export small-int8 --output int8-small",
    "large/nano.tflite": "vpr-edge export nano-int8 --height 240 --width 320 --output large",
}
"""By the file that others measure, the command that writes it."""
_FLOAT, _INT8 = "float/nano.onnx float-small/small.onnx", "int8/nano.tflite int8-small/small.tflite"
_SETS = ("vpr_corridor", "vpr_sped", "vpr_nordland64")

SECTIONS = (
    Section(
        "places",
        "Places",
        "Recall, one query at a time, exact search by cosine. The ONNX is the float network in "
        "ONNX Runtime; the TFLite runs as generated C, which computes what TensorFlow Lite Micro "
        "computes to the last bit. None of these sets was trained on (of Nordland other places of "
        "the same railway were). The corridor has 111 queries: a figure's standard error is "
        "four points.",
        tuple(
            f"vpr-edge eval {files} --data {data}{runtime}"
            for data in _SETS
            for files, runtime in ((_FLOAT, ""), (_INT8, " --runtime c"))
        ),
    ),
    Section(
        "places-centred",
        "Places, centred",
        "With the mean descriptor of each drive subtracted, which must be known beforehand "
        "([places.md](places.md)); and ten frames in a row.",
        tuple(
            f"vpr-edge eval {_INT8} --runtime c --data {data} --centre{more}"
            for data, more in (
                ("vpr_corridor", " --sequence 10"),
                ("vpr_sped", ""),
                ("vpr_nordland64", " --sequence 10"),
            )
        ),
    ),
    Section(
        "segmentation",
        "Segmentation",
        "Over all pixels of CamVid's validation pictures, at 160x120.",
        (
            f"vpr-edge eval {_FLOAT} --task segmentation --data camvid",
            f"vpr-edge eval {_INT8} --task segmentation --runtime c --data camvid",
        ),
    ),
    Section(
        "keypoints",
        "Keypoints",
        "200 test photographs of BSDS500, each beside itself under a random homography, 300 "
        "keypoints. *Snapped*: each keypoint moves to the strongest corner of the picture within "
        "four pixels, in Python as on the device. SIFT and ORB on the same pictures.",
        (
            f"vpr-edge eval {_FLOAT} --task keypoints --data natural_bsds500",
            f"vpr-edge eval {_INT8} --task keypoints --runtime c --data natural_bsds500",
            "vpr-edge eval large/nano.tflite --task keypoints --runtime c --peers "
            "--data natural_bsds500",
        ),
    ),
    Section(
        "microcontrollers",
        "Microcontrollers",
        "The TFLite file compiled to C, arm-none-eabi-gcc -O3, counted under an emulator: one "
        "inference, the mean over three random inputs. Outputs equal TensorFlow Lite Micro's in "
        "every element on every core. The arena is all working memory; there is no other RAM but "
        "the stack.",
        (
            f"vpr-edge bench {_INT8} --device cortex-m4 --device cortex-m7 --device cortex-m33 "
            "--device cortex-m55 --device cortex-m0",
        ),
        by_metric=False,
    ),
    Section(
        "host",
        "Host",
        "One thread of a machine, pinned, a random picture, medians over ten windows of a second "
        "for each runtime, windows in turns. `c` is the generated C.",
        ("vpr-edge bench float/nano.onnx int8/nano.tflite",),
        by_metric=False,
    ),
)
_LEFT_OUT = ("operator_", "layer_")
_CHIP = ("instructions", "arena_bytes", "stack_bytes", "code_bytes", "weights_bytes",
         "oracle_unequal_elements")  # fmt: skip
_HOST = ("latency_median_ms", "latency_p95_ms", "end_to_end_median_ms", "first_call_ms",
         "peak_memory_bytes")  # fmt: skip


def measure(section: Section) -> None:
    """Run a section's commands in build/results and keep what they printed."""
    WORK.mkdir(parents=True, exist_ok=True)
    rows = []
    for command in section.commands:
        for file, export in EXPORTS.items():
            if file in command.split() and not (WORK / file).exists():
                _run(export)
        rows += json.loads(_run(f"{command} --json"))["rows"]
    KEPT.mkdir(exist_ok=True)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    write_json(KEPT / f"{section.name}.json", {"commit": commit, "rows": rows})


def _run(command: str) -> str:
    print(command, file=sys.stderr, flush=True)
    program, *words = shlex.split(command)
    done = subprocess.run(
        [str(Path(sys.executable).parent / program), *words],
        cwd=WORK, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}")
    return done.stdout


def page() -> str:
    """docs/results.md from what is kept."""
    text = (
        "# Results\n\nEvery figure was printed by the command that stands below it; `make results` "
        "runs them all and writes this page. A figure names the artefact and the runtime. The "
        "networks are the package's: `nano` and `small`, float (ONNX) and int8 (TFLite). What is "
        "missed, and why: [limits.md](limits.md).\n"
    )
    for section in SECTIONS:
        path = KEPT / f"{section.name}.json"
        if path.is_file():
            text += _section(section, json.loads(path.read_text()))
    return text


def _section(section: Section, kept: dict) -> str:
    exports = [export for file, export in EXPORTS.items()
               if any(file in command.split() for command in section.commands)]  # fmt: skip
    shown = [row for row in kept["rows"] if not row["metric"].startswith(_LEFT_OUT)]
    table = _by_metric(shown) if section.by_metric else _by_artefact(shown)
    commands = "\n".join([*exports, *section.commands])
    return (
        f"\n## {section.title}\n\n{section.about}\n\n{table}\n"
        f"```\n{commands}\n```\n\nMeasured on commit `{kept['commit']}`.\n"
    )


def _by_metric(rows: list[dict]) -> str:
    """A table a data set and kind of picture: a line a figure, a column an artefact."""
    text = ""
    for data in dict.fromkeys(row["data"] for row in rows):
        mine = [row for row in rows if row["data"] == data]
        columns = list(dict.fromkeys((row["artefact"], row["device"]) for row in mine))
        lines = sorted(dict.fromkeys((row["metric"], row["unit"]) for row in mine),
                       key=lambda line: place(line[0]))  # fmt: skip
        found = {(row["artefact"], row["device"], row["metric"]): row for row in mine}
        text += f"{data}:\n\n" + _table(
            ["figure", *(f"{name}, {device.removeprefix('host/')}" for name, device in columns)],
            [[_name(name, unit), *(_value(found.get((*column, name))) for column in columns)]
             for name, unit in lines],
        ) + "\n"  # fmt: skip
    return text


def _by_artefact(rows: list[dict]) -> str:
    """One table: a line an artefact on a device, a column a figure."""
    chips = any(row["metric"] == "instructions" for row in rows)
    names = [name for name in (_CHIP if chips else _HOST)
             if any(row["metric"] == name for row in rows)]  # fmt: skip
    found = {(row["artefact"], row["device"], row["metric"]): row for row in rows}
    ran = dict.fromkeys((row["artefact"], row["device"]) for row in rows
                        if row["device"] and row["metric"] in names)  # fmt: skip
    units = {row["metric"]: row["unit"] for row in rows}
    return _table(
        ["artefact", "where", *(_name(name, units[name]) for name in names)],
        [[*one, *(_value(found.get((*one, name))) for name in names)] for one in ran],
    )


def _table(headings: list[str], lines: list[list[str]]) -> str:
    every = [headings, ["---"] * len(headings), *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in every)


def _name(name: str, unit: str) -> str:
    known = metric(name).label.replace("\n", " ") or name.replace("_", " ")
    return f"{known}, %" if unit == "fraction" else known


def _value(row: dict | None) -> str:
    if row is None:
        return ""
    value = row["value"]
    if row["unit"] == "fraction":
        return f"{100 * value:.1f}"
    if row["metric"] == "instructions":
        return f"{value / 1e6:.2f} M"
    return f"{value:,.0f}" if row["unit"] in ("bytes", "count") else f"{value:.2f}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--again", default="", help="section to measure anew, or all")
    chosen = parser.parse_args()
    for section in SECTIONS:
        missing = not (KEPT / f"{section.name}.json").is_file()
        if not chosen.page and (missing or chosen.again in (section.name, "all")):
            measure(section)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
