"""``ray job submit -- python jobs/….py``, on a cluster of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lipsync_ray.io.results import read_results

pytestmark = pytest.mark.slow
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


@pytest.fixture
def head():
    """A head node of this test's own; its dashboard's address and the environment to reach it."""
    port, dashboard, agent, client = free_ports(4)
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # Ray's socket names have to stay short
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "AWS_"))}
    environment |= {
        "RAY_AUTH_MODE": "disabled",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "PATH": f"{RAY.parent}:{environment['PATH']}",
    }
    command = [
        RAY, "start", "--head", "--block", "--port", port, "--dashboard-port", dashboard, "--num-cpus", "2",
        "--dashboard-agent-listen-port", agent, "--ray-client-server-port", client, "--temp-dir", folder,
        "--object-store-memory", str(256 << 20), "--disable-usage-stats", "--include-dashboard", "true",
    ]  # fmt: skip
    log = open(f"{folder}/start.log", "w")  # noqa: SIM115
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{dashboard}", environment
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def submit(head, *job):
    """What a job said that was submitted and ended well."""
    address, environment = head
    command = [RAY, "job", "submit", "--address", address, "--working-dir", ROOT, "--", "python", *job]
    for _ in range(40):
        done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, timeout=250)
        said = done.stdout + done.stderr
        if done.returncode == 0 or "Failed to connect" not in said:
            break
        time.sleep(1)
    assert done.returncode == 0, said
    return said


@pytest.mark.parametrize("script", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.stem)
def test_every_script_is_its_command(script):
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"Usage: {script.name} {script.stem} " in done.stdout


def test_the_job_scripts_run_on_the_cluster_they_are_submitted_to(head, demo_inputs, tmp_path):
    run, scores = tmp_path / "run", tmp_path / "scores"
    pair = demo_inputs / "portrait.jpg", demo_inputs / "en.ogg"
    assert "1 done" in submit(head, "jobs/dub.py", *pair, "-o", run, "--model", "mini")
    (result,) = read_results(str(run))
    assert (result.status, result.width) == ("done", 512)
    # The other jobs' way to the cluster is the same; that they work there is tested without a submission.
    options = ("--scorer", "mini-sync", "--fid", "none", "--previews", "1", "--engine", "inline")
    assert "1 of 1 videos scored" in submit(head, "jobs/evaluate.py", run, "-o", scores, *options)
    assert (scores / "report" / "index.html").is_file()
