"""Whether memory grows with the length of a video: a one-minute and a ten-minute 1080p source, in one run.

    uv run python benchmarks/memory.py [--minutes 1 10]

Prints, for each length, the peak private memory (USS) of the heaviest worker of each kind and of the driver, the peak
of the object store, and the bytes that Ray spilled to disk; then the ratios. The aim is at most 1.2, and no spilling.
The videos are dubbed in their full length with the bundled weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", help="repeat this instead of the 1080p portrait")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--rate", type=int, default=25, help="frames/s of the portrait")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import psutil

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import portrait_1080p, repeated_video
from rich.console import Console
from rich.table import Table

MIB = 1 << 20


class Monitor:
    """Samples memory until it is stopped: the object store, whose peaks are short, ten times a second; processes, which
    cost a tenth of a second to read, once."""

    def __init__(self) -> None:
        self.peaks: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Monitor:
        self._before = store()[1]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        ticks = 0
        while not self._stop.wait(0.1):
            used, spilled = store()
            self._note("object store", used)
            self._note("spilled", spilled - self._before)
            ticks += 1
            if ticks % 10:
                continue
            for process in psutil.process_iter():
                try:
                    name = process.cmdline()[0] if process.cmdline() else ""
                    if name.startswith("ray::") and not name.startswith("ray::IDLE"):
                        self._note("heaviest worker", process.memory_full_info().uss)
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self._note("driver", psutil.Process().memory_full_info().uss)

    def _note(self, name: str, value: int) -> None:
        self.peaks[name] = max(self.peaks.get(name, 0), value)


def store() -> tuple[int, int]:
    """Bytes used and bytes ever spilled by Ray's object store."""
    import ray
    from ray._private.internal_api import get_memory_info_reply, get_state_from_address

    address = ray.get_runtime_context().gcs_address
    stats: Any = get_memory_info_reply(get_state_from_address(address)).store_stats
    return int(stats.object_store_bytes_used), int(stats.spilled_bytes_total)


def main(arguments: argparse.Namespace) -> None:

    from lipsync_ray.demo.corpus import make_corpus
    from lipsync_ray.engine.session import session
    from lipsync_ray.io.manifest import Dub
    from lipsync_ray.jobs.dub.job import run
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.settings import DubSettings, Workers

    console = Console(width=110)
    found: dict[float, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as scratch, session("local"):
        folder = Path(scratch)
        make_corpus(folder / "in")
        portrait_1080p(folder / "in" / "portrait.jpg", folder / "short.mp4", arguments.rate)
        for minutes in arguments.minutes:
            video = str(folder / f"{minutes:g}.mp4")
            repeated_video(arguments.video or str(folder / "short.mp4"), video, 60 * minutes)
            settings = DubSettings(model="mini", length="video", coding=VideoCoding(23, "ultrafast"))
            began = time.perf_counter()
            with Monitor() as monitor:
                summary = run(
                    [Dub("d", video, str(folder / "in" / "en.ogg"))],
                    settings,
                    Workers(),
                    f"{scratch}/{minutes}",
                    console,
                )
            result = summary.results[0]
            size = f"{result.width}×{result.height} at {result.rate} frames/s"
            assert result.status == "done", result.error
            console.print(f"{minutes:g} min: {result.frames} frames in {time.perf_counter() - began:.0f} s")
            found[minutes] = monitor.peaks
    first, last = arguments.minutes[0], arguments.minutes[-1]
    table = Table(title=f"Peak memory; {size}")
    for name in ("MiB", *(f"{minutes:g} min" for minutes in arguments.minutes), "ratio"):
        table.add_column(name, justify="left" if name == "MiB" else "right")
    for name in ("heaviest worker", "driver", "object store", "spilled"):
        values = [found[minutes].get(name, 0) for minutes in arguments.minutes]
        ratio = f"{found[last][name] / found[first][name]:.2f}" if found[first].get(name) else ""
        table.add_row(name, *(f"{value / MIB:.0f}" for value in values), ratio)
    console.print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
