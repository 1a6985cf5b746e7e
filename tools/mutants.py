"""How many small errors the tests notice: cosmic-ray on the modules whose arithmetic counts.

    pip install cosmic-ray          # anywhere; it only has to be found as `cosmic-ray`
    git clone . /tmp/mutants && cd /tmp/mutants
    PYTHONPATH=$PWD python tools/mutants.py --each 12 [MODULE ...]

cosmic-ray writes every error into the file itself, so run it in a clone that nobody edits. Of each
module's errors a sample is drawn by a fixed seed; --each 0 takes all. Survivors are printed as
differences, and the score at the end. docs/testing.md says which survivors are known, and why.
"""

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

# By module the tests that hold it to its word.
TESTS = {
    "benchmarks/keypoints.py": ("benchmarks/test_metrics_keypoints.py",),
    "benchmarks/places.py": ("benchmarks/test_metrics_places.py",),
    "benchmarks/segmentation.py": ("benchmarks/test_metrics_segmentation.py",),
    "benchmarks/serial_messages.py": ("benchmarks/test_serial_messages.py",),
    "firmware_bridge/fixed_point.py": (
        "firmware_bridge/operators/test_softmax.py",
        "firmware_bridge/operators/test_activations.py",
        "firmware_bridge/operators/test_normalization.py",
    ),
    "firmware_bridge/order.py": ("firmware_bridge/test_plan.py",),
    "firmware_bridge/passes.py": ("firmware_bridge/test_passes.py",),
    "firmware_bridge/plan.py": ("firmware_bridge/test_plan.py",),
    "firmware_bridge/requantize.py": (
        "firmware_bridge/test_requantize.py",
        "firmware_bridge/operators/test_dense.py",
        "firmware_bridge/operators/test_convolution.py",
        "firmware_bridge/test_importer.py",
    ),
    "quantize/arithmetic.py": ("quantize/test_arithmetic.py", "quantize/test_integer.py"),
    "quantize/even.py": ("quantize/test_even.py",),
    "quantize/fake.py": ("quantize/test_fake.py", "quantize/test_calibrate.py"),
    "quantize/integer.py": ("quantize/test_integer.py", "quantize/test_symmetric.py"),
    "quantize/portable.py": ("quantize/test_portable.py",),
}
# Of `|`: it stands in types, where an error is none or stops the import.
LEFT_OUT = ("BitOr", "RemoveDecorator")
CONFIG = """
[cosmic-ray]
module-path = "vpr_edge/{module}"
timeout = {timeout}
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider {tests}"
[cosmic-ray.distributor]
name = "local"
"""


def sample(session: Path, each: int, module: str) -> None:
    """Keep so many of a session's errors, chosen by the module's name alone."""
    with sqlite3.connect(session) as database:
        rows = database.execute("select job_id, operator_name from mutation_specs").fetchall()
        jobs = sorted(job for job, name in rows if not any(part in name for part in LEFT_OUT))
        # Ids are random: order by what is changed, so that the sample is the same every time.
        order = database.execute(
            "select job_id from mutation_specs order by operator_name, occurrence, start_pos_row"
        ).fetchall()
        jobs = [job for (job,) in order if job in set(jobs)]
        kept = set(jobs if not each else random.Random(module).sample(jobs, min(each, len(jobs))))
        for job, _ in rows:
            if job not in kept:
                database.execute("delete from mutation_specs where job_id = ?", (job,))
                database.execute("delete from work_items where job_id = ?", (job,))


def judge(module: str, each: int, timeout: int, folder: Path) -> tuple[int, int]:
    """Noticed and all errors of a module; survivors are printed."""
    config, session = folder / "config.toml", folder / f"{Path(module).stem}.sqlite"
    tests = " ".join(f"tests/{name}" for name in TESTS[module])
    config.write_text(
        CONFIG.format(module=module, timeout=timeout, python=sys.executable, tests=tests)
    )
    run = ["cosmic-ray", "init", str(config), str(session)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    sample(session, each, module)
    subprocess.run(["cosmic-ray", "exec", str(config), str(session)], check=True)
    dumped = subprocess.run(
        ["cosmic-ray", "dump", str(session)], check=True, capture_output=True, text=True
    ).stdout
    found = [json.loads(line) for line in dumped.splitlines()]
    survived = [result for _, result in found if result and result["test_outcome"] == "survived"]
    for result in survived:
        print(result["diff"], flush=True)
    print(f"{module}: {len(found) - len(survived)} of {len(found)} noticed", flush=True)
    return len(found) - len(survived), len(found)


def main() -> None:
    """Judge the modules that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="MODULE")
    parser.add_argument("--each", type=int, default=12, help="errors a module; 0 for all")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a run of the tests")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scores = [judge(m, given.each, given.timeout, Path(folder)) for m in given.modules]
    noticed, every = (sum(column) for column in zip(*scores, strict=True))
    print(f"noticed {noticed} of {every}: {noticed / every:.0%}")


if __name__ == "__main__":
    main()
