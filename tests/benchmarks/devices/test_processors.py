"""Which CPUs a measurement runs on."""

import os
import subprocess
import sys
import time

import pytest

from vpr_edge.benchmarks.devices.processors import WaitingTime, idle_cpus, machine, parse_cpus, pin
from vpr_edge.errors import DataError

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes"
)


def test_a_process_runs_where_it_was_pinned() -> None:
    before = os.sched_getaffinity(0)
    try:
        chosen = idle_cpus(1)
        assert len(chosen) == 1 and set(chosen) <= before
        pin(chosen)
        assert os.sched_getaffinity(0) == set(chosen)
        pin(())
        assert os.sched_getaffinity(0) == set(chosen)
    finally:
        os.sched_setaffinity(0, before)


def test_a_process_that_shares_its_cpu_waits_for_it() -> None:
    waiting = WaitingTime()
    if not waiting.known:
        pytest.skip("this system does not say how long a process waits for its CPU")
    before = os.sched_getaffinity(0)
    rival = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        cpu = {min(before)}
        os.sched_setaffinity(rival.pid, cpu)
        os.sched_setaffinity(0, cpu)
        waited = waiting.milliseconds()
        used = time.process_time()
        while time.process_time() < used + 0.3:
            pass
        assert waiting.milliseconds() > waited
    finally:
        rival.kill()
        rival.wait()
        os.sched_setaffinity(0, before)


def test_more_threads_than_cpus_are_not_pinned() -> None:
    assert idle_cpus(len(os.sched_getaffinity(0)) + 1) == ()


def test_lists_of_cpus_are_read() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    text = ",".join(map(str, reversed(allowed)))
    assert parse_cpus(text) == tuple(allowed)
    assert parse_cpus(f"{allowed[0]}-{allowed[0]}") == (allowed[0],)


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "0,,1", "3-2", "99999"])
def test_other_lists_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="--cpu"):
        parse_cpus(text)


def test_the_machine_is_named() -> None:
    found = machine()
    assert int(found["cores"]) == os.cpu_count()
    assert found["cpu"] and "Linux" in found["system"]
