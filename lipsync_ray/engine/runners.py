"""Interface of runners, which run rows through stages: Ray, on a cluster or locally, or threads of this process.

Both use the same stages, outcomes, ledger and progress, and make the same frames.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.stages import Failure, Keyed, Outcome, StageSpec
from lipsync_ray.engine.team import Body

Item = TypeVar("Item")
Result = TypeVar("Result")
Returned = TypeVar("Returned", covariant=True)


@dataclass(frozen=True)
class Cluster:
    """Resources of a cluster or machine.

    Attributes
    ----------
    cpus, gpus : of all nodes
    nodes : number of them
    node_gpus : of the node with most GPUs; None if one node has them all
    """

    cpus: float
    gpus: float
    nodes: int
    node_gpus: float | None = None


class Feed(Protocol):
    """Rows for stages that already run."""

    def add(self, rows: Sequence[Keyed]) -> None:
        """Add rows."""

    def close(self) -> None:
        """Declare that no more rows come."""


class Tasks(Protocol[Item, Returned]):
    """Small jobs, a bounded number at a time."""

    def submit(self, item: Item) -> None:
        """Queue an item for the function."""

    def notify(self, wake: Callable[[], None]) -> None:
        """Have a function called, in any thread, whenever an item has ended."""

    def finished(self, wait: bool = False) -> Iterator[tuple[Item, Returned | Failure]]:
        """Items that have ended since the last call; with ``wait``, all items, as they end."""

    @property
    def idle(self) -> bool:
        """Whether :meth:`finished` has returned every submitted item."""


class Runner(Protocol):
    """Runs rows through stages.

    Attributes
    ----------
    cluster : resources that it has, or will have
    opened_s : seconds spent on opening before the run began
    """

    @property
    def cluster(self) -> Cluster: ...
    @property
    def opened_s(self) -> float: ...

    def open(self, urls: Iterable[str] = ()) -> None:
        """Start, because there is work.

        Parameters
        ----------
        urls : files that the run reads and writes

        Raises
        ------
        ClusterError : it does not start, or one of its nodes does not see a file
        """

    def run(
        self,
        rows: Sequence[Keyed],
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        """Run every row through the stages. Yields outcomes in the order in which they end, and none after `stop` is
        set.

        Parameters
        ----------
        together : rows that may travel in one block
        """

    def feed(self) -> Feed:
        """Make a feed for :meth:`run_fed`."""

    def run_fed(
        self,
        feed: Feed,
        most: int,
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        """Run up to `most` rows that become known while the stages run. Yields no outcome after `stop` is set.

        Parameters
        ----------
        together : rows that usually travel in one block. More than one row must become known whatever becomes of the
            rows before

        Raises
        ------
        LipsyncError : the engine has given up; the remaining outcomes are lost
        """

    def tasks(
        self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1
    ) -> Tasks[Item, Result]:
        """Calls of one function, up to `limit` at a time. An exception becomes a Failure of that name, and so does an
        item that crashed its process in every attempt.
        """

    def together(self, body: Body, count: int, gpu: bool, attempts: int, notify: Callable[[Any], None]) -> None:
        """Train in `count` processes, each with its own GPU if `gpu`; their messages go to `notify`.

        Raises
        ------
        LipsyncError : raised by the body, or the training was given up after `attempts` starts
        """
