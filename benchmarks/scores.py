"""How near the evaluation comes to its networks alone, in one run on one machine.

    uv run python benchmarks/scores.py RUN [--seconds 6]

RUN is the folder of a finished dub run. Prints scored frames/s (at 25 a second of video) of the evaluation's first pass
against the bare scorer on crops in memory, for `mini-sync` and for a SyncNet with random weights, and FID pictures/s
of its second pass against the bare Inception with random weights. Start-up of processes is left out on both sides.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--mini", type=int, default=8, help="videos that mini-sync scores")
    parser.add_argument("--syncnet", type=int, default=2, help="videos that SyncNet scores: it is slow on a CPU")
    parser.add_argument("--fid", type=int, default=4, help="videos whose pictures go through Inception")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import numpy as np
from floor import MEASURE_S, repeated, together

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import random_inception
from rich.console import Console
from rich.table import Table


def scorer_alone(path: str, batch: int, seconds: float) -> float:
    """Windows/s of a scorer in this process, on one thread."""
    import torch

    from lipsync_ray.models.scorers import SCORERS, SyncEncoder

    torch.set_num_threads(1)
    scorer = SCORERS["mini-sync" if path.endswith(".safetensors") else "syncnet"]
    expert = SyncEncoder(scorer, Path(path), "cuda" if torch.cuda.is_available() else "cpu", batch)
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 255, (batch + 4, scorer.side, scorer.side, 3), np.uint8)
    sound = rng.uniform(-4, 4, (batch, scorer.bands, scorer.columns)).astype(np.float32)
    return repeated(lambda: expert(faces, sound), seconds) * batch


def inception_alone(path: str, batch: int, seconds: float) -> float:
    """Pictures/s of Inception (2048 features) in this process, on one thread."""
    import torch

    from lipsync_ray.models.inception import Inception

    torch.set_num_threads(1)
    network = Inception(Path(path), 2048, "cuda" if torch.cuda.is_available() else "cpu", batch)
    pictures = np.random.default_rng(0).integers(0, 255, (batch, 224, 224, 3), np.uint8)
    return repeated(lambda: network(pictures), seconds) * batch


class Watch:
    """Times the pass of the rows that it counts, from their first outcome on, so that processes are up.

    Parameters
    ----------
    count : what a row of that pass is worth; 0 for the rows of others
    """

    def __init__(self, count: Callable[[Any], int]) -> None:
        self.rate = 0.0
        self._count = count
        self._counts: dict[str, int] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Rows reach a flow at once, or one by one through a feed."""
        from lipsync_ray.engine import ray_data
        from lipsync_ray.engine.feed import RayFeed

        run, run_fed, add = ray_data.run, ray_data.run_fed, RayFeed.add

        def at_once(rows: Any, *others: Any) -> Any:
            self._note(rows)
            return self._timed(run(rows, *others))

        def one_by_one(feed: RayFeed, rows: Any) -> None:
            self._note(rows)
            add(feed, rows)

        ray_data.run = at_once  # type: ignore[assignment]
        ray_data.run_fed = lambda *arguments: self._timed(run_fed(*arguments))
        RayFeed.add = one_by_one  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            ray_data.run, ray_data.run_fed = run, run_fed
            RayFeed.add = add  # type: ignore[method-assign]

    def _note(self, rows: Any) -> None:
        self._counts |= {row.key: self._count(row) for row in rows}

    def _timed(self, outcomes: Any) -> Any:
        began, done = 0.0, 0
        for outcome in outcomes:
            if worth := self._counts.get(outcome.key, 0):
                done += worth if began else 0
                began = began or time.perf_counter()
                if done:
                    self.rate = done / (time.perf_counter() - began)
            yield outcome


def main(arguments: argparse.Namespace) -> None:

    import torch

    from lipsync_ray.engine.session import session
    from lipsync_ray.jobs.evaluate import fid, job
    from lipsync_ray.jobs.evaluate.evaluation_input import read_inputs
    from lipsync_ray.models import scorers, weights
    from lipsync_ray.models.syncnet import SyncNet
    from lipsync_ray.settings import EvaluateSettings, Workers

    console = Console(width=110)
    items = [s for s in read_inputs(arguments.run, None) if not s.skip_reason]
    bundled = weights.find("mini-sync")
    assert bundled is not None
    workers = Workers(actors=arguments.actors)
    table = Table(title=f"{arguments.actors} actors")
    for name in ("", "bare", "whole pass", "ratio"):
        table.add_column(name, justify="left" if not name else "right")

    def add(name: str, bare: float, whole: float) -> None:
        table.add_row(name, f"{bare:.1f}", f"{whole:.1f}", f"{whole / bare:.2f}")

    with tempfile.TemporaryDirectory() as scratch, session("local"):
        syncnet = Path(scratch) / "syncnet.model"
        torch.manual_seed(0)
        torch.save(SyncNet().state_dict(), syncnet)
        for name, path, count in (
            ("mini-sync", weights.location(bundled), arguments.mini),
            ("syncnet", syncnet, arguments.syncnet),
        ):
            bare = sum(together(scorer_alone, arguments.actors, str(path), scorers.CPU_BATCH, MEASURE_S))
            watch = Watch(lambda row: sum(run.count for run in getattr(row, "runs", ())))
            settings = EvaluateSettings(scorer=name, scorer_weights=str(path), fid="none")  # type: ignore[arg-type]
            with watch.watching():
                job.run(items[:count], settings, workers, f"{scratch}/{name}", console, previews=0)
            add(f"{name}: windows/s (one a frame)", bare, watch.rate)
        inception = random_inception(Path(scratch) / "inception.pth")
        bare = sum(together(inception_alone, arguments.actors, str(inception), 16, MEASURE_S))
        watch = Watch(lambda row: getattr(row, "pictures", 0))
        fid.PICTURES_PER_ROW = 100  # so that there are rows enough to time
        settings = EvaluateSettings(scorer="mini-sync", fid=str(inception))
        with watch.watching():
            job.run(items[: arguments.fid], settings, workers, f"{scratch}/mini-sync", console, previews=0)
        add("Inception: pictures/s", bare, watch.rate)
    console.print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
