"""What takes rows through stages: Ray, on a cluster or on this machine, or threads of this process.

Both do the same things in the same order of a row's life: same stages, outcomes, ledger and progress, same frames.
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
Told = TypeVar("Told", covariant=True)


@dataclass(frozen=True)
class Cluster:
    """What there is to work with.

    Attributes
    ----------
    cpus, gpus : of all nodes
    nodes : number of them
    node_gpus : of the node that has most; None where every node has as many as there are
    """

    cpus: float
    gpus: float
    nodes: int
    node_gpus: float | None = None


class Feed(Protocol):
    """Rows for stages that run already."""

    def add(self, rows: Sequence[Keyed]) -> None:
        """More rows are known."""

    def close(self) -> None:
        """There will be no more."""


class Tasks(Protocol[Item, Told]):
    """Small jobs, a bounded number at a time; the others wait."""

    def submit(self, item: Item) -> None:
        """Run the function on an item, when its turn comes."""

    def finished(self, wait: bool = False) -> Iterator[tuple[Item, Told | Failure]]:
        """Items that have ended since the last call; with ``wait``, all there are, until none is left."""

    @property
    def idle(self) -> bool:
        """Whether every item that was submitted has been told of."""


class Runner(Protocol):
    """Takes rows through stages.

    Attributes
    ----------
    cluster : what it has, or will have
    opened_s : seconds that it took to open before the run began
    """

    @property
    def cluster(self) -> Cluster: ...
    @property
    def opened_s(self) -> float: ...

    def open(self, urls: Iterable[str] = ()) -> None:
        """Be ready for work, of which there will be some.

        Parameters
        ----------
        urls : of files that it reads and writes

        Raises
        ------
        ClusterError : it does not start, or one of its nodes does not see a file
        """

    def run(
        self, rows: Sequence[Keyed], stages: Sequence[StageSpec], ledger: Ledger, stop: threading.Event | None = None
    ) -> Iterator[Outcome]:
        """Every row through the stages; outcomes in the order in which they end, and no more when `stop` is set."""

    def feed(self) -> Feed:
        """For :meth:`run_fed`."""

    def run_fed(
        self,
        feed: Feed,
        most: int,
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
    ) -> Iterator[Outcome]:
        """Rows that become known while the stages run, at most so many; no more outcomes when `stop` is set.

        Raises
        ------
        LipsyncError : the engine has given up; what has not come back will not
        """

    def tasks(
        self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1
    ) -> Tasks[Item, Result]:
        """Calls of one function, so many at a time. What it raises becomes a Failure of that name, and so does an item that
        has ended the process of each attempt."""

    def together(self, body: Body, count: int, gpu: bool, attempts: int, tell: Callable[[Any], None]) -> None:
        """Train in so many processes, each on a GPU of its own where `gpu` says so; what they tell comes to `tell`.

        Raises
        ------
        LipsyncError : as the body has it, or given up after so many starts
        """
