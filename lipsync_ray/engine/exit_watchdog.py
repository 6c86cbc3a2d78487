"""Explains the end of a driver that is killed, or ended by Ray's own code, and removes Ray's folder.

When the head of a Ray cluster is lost, Ray ends the driver without an exception; the system does so when memory runs
out. A small companion process then prints a message. It prints nothing if the driver ends by itself.
"""

from __future__ import annotations

import atexit
import glob
import os
import subprocess
import sys

# Runs without this package, to start at once. Each line it reads is a pattern of folders to remove, "ends" or "done".
# On a busy machine Ray's processes still write into their folder for a while: it is removed until it stays away.
_PROGRAM = """
import glob, os, shutil, signal, sys, time
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
patterns, ends, done = [], False, False
for line in sys.stdin:
    if line.rstrip("\\n") == "done":
        done = True
    elif line.rstrip("\\n") == "ends":
        ends = True
    else:
        patterns.append(line.rstrip("\\n"))
if not (ends or done):
    print(sys.argv[1], file=sys.stderr, flush=True)
sys.stderr.close(); sys.stdout.close(); os.close(2); os.close(1)
if not done:
    time.sleep(float(sys.argv[2]))
away = 0
for attempt in range(60):
    there = [folder for pattern in patterns for folder in glob.glob(pattern)]
    for folder in there:
        shutil.rmtree(folder, ignore_errors=True)
    away = 0 if there else away + 1
    if away == 4 or (done and not any(map(os.path.exists, there))):
        break
    time.sleep(0.5)
"""
_LINGER_S = 5.0  # for Ray's processes to notice that their driver is gone


class ExitWatchdog:
    """A companion process, kept while a session is open.

    Parameters
    ----------
    text : printed if this process ends before :meth:`ends` or :meth:`done`, and not by an exception or ``sys.exit``
    """

    def __init__(self, text: str) -> None:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, text, str(_LINGER_S)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "")},
        )
        assert process.stdin is not None
        self._process, self._stdin = process, process.stdin
        atexit.register(self.ends)

    def clear(self, folder: str, name: str) -> None:
        """Remove folders after this process has ended, in whatever way.

        Parameters
        ----------
        folder : their parent
        name : a glob pattern
        """
        self._send(os.path.join(glob.escape(folder), name))

    def ends(self) -> None:
        """Declare that the work is over, well or not: from now on this process ends by itself."""
        self._send("ends")

    def done(self) -> None:
        """End the companion process: nothing is left to remove."""
        atexit.unregister(self.ends)
        self._send("done")
        try:
            self._stdin.close()
        except BrokenPipeError:
            pass  # the companion process was ended; nothing is removed
        self._process.wait()

    def _send(self, line: str) -> None:
        try:
            self._stdin.write(f"{line}\n")
            self._stdin.flush()
        except BrokenPipeError:
            pass
