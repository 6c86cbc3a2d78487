"""Tells of a driver that is killed, or ended by Ray's own code, and clears Ray's folder away.

When the head of a Ray cluster is lost, Ray ends the process that drives it, without an exception; so does the system
when memory runs out. A small process beside this one then says so. Of a process that ends by itself it says nothing.
"""

from __future__ import annotations

import atexit
import glob
import os
import subprocess
import sys

# Run alone, without this package: it has to be there at once. It reads one line a pattern of folders to clear away, "ends" and "done".
# On a busy machine Ray's processes write into their folder for a while yet: it is removed until it stays away.
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
for turn in range(60):
    there = [folder for pattern in patterns for folder in glob.glob(pattern)]
    for folder in there:
        shutil.rmtree(folder, ignore_errors=True)
    away = 0 if there else away + 1
    if away == 4 or (done and not any(map(os.path.exists, there))):
        break
    time.sleep(0.5)
"""
_LINGER_S = 5.0  # in which Ray's processes notice that their driver is gone


class ExitWatchdog:
    """Kept while a session is open.

    Parameters
    ----------
    text : what is said if this process ends before :meth:`ends` or :meth:`done`, and not by an exception or ``sys.exit``
    """

    def __init__(self, text: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, text, str(_LINGER_S)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "")},
        )
        atexit.register(self.ends)

    def clear(self, folder: str, name: str) -> None:
        """Have folders removed when this process has ended, whichever way.

        Parameters
        ----------
        folder : in which they are
        name : a pattern, as of a shell
        """
        self._tell(os.path.join(glob.escape(folder), name))

    def ends(self) -> None:
        """The work is over, well or not: from here on this process ends by itself."""
        self._tell("ends")

    def done(self) -> None:
        """Nothing is left to clear away later."""
        atexit.unregister(self.ends)
        self._tell("done")
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # somebody has ended it; then nothing is cleared away
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
