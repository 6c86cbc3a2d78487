"""What a job's passes need to run: the runner, worker settings, the attempt ledger, the console."""

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
    """Resources of a run's passes.

    Attributes
    ----------
    runner : runs rows through stages
    workers : how much of it to use
    console : for progress lines
    ledger : of this run's attempts
    failures : reports failures in the log and on the console
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
        """Resources of the runner."""
        return self.runner.cluster

    def tasks(self, name: str, function: Callable[[Item], Result]) -> Tasks[Item, Result]:
        """Small jobs, a few at a time: on one machine at most as many as CPUs, since each is a process."""
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
            if isinstance(answer, Failure) and answer.detail:  # expected failures are in their rows
                self.failures.report(getattr(item, "key", name), answer)
            yield item, answer

    def run_rows(
        self, name: str, unit: str, rows: Sequence[Row], stages: Sequence[StageSpec], frames: Callable[[Row], int]
    ) -> Iterator[tuple[Row, Outcome]]:
        """Run rows that belong to no video, with progress; yield (row, outcome) in the order in which they end.

        Parameters
        ----------
        name, unit : of the progress line; name of a row in it
        frames : number of frames of a row
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
                    self.failures.report(outcome.key, outcome.failure)
                yield row, outcome

    def late_rows(self, name: str, unit: str, most: int, stages: Sequence[StageSpec]) -> LateRows:
        """A pool that loads now, for up to `most` rows that are known when an earlier pass has ended."""
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
        """Run the rows; yield (row, outcome) in the order in which they end. Call once."""
        try:
            yield from self._context._follow(self._name, self._unit, rows, self._answers(rows), frames)
        finally:
            if self._flow is not None:
                self._flow.end()

    def _answers(self, rows: Sequence[Row]) -> Iterator[Outcome]:
        """Outcomes of all rows, including those that the engine lost."""
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
