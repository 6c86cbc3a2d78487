"""Who does a job's work: the runner, how it is divided, where attempts are noted, where progress is told."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Console

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.failures import FailureLog
from lipsync_ray.engine.flows import Flow
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.runners import Cluster, Runner, Tasks
from lipsync_ray.engine.stages import ENGINE, Failure, Keyed, Outcome, StageSpec
from lipsync_ray.settings import Workers

TASKS_PER_NODE = 4

Item = TypeVar("Item")
Result = TypeVar("Result")
Row = TypeVar("Row", bound=Keyed)


@dataclass(frozen=True)
class RunContext:
    """What a pass needs to run.

    Attributes
    ----------
    runner : takes rows through stages
    workers : how much of it to use
    console : for progress lines
    ledger : of attempts, of this run
    failures : told, in the log and to the console
    """

    runner: Runner
    workers: Workers
    console: Console
    ledger: Ledger
    failures: FailureLog = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "failures", FailureLog(self.console))

    @property
    def cluster(self) -> Cluster:
        """What there is to work with."""
        return self.runner.cluster

    def tasks(self, name: str, function: Callable[[Item], Result]) -> Tasks[Item, Result]:
        """Small jobs, a few at a time: on one small machine no more than it has CPUs, each is a process there."""
        nodes = self.cluster.nodes
        most = TASKS_PER_NODE * nodes
        limit = max(2, min(most, int(self.cluster.cpus))) if nodes == 1 else most
        return self.runner.tasks(name, function, limit, self.ledger.limit)

    def map_tasks(
        self, name: str, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | Failure]]:
        """(item, result) for every item, in the order in which they end."""
        tasks = self.tasks(name, function)
        for item in items:
            tasks.submit(item)
        for item, answer in tasks.finished(wait=True):
            if isinstance(answer, Failure) and answer.detail:  # of an expected one its row tells
                self.failures.tell(getattr(item, "key", name), answer)
            yield item, answer

    def run_rows(
        self, name: str, unit: str, rows: Sequence[Row], stages: Sequence[StageSpec], frames: Callable[[Row], int]
    ) -> Iterator[tuple[Row, Outcome]]:
        """(row, outcome) of rows that belong to no video, in the order in which they end, with progress.

        Parameters
        ----------
        name, unit : of the progress line, and what a row is called in it
        frames : how much work a row is
        """
        yield from self._follow(name, unit, rows, self.runner.run(rows, stages, self.ledger), frames)

    def _follow(
        self, name: str, unit: str, rows: Sequence[Row], outcomes: Iterator[Outcome], frames: Callable[[Row], int]
    ) -> Iterator[tuple[Row, Outcome]]:
        of = {row.key: row for row in rows}
        with ProgressReporter(self.console, name, len(rows), sum(map(frames, rows)), unit) as progress:
            for outcome in outcomes:
                row = of[outcome.key]
                progress.advance(
                    frames(row), outcome.failure is not None, outcome.seconds, outcome.fetched, outcome.cpu
                )
                if outcome.failure is not None:
                    self.failures.tell(outcome.key, outcome.failure)
                yield row, outcome

    def late_rows(self, name: str, unit: str, most: int, stages: Sequence[StageSpec]) -> LateRows:
        """A pool that loads now, for rows (at most so many) that come when an earlier pass has ended."""
        return LateRows(self, name, unit, most, stages)


class LateRows:
    """Rows of no video whose pool loads while another pass runs; see :meth:`RunContext.late_rows`."""

    def __init__(self, context: RunContext, name: str, unit: str, most: int, stages: Sequence[StageSpec]) -> None:
        self._context, self._name, self._unit = context, name, unit
        self._outcomes: queue.SimpleQueue[Outcome | Failure] = queue.SimpleQueue()
        self._flow: Flow | None = None
        if most:
            self._feed = feed = context.runner.feed()
            self._flow = Flow(
                name,
                lambda stop: context.runner.run_fed(feed, most, stages, context.ledger, stop),
                self._outcomes.put,
            )

    def run(self, rows: Sequence[Row], frames: Callable[[Row], int]) -> Iterator[tuple[Row, Outcome]]:
        """(row, outcome) of every row, in the order in which they end; once."""
        try:
            yield from self._context._follow(self._name, self._unit, rows, self._answers(rows), frames)
        finally:
            if self._flow is not None:
                self._flow.end()

    def _answers(self, rows: Sequence[Row]) -> Iterator[Outcome]:
        """What becomes of every row, also of those that do not come back."""
        left = {row.key for row in rows}
        lost = Failure(ENGINE, "nothing was started")
        if self._flow is not None:
            self._feed.add(rows)
            self._feed.close()
            while isinstance(answer := self._outcomes.get(), Outcome):
                left.discard(answer.key)
                yield answer
            lost = answer
        for key in sorted(left):
            yield Outcome(key, None, lost)
