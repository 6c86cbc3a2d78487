"""The Ray engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lipsync_ray.engine import ray_data, ray_team, shared_files
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.feed import RayFeed
from lipsync_ray.engine.runners import Cluster, Feed, Tasks
from lipsync_ray.engine.stages import Keyed, Outcome, StageSpec
from lipsync_ray.engine.tasks import RayTasks
from lipsync_ray.engine.team import Body

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RayRunner:
    """Runs stages as actor pools of Ray Data, and small jobs as Ray tasks. A session must be open.

    Attributes
    ----------
    opened_s : seconds spent on opening before the run began
    """

    cluster: Cluster
    opened_s: float = 0.0

    def open(self, urls: Iterable[str] = ()) -> None:
        shared_files.check(shared_files.samples(urls))

    def run(
        self,
        rows: Sequence[Keyed],
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        return ray_data.run(rows, stages, ledger, stop, together)

    def feed(self) -> Feed:
        return RayFeed()

    def run_fed(
        self,
        feed: Feed,
        most: int,
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        assert isinstance(feed, RayFeed)
        return ray_data.run_fed(feed, most, stages, ledger, stop, together)

    def tasks(
        self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1
    ) -> Tasks[Item, Result]:
        return RayTasks(name, function, limit, attempts)

    def together(self, body: Body, count: int, gpu: bool, attempts: int, notify: Callable[[Any], None]) -> None:
        ray_team.together(body, count, gpu, attempts, notify)
