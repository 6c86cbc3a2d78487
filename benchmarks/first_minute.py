"""How long a newcomer waits: one pair, the demo, and its evaluation, each from the command to its files.

    uv run python benchmarks/first_minute.py [--video FACE --audio SPEECH] [--python PYTHON …] [--times 3]

Each command is a process of its own. Several interpreters (of environments with other versions of the project) are
measured in turns, so that a busy machine is unfair to none. Prints the median, and how many processes the demo needed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", help="default: the demo's, 384 × 384, 5 s")
    parser.add_argument("--audio", help="default: the demo's English")
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--times", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import psutil
from rich.console import Console
from rich.table import Table

SCORED = ("--scorer", "mini-sync", "--fid", "none")


def timed(command: list[str]) -> tuple[float, int]:
    """Seconds that a command took, and how many processes of Ray's workers there were at any time."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    workers: set[int] = set()
    while process.poll() is None:
        for child in psutil.Process().children(recursive=True):
            try:
                if child.cmdline()[:1] and child.cmdline()[0].startswith("ray::"):
                    workers.add(child.pid)
            except psutil.Error:
                continue
        time.sleep(0.2)
    seconds = time.monotonic() - began
    if process.returncode:
        assert process.stderr is not None
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{process.stderr.read()}")
    return seconds, len(workers)


def main(arguments: argparse.Namespace) -> None:
    took: dict[tuple[str, str], list[float]] = {}
    processes: Counter[str] = Counter()
    for _ in range(arguments.times):
        for python in arguments.python:
            with tempfile.TemporaryDirectory() as folder:
                run = [python, "-m", "lipsync_ray"]
                demo, scores = f"{folder}/demo", f"{folder}/scores"
                seconds, workers = timed([*run, "demo", "-o", demo])
                processes[python] = max(processes[python], workers)
                took.setdefault((python, "demo"), []).append(seconds)
                video = arguments.video or f"{demo}/inputs/pan.mp4"
                audio = arguments.audio or f"{demo}/inputs/en.ogg"
                pair = [*run, "dub", video, audio, "--model", "mini", "-o", f"{folder}/out.mp4"]
                took.setdefault((python, "pair"), []).append(timed(pair)[0])
                evaluate = [*run, "evaluate", demo, "-o", scores, *SCORED]
                took.setdefault((python, "evaluate"), []).append(timed(evaluate)[0])
    table = Table(box=None)
    for name in ("", "one pair, s", "demo, s", "evaluating it, s", "the demo's worker processes"):
        table.add_column(name, justify="right")
    for python in arguments.python:
        medians = (f"{statistics.median(took[python, kind]):.1f}" for kind in ("pair", "demo", "evaluate"))
        table.add_row(python, *medians, str(processes[python]))
    Console().print(table)
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        Console().print("PYTHONDONTWRITEBYTECODE is set: what is not compiled already is compiled in every process")


if __name__ == "__main__":
    main(ARGUMENTS)
