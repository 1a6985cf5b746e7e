"""The runner on the device, started by OpenSSH's client or on this very machine.

One `ssh` is all there is: the runner's source, the order and the models go through its standard
input, events come back through its standard output. Keys, ports and jump hosts are the user's
OpenSSH configuration; the host may be `ssh://user@address:port`. Options in VPR_EDGE_SSH_OPTIONS go
before the host, and VPR_EDGE_REMOTE_PYTHON names another Python there.
VPR_EDGE_SSH_SECONDS is how long the whole of it may take: a process that is stopped at the far end
keeps its connection, and would be waited for without end.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vpr_edge.benchmarks.devices.jetson import runner
from vpr_edge.errors import DeviceError, ToolMissingError

SSH_OPTIONS = "VPR_EDGE_SSH_OPTIONS"
REMOTE_PYTHON = "VPR_EDGE_REMOTE_PYTHON"
LIMIT = "VPR_EDGE_SSH_SECONDS"
LIMIT_SECONDS = 3600.0
CONNECT_SECONDS = 10
_NO_SUCH_COMMAND = 127
# What a line at the far end that is cut looks like after 15 seconds.
_OPTIONS = (
    *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}"),
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-T"),
)
_BOOT = (
    "import sys; s = sys.stdin.buffer; "
    "exec(compile(s.read(int(s.readline())), 'vpr-edge-runner', 'exec'), {'__name__': '__main__'})"
)
Event = dict[str, Any]


@contextmanager
def events(host: str | None, order: Event, payload: Sequence[bytes]) -> Iterator[Iterator[Event]]:
    """Start the runner and yield its events, up to and without "done"; end it with the block.

    Args:
        host: `user@address`, or None for this machine.
        order: what the runner reads first.
        payload: what the order names, one after the other.

    Raises:
        DeviceError: the host is unreachable, refuses, has no Python, or vanished on the way.
        ToolMissingError: no OpenSSH client is here.
    """
    limit = _limit(order)
    source = Path(runner.__file__).read_bytes()
    given = b"%d\n%s%s\n" % (len(source), source, json.dumps(order).encode()) + b"".join(payload)
    with tempfile.TemporaryFile() as told:
        try:
            child = subprocess.Popen(
                _command(host), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told
            )
        except FileNotFoundError as error:
            raise ToolMissingError(
                "ssh is not here; install the OpenSSH client (Debian: apt-get install "
                "openssh-client), or run vpr-edge on the Jetson itself."
            ) from error
        late = threading.Event()

        def end() -> None:
            late.set()
            child.kill()

        clock = threading.Timer(limit, end)
        clock.daemon = True
        clock.start()
        try:
            yield _conversation(child, given, host, told, late)
        finally:
            clock.cancel()
            # The runner ends when its standard input does; ssh closes it when it is killed.
            child.kill() if host else _close(child)
            child.wait()
            for stream in (child.stdin, child.stdout):
                _quietly_close(stream)


def _limit(order: Event) -> float:
    """Seconds that the whole may take; by default an hour besides what is to be measured."""
    asked = order.get("seconds", 0) * len(order.get("models", ()))
    text = os.environ.get(LIMIT, str(LIMIT_SECONDS + asked))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= threading.TIMEOUT_MAX:
        raise DeviceError(f"${LIMIT} is {text[:40]!r}; give seconds, such as 3600.")
    return seconds


def _command(host: str | None) -> list[str]:
    if host is None:
        return [sys.executable, "-u", "-c", _BOOT]
    python = os.environ.get(REMOTE_PYTHON, "python3")
    options = shlex.split(os.environ.get(SSH_OPTIONS, ""))
    return ["ssh", *_OPTIONS, *options, "--", host, f"exec {python} -u -c {shlex.quote(_BOOT)}"]


def _conversation(
    child: "subprocess.Popen[bytes]",
    given: bytes,
    host: str | None,
    told: Any,
    late: threading.Event,
) -> Iterator[Event]:
    assert child.stdin and child.stdout
    # It may end before it has read everything; why is known below.
    with suppress(OSError):
        child.stdin.write(given)
        child.stdin.flush()
    begun = False
    for line in child.stdout:
        text = line.decode(errors="replace")
        if not text.startswith(runner.MARK):
            continue
        try:
            event = json.loads(text.removeprefix(runner.MARK))
            done = event["event"] == "done"
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DeviceError(
                f"{host or 'this machine'} answers what no runner of ours says; see that nothing "
                "else writes to the standard output there."
            ) from error
        if done:
            return
        begun = True
        yield event
    status = child.wait()
    if late.is_set():
        raise DeviceError(
            f"{host or 'this machine'} did not finish in time; see whether a process is stopped "
            f"there, or allow more seconds in ${LIMIT}."
        )
    told.seek(0)
    raise _ended(host or "this machine", status, told.read().decode(errors="replace"), begun)


def _ended(host: str, status: int, told: str, begun: bool) -> DeviceError:
    """Why there was no more to hear."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    last = (lines[-1] if lines else f"exit status {status}").rstrip(".")
    if begun:
        return DeviceError(
            f"the connection to {host} ended in the middle of a measurement ({last}); what was "
            "measured is kept, look after the device and run the rest again."
        )
    if "Permission denied" in told:
        return DeviceError(
            f"{host} refuses every key of this user ({last}); bring one over with ssh-copy-id "
            f"and see that `ssh {host} true` asks nothing."
        )
    if "verification failed" in told:
        return DeviceError(
            f"{host} is not known to this user's OpenSSH, or has another host key than before; "
            f"look into it with `ssh {host} true`."
        )
    if status == _NO_SUCH_COMMAND:
        python = os.environ.get(REMOTE_PYTHON, "python3")
        return DeviceError(
            f"there is no {python} on {host}; install one there (Debian, Ubuntu: apt-get install "
            f"python3), or name it in ${REMOTE_PYTHON}."
        )
    return DeviceError(
        f"{host} cannot be reached ({last}); see that it is on, in the same network, and that "
        f"`ssh {host} true` works."
    )


def _close(child: "subprocess.Popen[bytes]") -> None:
    _quietly_close(child.stdin)
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()


def _quietly_close(stream: Any) -> None:
    with suppress(OSError):
        stream.close()
