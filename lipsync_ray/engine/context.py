"""Who does a job's work: the engine, how it is divided, where attempts are noted, where progress is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.runners import Cluster, Engine, Tasks
from lipsync_ray.engine.stages import Failure
from lipsync_ray.settings import Workers

TASKS_PER_NODE = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class RunContext:
    """What a pass needs to run.

    Attributes
    ----------
    engine : takes rows through stages
    workers : how much of it to use
    console : for progress lines
    ledger : of attempts, of this run
    """

    engine: Engine
    workers: Workers
    console: Console
    ledger: Ledger

    @property
    def cluster(self) -> Cluster:
        """What there is to work with."""
        return self.engine.cluster

    def tasks(self, name: str, function: Callable[[Item], Result]) -> Tasks[Item, Result]:
        """Small jobs, a few at a time."""
        return self.engine.tasks(name, function, TASKS_PER_NODE * self.cluster.nodes)

    def each(
        self, name: str, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | Failure]]:
        """(item, result) for every item, in the order in which they end."""
        tasks = self.tasks(name, function)
        for item in items:
            tasks.submit(item)
        yield from tasks.finished(wait=True)
