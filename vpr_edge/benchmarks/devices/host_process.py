"""The other end of `host_worker`: starts the process, tells it what to do, watches its memory."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any

import psutil

from vpr_edge.benchmarks.devices.host_worker import Order
from vpr_edge.benchmarks.results import Facts, Measured, Series
from vpr_edge.benchmarks.rows import Row
from vpr_edge.errors import ModelError
from vpr_edge.processes import process_group

OPENING_SECONDS = 0.02
RUNNING_SECONDS = 0.2
"""Between two looks at the memory of a process that opens an artefact, or runs it."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class HostProcess:
    """One artefact in one runtime in a process of its own.

    Attributes:
        order: what it measures.
        windows: how many it has measured.
        pid: of the process.
    """

    def __init__(self, order: Order, label: str) -> None:
        """Start the process; `label` names the artefact in rows."""
        self.order, self.label, self.windows = order, label, 0
        plural = f", {order.threads} threads" if order.threads > 1 else ""
        self.device = f"host/{order.runtime}{plural}"
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `stop`)
        self._group = ExitStack()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vpr_edge.benchmarks.devices.host_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(order.threads)),
            # Ctrl-C is for the process that asks: it fetches what was measured so far.
            process_group=self._group.enter_context(process_group()),
        )
        self.pid = self._process.pid
        self._watched = psutil.Process(self.pid)
        self._begun = time.monotonic()
        self._memory: list[tuple[float, int]] = []
        self._read = b""

    def open(self) -> list[Measured]:
        """Open the artefact and warm up.

        Raises:
            ModelError: it cannot be run.
        """
        self._tell(json.dumps(asdict(self.order)))
        self._answer(None)
        self._begun = time.monotonic()
        answer = self._answer(OPENING_SECONDS)
        return [*self._rows(answer), Facts(self.device, answer["facts"])]

    def window(self) -> None:
        """Measure a window.

        Raises:
            ModelError: the process ended.
        """
        self._tell("window")
        self._answer(RUNNING_SECONDS)
        self.windows += 1

    def finish(self) -> list[Measured]:
        """The figures over all windows so far, and the memory over time.

        Raises:
            ModelError: the process ended before.
        """
        self._tell("finish")
        answer = self._answer(RUNNING_SECONDS)
        # An interrupted window is answered first.
        while "figures" not in answer:
            answer = self._answer(RUNNING_SECONDS)
        seconds, values = zip(*self._memory, strict=True)
        name = "resident_memory_bytes"
        memory = Series(self.label, self.device, name, "bytes", seconds, values)
        return [*self._rows(answer), memory]

    def stop(self) -> None:
        """End the process; what it did not say is lost."""
        self._process.kill()
        self._process.wait()
        self._group.close()
        for stream in (self._process.stdin, self._process.stdout):
            # A line that the process did not take cannot be written any more.
            with suppress(BrokenPipeError):
                if stream:
                    stream.close()
        self._said.close()

    def _rows(self, answer: dict[str, Any]) -> list[Row]:
        return [
            Row(self.label, self.device, "", metric, value, unit, method)
            for metric, value, unit, method in answer["figures"]
        ]

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def _answer(self, interval: float | None) -> dict[str, Any]:
        """The next line of the process; its memory is looked at in this interval, s, if any."""
        assert self._process.stdout
        stream = self._process.stdout.fileno()
        while b"\n" not in self._read:
            ready, _, _ = select.select([stream], [], [], interval)
            if interval:
                self._look()
            if ready:
                said = os.read(stream, 1 << 16)
                if not said:
                    raise self._ended()
                self._read += said
        line, _, self._read = self._read.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ModelError(answer["error"])
        return answer

    def _look(self) -> None:
        try:
            held = self._watched.memory_info().rss
        except psutil.Error:
            return
        self._memory.append((round(time.monotonic() - self._begun, 3), held))

    def _ended(self) -> ModelError:
        status = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return ModelError(
            f"{self.order.path} ended {self.order.runtime} with exit status {status} "
            f"({lines[-1] if lines else 'no message'}); export it again, or choose other runtimes "
            "by --runtime."
        )
