"""Ray clusters of several nodes on this machine, on ports of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
RAY = Path(sys.executable).with_name("ray")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [str(s.getsockname()[1]) for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Nodes:
    """A head, and nodes that join it.

    Attributes
    ----------
    address : of the head's dashboard, for ``ray job submit``
    environment : of whoever talks to it
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._port, dashboard = free_ports(2)
        self.address = f"http://127.0.0.1:{dashboard}"
        self._dashboard = dashboard
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "AWS_"))}
        self.environment = environment | {
            "RAY_AUTH_MODE": "disabled",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
            "PATH": f"{RAY.parent}:{environment['PATH']}",
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def head(self, cpus: int) -> None:
        """Start the head."""
        client, agent = free_ports(2)
        self._start(
            "--head", "--port", self._port, "--dashboard-port", self._dashboard, "--num-cpus", str(cpus),
            "--dashboard-agent-listen-port", agent, "--ray-client-server-port", client, "--temp-dir", self._folder,
            "--include-dashboard", "true",
        )  # fmt: skip

    def join(self, cpus: int, labels: str = "") -> subprocess.Popen[bytes]:
        """Start another node, and wait until it runs. One that comes before the head is ready gives up: it is started again.

        Parameters
        ----------
        labels : of it: "key=value"
        """
        for _ in range(5):
            (agent,) = free_ports(1)
            process = self._start(
                "--address", f"127.0.0.1:{self._port}", "--num-cpus", str(cpus), "--dashboard-agent-listen-port", agent,
                *(["--labels", labels] if labels else []),
            )  # fmt: skip
            log = Path(self._folder, f"start-{len(self.started) - 1}.log")
            until = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < until:
                if "Ray runtime started" in log.read_text():
                    return process
                time.sleep(0.2)
        raise AssertionError(log.read_text())

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [RAY, "start", "--block", *words, "--object-store-memory", str(128 << 20), "--disable-usage-stats"]
        log = open(f"{self._folder}/start-{len(self.started)}.log", "w")  # noqa: SIM115
        with log:
            process = subprocess.Popen(
                [*map(str, command)], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.started.append(process)
        return process

    def submit(self, *job: object, baked: bool = False) -> subprocess.Popen[str]:
        """``ray job submit -- python JOB …``, under way.

        Parameters
        ----------
        baked : nothing travels with it: the nodes have the project, as from an image
        """
        travels = [] if baked else ["--working-dir", ROOT]
        command = [RAY, "job", "submit", "--address", self.address, *travels, "--", "python", *job]
        return subprocess.Popen(
            [*map(str, command)], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def submitted(self, *job: object, timeout: float = 250) -> str:
        """What a job said that was submitted and ended well; the head may still be starting."""
        for _ in range(40):
            process = self.submit(*job)
            said = process.communicate(timeout=timeout)[0]
            if process.returncode == 0 or "Failed to connect" not in said:
                break
            time.sleep(1)
        assert process.returncode == 0, said
        return said

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """End a node as a lost machine ends: its raylet, and all that it started, at once."""
        family = psutil.Process(node.pid).children(recursive=True)
        for process in [*(p for p in family if "raylet" in p.name()), *family]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        node.kill()

    def stop(self) -> None:
        """End all that is left."""
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def cluster_of(head_cpus: int):
    """A head with so many CPUs, on this machine, until it is left."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # Ray's socket names have to stay short
    nodes = Nodes(folder)
    nodes.head(head_cpus)
    try:
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(folder, ignore_errors=True)
