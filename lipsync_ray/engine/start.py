"""Opens the requested runner for the duration of a run."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from lipsync_ray.compute import whole_cpus
from lipsync_ray.engine import flows
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.runners import Cluster, Feed, Runner, Tasks
from lipsync_ray.engine.stages import Failure, Keyed, Outcome, StageSpec
from lipsync_ray.engine.team import Body
from lipsync_ray.settings import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")


def cluster_of(workers: Workers) -> Cluster:
    """Resources that a run would have; starts nothing on this machine.

    Raises
    ------
    ClusterError : no cluster answers at the address
    """
    from lipsync_ray.engine import session

    if workers.engine != "inline" and session.is_elsewhere(workers.address):
        with session.session(workers.address) as cluster:
            return cluster
    import torch

    if workers.engine == "inline":
        from lipsync_ray.engine.inline_runner import inline_cluster

        return inline_cluster()
    return Cluster(float(whole_cpus()), float(torch.cuda.device_count()), 1)


@contextlib.contextmanager
def started(workers: Workers) -> Iterator[Runner]:
    """Open the requested runner until the work is done.

    Local Ray starts with the first work, so a run that finds everything finished starts nothing. A named cluster, or
    one that the caller has opened, is queried at once.

    Raises
    ------
    ClusterError : no cluster answers at the address; or, at the first work, local Ray does not start
    """
    if workers.engine == "inline":
        from lipsync_ray.engine.inline_runner import InlineRunner

        try:
            yield InlineRunner()
        finally:
            flows.end_all()
        return
    from lipsync_ray.engine.ray_runner import RayRunner
    from lipsync_ray.engine.session import is_elsewhere, session

    opened = "ray" in sys.modules and sys.modules["ray"].is_initialized()
    if opened or is_elsewhere(workers.address):
        began = time.monotonic()
        with session(workers.address) as cluster:
            yield RayRunner(cluster, time.monotonic() - began)
        return
    planned = cluster_of(workers)
    with contextlib.ExitStack() as until_the_end:

        def start() -> Runner:
            until_the_end.enter_context(session(workers.address, int(planned.gpus)))
            return RayRunner(planned)

        yield LateRunner(planned, start)


class LateRunner:
    """A runner that starts with its first row, item or training.

    Parameters
    ----------
    cluster : resources that it will have
    start : called once, to start it
    """

    opened_s = 0.0  # it opens during the run, which counts that time

    def __init__(self, cluster: Cluster, start: Callable[[], Runner]) -> None:
        self.cluster, self._start = cluster, start
        self._runner: Runner | None = None
        self._starting = threading.Lock()

    def open(self, urls: Iterable[str] = ()) -> None:
        self._open().open(urls)

    def _open(self) -> Runner:
        with self._starting:
            if self._runner is None:
                self._runner = self._start()
            return self._runner

    def run(
        self,
        rows: Sequence[Keyed],
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        return self._open().run(rows, stages, ledger, stop, together) if rows else iter(())

    def feed(self) -> Feed:
        return self._open().feed()

    def run_fed(
        self,
        feed: Feed,
        most: int,
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        return self._open().run_fed(feed, most, stages, ledger, stop, together)

    def tasks(
        self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1
    ) -> Tasks[Item, Result]:
        return _LateTasks(lambda: self._open().tasks(name, function, limit, attempts))

    def together(self, body: Body, count: int, gpu: bool, attempts: int, notify: Callable[[Any], None]) -> None:
        self._open().together(body, count, gpu, attempts, notify)


class _LateTasks(Generic[Item, Result]):
    """Small jobs whose runner starts with the first of them."""

    def __init__(self, make: Callable[[], Tasks[Item, Result]]) -> None:
        self._make = make
        self._tasks: Tasks[Item, Result] | None = None
        self._notify: Callable[[], None] | None = None

    def submit(self, item: Item) -> None:
        if self._tasks is None:
            self._tasks = self._make()
            if self._notify is not None:
                self._tasks.notify(self._notify)
        self._tasks.submit(item)

    def notify(self, wake: Callable[[], None]) -> None:
        self._notify = wake
        if self._tasks is not None:
            self._tasks.notify(wake)

    def finished(self, wait: bool = False) -> Iterator[tuple[Item, Result | Failure]]:
        return self._tasks.finished(wait) if self._tasks is not None else iter(())

    @property
    def idle(self) -> bool:
        return self._tasks is None or self._tasks.idle
