"""The attempt ledger: counts how often a row has crashed the process that worked on it.

Ray replaces a dead worker and retries the same row without limit (Ray Data's actor pools have no limit of restarts). A
stage reports a row before it works on it and afterwards, whether the row succeeded or failed. An attempt that was begun
and never ended counts as a death. Attempts belong to one run: the death of a driver is not charged to a row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Protocol

from lipsync_ray.errors import WorkerDiedError


class Attempts(Protocol):
    """Attempts that have not ended, by row and stage."""

    def begin(self, key: str, stage: str) -> int:
        """Note an attempt; return how many earlier ones have not ended."""

    def end(self, key: str, stage: str) -> None:
        """Forget an attempt."""


class AttemptCounter:
    """:class:`Attempts` in memory; runs that several processes share keep it in an actor."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()

    def begin(self, key: str, stage: str) -> int:
        deaths = self._open[key, stage]
        self._open[key, stage] += 1
        return deaths

    def end(self, key: str, stage: str) -> None:
        self._open[key, stage] -= 1
        if self._open[key, stage] <= 0:
            del self._open[key, stage]


@dataclass(frozen=True)
class Ledger:
    """Counts the attempts of one run's rows.

    Attributes
    ----------
    run : its id, which tells its rows from those of other runs
    limit : deaths after which a row is given up
    attempts : where they are counted; None where a crash ends the run itself, or where nobody need know
    earlier : processes that a row's block has ended before its rows were counted
    """

    run: str
    limit: int
    attempts: Attempts | None = None
    earlier: int = 0

    def begin(self, key: str, stage: str) -> Attempt:
        """Record that this process starts a row.

        Raises
        ------
        WorkerDiedError : the row has already ended `limit` processes in this stage
        """
        attempt = self._begun(key, stage)
        deaths = attempt.number - 1
        if deaths - self.earlier >= self.limit:
            attempt.end()
            raise WorkerDiedError(
                f"gave up after {deaths} attempts: its worker process ended each time in stage {stage!r} "
                "(out of memory, or a crash inside a library)",
                deaths,
            )
        return attempt

    def begin_block(self, key: str, stage: str) -> Attempt:
        """Record that this process starts several rows, of which `key` is the first."""
        return self._begun(f"{key} and others", stage)

    def for_rows(self, block: Attempt) -> Ledger:
        """The ledger for the rows of a block: they are counted one by one after the block has ended a process."""
        return replace(self, earlier=1) if block.number > 1 else replace(self, attempts=None)

    def _begun(self, key: str, stage: str) -> Attempt:
        key = f"{self.run}/{key}"
        deaths = self.attempts.begin(key, stage) if self.attempts is not None else 0
        return Attempt(deaths + 1 + self.earlier, key, stage, self.attempts)


@dataclass(frozen=True)
class Attempt:
    """An attempt that has started.

    Attributes
    ----------
    number : 1 for the first
    key, stage, attempts : as it is counted
    """

    number: int
    key: str
    stage: str
    attempts: Attempts | None

    def end(self) -> None:
        """Declare that the process survived."""
        if self.attempts is not None:
            self.attempts.end(self.key, self.stage)
