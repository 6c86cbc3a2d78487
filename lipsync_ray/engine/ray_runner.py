"""The engine that is Ray."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lipsync_ray.engine import ray_data, ray_team, runners, shared_places
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.feed import Feed
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.engine.stages import Keyed, Outcome, StageSpec
from lipsync_ray.engine.tasks import Tasks
from lipsync_ray.engine.team import Body

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RayRunner:
    """Stages are pools of actors under Ray Data, small jobs are tasks. A session must be open.

    Attributes
    ----------
    opened_s : seconds that it took to open before the run began
    """

    cluster: Cluster
    opened_s: float = 0.0

    def open(self, urls: Iterable[str] = ()) -> None:
        shared_places.check(shared_places.samples(urls))

    def run(
        self, rows: Sequence[Keyed], stages: Sequence[StageSpec], ledger: Ledger, stop: threading.Event | None = None
    ) -> Iterator[Outcome]:
        return ray_data.run(rows, stages, ledger, stop)

    def feed(self) -> runners.Feed:
        return Feed()

    def run_fed(
        self,
        feed: runners.Feed,
        most: int,
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
    ) -> Iterator[Outcome]:
        assert isinstance(feed, Feed)
        return ray_data.run_fed(feed, most, stages, ledger, stop)

    def tasks(
        self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1
    ) -> runners.Tasks[Item, Result]:
        return Tasks(name, function, limit, attempts)

    def together(self, body: Body, count: int, gpu: bool, attempts: int, tell: Callable[[Any], None]) -> None:
        ray_team.together(body, count, gpu, attempts, tell)
