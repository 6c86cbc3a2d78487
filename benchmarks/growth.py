"""How the engine carries many rows: the driver's rows/s and memory, a plan's time and memory, and several nodes.

    uv run python benchmarks/growth.py [--rows 1000 10000] [--together 1 0] [--plan 1000000] [--nodes 1 3]

The stages only sleep, so what is measured is what goes between them: three of them on Ray Data, fed as a job's are and in waves as
long as a job's, their attempts noted in the ledger. The plan is a dub job's own, of videos of an hour. The nodes are processes on this
machine, each with two CPUs that exist for Ray alone: their stages take no CPU, so that three of them fit.

A million rows alone: --rows 1000000 --together 0 --plan 0 --nodes
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--together", type=int, nargs="*", default=[1, 0], help="rows in a block; 0: as a job's")
    parser.add_argument("--plan", type=int, default=1_000_000)
    parser.add_argument("--nodes", type=int, nargs="*", default=[1, 3])
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import psutil
from rich.console import Console
from rich.table import Table

from lipsync_ray.media.picture import Colour
from lipsync_ray.media.probe import VideoInfo

STAGES = ("read", "draw", "write")
SLEEP_S = 0.5  # a row's, in each stage, where nodes are compared
CPUS = 2  # of a node


def sleeper(seconds: float) -> Callable[[Any], Any]:
    """A stage."""

    def sleep(row: Any) -> Any:
        time.sleep(seconds)
        return row

    return sleep


def hour(number: int) -> VideoInfo:
    """A video of an hour."""
    return VideoInfo(
        f"s3://bucket/in/{number}.mp4", 1280, 720, 0, Fraction(25), 90_000, 0, Fraction(1, 12800), "h264", "yuv420p",
        False, False, Fraction(1), Colour(), True,
    )  # fmt: skip


def rows_per_second(
    rows: int, seconds: float, workers: int, folder: str, together: int | None = None
) -> tuple[float, list[float]]:
    """(rows/s, MiB that the driver has grown by at most until the end of each wave) of fed flows. A session must be open.

    Parameters
    ----------
    together : rows in a block; None: as a job's
    """
    from lipsync_ray.jobs.dub.job import WAVE

    before, spent, grown = psutil.Process().memory_info().rss, 0.0, []
    for first in range(0, rows, WAVE):
        took, most = wave(first, min(rows, first + WAVE), seconds, workers, folder, together)
        spent += took
        grown.append((most - before) / 2**20)
    return rows / spent, grown


def wave(first: int, last: int, seconds: float, workers: int, folder: str, together: int | None) -> tuple[float, int]:
    """(seconds from the first outcome on, most bytes of the driver's memory) of the rows [first, last) in one flow."""
    from lipsync_ray.engine import ray_data
    from lipsync_ray.engine.attempts import Ledger
    from lipsync_ray.engine.bundles import rows_per_block
    from lipsync_ray.engine.feed import RayFeed
    from lipsync_ray.engine.stages import StageSpec
    from lipsync_ray.inputs.segments import VideoSegment

    process, info, rows = psutil.Process(), hour(0), last - first
    most = process.memory_info().rss
    stages = [StageSpec(name, partial(sleeper, seconds), workers, 1 / len(STAGES) - 0.03) for name in STAGES]
    segments = [VideoSegment(f"r{n}", n, n + 1, f"s3://bucket/out/parts/{n}", info) for n in range(first, last)]
    together = together or rows_per_block(segments, stages)
    feed = RayFeed()
    began: float | None = None
    done = 0
    outcomes = ray_data.run_fed(feed, rows, stages, Ledger(folder, 3), together=together)
    feed.add(segments)
    feed.close()
    for outcome in outcomes:
        assert outcome.failure is None, outcome.failure
        if began is None:
            began = time.perf_counter()
        else:
            done += 1
        if done % 100 == 0:
            most = max(most, process.memory_info().rss)
    assert began is not None
    assert done == rows - 1, f"{done + 1} of {rows} rows came back"
    return (time.perf_counter() - began) * rows / max(1, done), most


def plan(rows: int) -> tuple[int, float, float]:
    """(rows, seconds, MiB) of a dub job's segments, all of them held."""
    from lipsync_ray.faces.choices import Pads
    from lipsync_ray.jobs.dub.segment import Segment
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.media.timeline import split

    process = psutil.Process()
    before, began = process.memory_info().rss, time.perf_counter()
    made: list[Segment] = []
    video = 0
    while len(made) < rows:
        info = hour(video)
        speech: Any = None
        folder = f"s3://bucket/out/parts/v{video}"
        made += [
            Segment(
                f"v{video}-{start}", f"v{video}", start, stop, info, speech, "pingpong", f"s3://bucket/out/faces/{video}",
                None, "", (0,), Pads(), "none", "feather", VideoCoding(), f"{folder}/0123456789abcdef-{start}-{stop}.mp4",
            )
            for start, stop in split(info.frames, info.rate, 4.0, 16)
        ]  # fmt: skip
        video += 1
    return len(made), time.perf_counter() - began, (process.memory_info().rss - before) / 2**20


def on_nodes(nodes: int, seconds: float, rows: int) -> float:
    """Rows/s of so many nodes."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": CPUS, "object_store_memory": 100 << 20})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=CPUS, object_store_memory=100 << 20)
        ray.init(address=cluster.address, log_to_driver=False)
        with tempfile.TemporaryDirectory() as folder:
            return rows_per_second(rows, seconds, CPUS * nodes, folder)[0]
    finally:
        ray.shutdown()
        cluster.shutdown()


def main(arguments: argparse.Namespace) -> None:
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    console = Console(width=100)

    if arguments.plan:
        rows, seconds, size = plan(arguments.plan)
        console.print(f"plan of {rows:,} segments: {seconds:.1f} s, {size:,.0f} MiB")

    from lipsync_ray.engine.session import session

    if arguments.rows:
        table = Table(title="driver; three stages that do nothing, two actors each")
        for name in ("rows", "in a block", "rows/s", "driver grows by, MiB", "until the end of the first wave"):
            table.add_column(name, justify="right")
        with session("local"), tempfile.TemporaryDirectory() as folder:
            for number, (count, together) in enumerate(product(arguments.rows, arguments.together)):
                rate, grown = rows_per_second(count, 0.0, 2, f"{folder}/{number}", together or None)
                table.add_row(
                    f"{count:,}", str(together or "auto"), f"{rate:.1f}", f"{grown[-1]:.0f}", f"{grown[0]:.0f}"
                )
        console.print(table)

    if arguments.nodes:
        table = Table(title=f"nodes of {CPUS} actors a stage; stages that sleep for {SLEEP_S:g} s")
        for name in ("nodes", "rows/s", "of perfect"):
            table.add_column(name, justify="right")
        for nodes in arguments.nodes:
            perfect = CPUS * nodes / SLEEP_S
            rate = on_nodes(nodes, SLEEP_S, 60 * nodes)
            table.add_row(str(nodes), f"{rate:.2f}", f"{rate / perfect:.2f}")
        console.print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
