"""A driver that is killed, or asked to stop, in the middle. What was committed stays, and the frames come out the same."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from commands import frame_digests, lipsync_ray

from lipsync_ray.io.results import read_results
from lipsync_ray.models.wav2lip import Wav2Lip

pytestmark = [pytest.mark.nightly, pytest.mark.slow, pytest.mark.usefixtures("cluster")]
PATIENCE_S = 240


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """A full-width generator with random weights: slow enough to be caught at work."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(Wav2Lip().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def arguments(demo_inputs, slow_model):
    table = slow_model.parent / "one.csv"
    table.write_text(f"id,video,audio\nd,{demo_inputs / 'pan.mp4'},{demo_inputs / 'en.ogg'}\n")
    return ["dub", str(table), "--model", str(slow_model), "--segment", "1", "--crf", "0", "--precision", "fp32"]


@pytest.fixture(scope="module")
def undisturbed(arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    assert lipsync_ray(*arguments, "-o", out, engine="ray") == 0
    return frame_digests(out / "videos" / "d.mp4")


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail("waited in vain")


@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_killed_driver_is_started_again_and_goes_on(engine, arguments, undisturbed, tmp_path, capsys):
    out = tmp_path / "out"
    log = (tmp_path / "log").open("w")
    driver = subprocess.Popen(
        [sys.executable, "-m", "lipsync_ray", *arguments, "-o", str(out), "--engine", engine],
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        wait_for(lambda: len(list((out / "parts").glob("d/*.mp4"))) >= 2 or driver.poll() is not None)
        assert driver.poll() is None, (tmp_path / "log").read_text()
        assert lipsync_ray(*arguments, "-o", out, engine=engine) == 2  # one run at a time
        capsys.readouterr()
        assert lipsync_ray("status", out) == 0
        said = capsys.readouterr().out
        assert " runs, " in said
        assert f"process {driver.pid} on " in said
        assert "1 rows: 1 left" in said
        driver.kill()
        driver.wait()
        time.sleep(2)  # its workers end with it; what they were committing is there or not
        committed = sorted(path.name for path in (out / "parts" / "d").glob("*.mp4"))
        times = {name: (out / "parts" / "d" / name).stat().st_mtime_ns for name in committed}
    finally:
        try:
            os.killpg(driver.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        log.close()
    assert not (out / "results.parquet").exists()
    assert lipsync_ray("status", out) == 1
    assert "was ended from outside: run the same command again" in capsys.readouterr().out
    rewritten = []
    stop = threading.Event()

    def watch():
        while not stop.wait(0.05):
            for name, before in times.items():
                path = out / "parts" / "d" / name
                if path.exists() and path.stat().st_mtime_ns != before:
                    rewritten.append(name)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert lipsync_ray(*arguments, "-o", out, engine=engine) == 0
    finally:
        stop.set()
        watcher.join()
    (result,) = read_results(str(out))
    assert result.reused_segments == len(committed) >= 2
    assert result.segments > len(committed)
    assert rewritten == []
    assert result.faceless_frames == 0
    assert frame_digests(out / "videos" / "d.mp4") == undisturbed


def lives(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def listening(process):
    """Addresses at which a process listens."""
    try:
        return [one.laddr.ip for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_driver_that_is_asked_to_stop_says_so_and_leaves_nothing_of_ray(arguments, tmp_path, number, status):
    out = tmp_path / "out"
    environment = os.environ | {"RAY_TMPDIR": tempfile.mkdtemp(prefix="ls", dir="/tmp")}  # paths of sockets are short
    driver = subprocess.Popen(
        [sys.executable, "-m", "lipsync_ray", *arguments, "-o", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    try:
        # What a first small task has left: Ray is up by then.
        wait_for(lambda: (out / "sources").exists() or driver.poll() is not None)
        family = [psutil.Process(driver.pid), *psutil.Process(driver.pid).children(recursive=True)]
        heard_at = {address for process in family for address in listening(process)}
        driver.send_signal(number)
        said = driver.communicate(timeout=PATIENCE_S)[0]
    finally:
        driver.kill()
    assert driver.returncode == status, said
    assert "stopped. What was finished is kept: run the same command again to go on." in said
    for noise in ("Traceback", "***", "logging.cc", "(raylet)"):
        assert noise not in said
    assert list(Path(environment["RAY_TMPDIR"]).glob("ray/session_2*")) == []
    assert heard_at
    assert {address for address in heard_at if not ip_address(address.removeprefix("::ffff:")).is_loopback} == set()
    wait_for(lambda: not any(lives(process) for process in family))
    shutil.rmtree(environment["RAY_TMPDIR"])
