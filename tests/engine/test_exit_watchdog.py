"""What is said and cleared away when a process ends without being able to do it itself."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import os, sys, time
from lipsync_ray.engine import exit_watchdog
exit_watchdog._LINGER_S = 0.1
words = exit_watchdog.ExitWatchdog("these were the last words")
words.clear(os.path.dirname(sys.argv[1]), os.path.basename(sys.argv[1])[:4] + "*")
print("ready", flush=True)
if sys.argv[2] == "done":
    words.done()
elif sys.argv[2] == "ends":
    words.ends()
elif sys.argv[2] == "sys.exit":
    sys.exit(3)
elif sys.argv[2] == "error":
    raise KeyError
elif sys.argv[2] == "wait":
    time.sleep(60)
os._exit(3)
"""


def wait_until_gone(path):
    deadline = time.monotonic() + 30
    while path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not path.exists()


@pytest.mark.parametrize("ending", ["done", "ends", "sys.exit", "error", "exit", "kill"])
def test_they_are_said_only_where_the_process_could_not(tmp_path, ending):
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / "log").write_text("x")
    how = "wait" if ending == "kill" else ending
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), how], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    if ending == "kill":
        os.kill(process.pid, signal.SIGKILL)
    text = process.communicate(timeout=30)[1]
    assert ("these were the last words" in text) == (ending in ("exit", "kill"))  # "exit": as Ray's own code does
    assert wait_until_gone(folder)


def test_a_folder_that_others_still_write_to_is_cleared_away_when_they_have_ended(tmp_path):
    folder = tmp_path / "session[1]"  # a name that is a pattern, too
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), "wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    until = time.monotonic() + 2.0
    while time.monotonic() < until:  # as a raylet on its way out does
        folder.mkdir(exist_ok=True)
        try:
            (folder / "log").write_text("x")
        except FileNotFoundError:
            pass  # removed between the two
        time.sleep(0.01)
    assert wait_until_gone(folder)
