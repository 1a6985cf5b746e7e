"""An OpenSSH server on loopback, with keys and configuration of its own."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import pytest

from tests.quantize.networks import CONVAP, FIT, images, random_network, tensor
from vpr_edge.benchmarks.devices.jetson.connection import REMOTE_PYTHON, SSH_OPTIONS
from vpr_edge.export.onnx import write_qdq_onnx
from vpr_edge.models.zoo import build_graph
from vpr_edge.quantize.calibrate import calibrate
from vpr_edge.quantize.fake import FakeQuantNetwork, to_int8_model

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
SetEnv {environment}
{more}
"""


@dataclass(frozen=True)
class Server:
    """A host that answers on loopback.

    Attributes:
        folder: of its keys.
        temporary: what TMPDIR names there.
        host: `user@address`.
        options: what ssh needs besides.
        process: sshd.
    """

    folder: Path
    temporary: Path
    host: str
    options: str
    process: psutil.Process

    def sessions(self) -> list[psutil.Process]:
        """Every process of those who are logged in."""
        return self.process.children(recursive=True)


def key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Starts a server: `start(temporary=..., path=..., more=...)`."""
    program = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
    if not program or not shutil.which("ssh"):
        pytest.skip("OpenSSH is not here (Debian: apt-get install openssh-server)")
    if os.getuid() == 0:
        # Where sshd drops its privileges; Debian's service makes it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    started: list[subprocess.Popen[str]] = []

    def begin(temporary: Path | None = None, path: str = "", more: str = "") -> Server:
        folder, port = tmp_path / "ssh", free_port()
        folder.mkdir()
        there = temporary or tmp_path / "there"
        there.mkdir(exist_ok=True)
        known = key(folder / "host_key").with_suffix(".pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {known}")
        shutil.copy(key(folder / "key").with_suffix(".pub"), folder / "authorized_keys")
        values = {
            "PATH": path or f"{Path(sys.executable).parent}:/usr/bin:/bin",
            # Whose shell's configuration may put another Python first.
            "HOME": folder,
            "TMPDIR": there,
            "XDG_CACHE_HOME": tmp_path / "cache",
        }
        environment = " ".join(f"{name}={value}" for name, value in values.items())
        text = CONFIG.format(port=port, folder=folder, environment=environment, more=more)
        (folder / "config").write_text(text)
        command = [program, "-D", "-e", "-f", folder / "config"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stderr
        for line in process.stderr:
            if "listening" in line:
                break
        else:
            pytest.skip("this user cannot run a server of OpenSSH's")
        options = [
            f"-F none -i {folder}/key -p {port} -o IdentitiesOnly=yes",
            f"-o UserKnownHostsFile={folder}/known_hosts -o GlobalKnownHostsFile=/dev/null",
            "-o StrictHostKeyChecking=yes -o IdentityAgent=none",
        ]
        monkeypatch.setenv(SSH_OPTIONS, " ".join(options))
        monkeypatch.delenv(REMOTE_PYTHON, raising=False)
        host = f"{getpass.getuser()}@127.0.0.1"
        return Server(folder, there, host, " ".join(options), psutil.Process(process.pid))

    yield begin
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
        process.wait()
        assert process.stderr
        process.stderr.close()


@pytest.fixture(scope="session")
def qdq(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Writes the QDQ ONNX of a small network with zero points 0, or with any."""

    @cache
    def write(symmetric: bool) -> Path:
        path = tmp_path_factory.mktemp("qdq") / "tiny.onnx"
        network = random_network(build_graph(CONVAP))
        fake = calibrate(FakeQuantNetwork(network, symmetric), [tensor(images(8, seed=1))])
        return write_qdq_onnx(to_int8_model(fake, CONVAP, FIT, {}), path)

    return write
