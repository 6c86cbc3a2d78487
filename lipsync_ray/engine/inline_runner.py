"""The inline engine: stages run on threads of this process. Decoders, OpenCV, torch and the encoder release the GIL.

Nothing has to start, so the first frame is drawn at once: for one pair, a notebook, a test. A crash that would end a
worker's process ends this one, without a retry.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from lipsync_ray.compute import MOST_THREADS, usable_cpus
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.flows import JOIN_TIMEOUT_S
from lipsync_ray.engine.locality_queue import LocalityQueue, neighbourhood
from lipsync_ray.engine.runners import Cluster, Feed, Tasks
from lipsync_ray.engine.stages import Failure, Keyed, Outcome, StageSpec, build_stage, guarded, pools, run_stage
from lipsync_ray.engine.team import ALONE, Body
from lipsync_ray.errors import SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")

_BUILDING = threading.Lock()  # loaders of libraries are not thread-safe
WAITING = 1  # rows that may wait for a stage
POLL_S = 0.2  # between two checks whether the pass was stopped


def inline_cluster() -> Cluster:
    """Resources of this process, with at most one GPU."""
    import torch

    return Cluster(min(usable_cpus(), float(MOST_THREADS)), float(min(1, torch.cuda.device_count())), 1)


class InlineRunner:
    """Runs stages on threads of this process, with at most one GPU."""

    opened_s = 0.0

    def __init__(self) -> None:
        self.cluster = inline_cluster()

    def open(self, urls: Iterable[str] = ()) -> None:
        pass  # nothing to open

    def run(
        self,
        rows: Sequence[Keyed],
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        return _run((Outcome(row.key, row) for row in rows), len(rows), stages, ledger, stop)

    def feed(self) -> Feed:
        return _Feed()

    def run_fed(
        self,
        feed: Feed,
        most: int,
        stages: Sequence[StageSpec],
        ledger: Ledger,
        stop: threading.Event | None = None,
        together: int = 1,
    ) -> Iterator[Outcome]:
        assert isinstance(feed, _Feed)
        return _run((Outcome(row.key, row) for row in feed), most, stages, ledger, stop)

    def tasks(
        self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1
    ) -> Tasks[Item, Result]:
        return _Tasks(name, function, limit)

    def together(self, body: Body, count: int, gpu: bool, attempts: int, notify: Callable[[Any], None]) -> None:
        if count > 1:
            raise SettingsError(f"{count} processes were requested: --engine inline trains in this process only")
        body(ALONE, notify)


class _Feed:
    """Passes rows from one thread to another; rows that share their input come together."""

    def __init__(self) -> None:
        self._rows: LocalityQueue[Keyed] = LocalityQueue()
        self._closed = False
        self._changed = threading.Condition()

    def add(self, rows: Sequence[Keyed]) -> None:
        with self._changed:
            for row in rows:
                self._rows.add(neighbourhood(row), row)
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Keyed]:
        last: str | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._rows or self._closed)
                if not self._rows:
                    return
                last, row = self._rows.pop(last)
            yield row


class _Line:
    """A short queue between stages; both sides give up when the pass is stopped."""

    def __init__(self, left: threading.Event) -> None:
        self._items: queue.Queue[Outcome | None] = queue.Queue(WAITING)
        self._left = left

    def put(self, item: Outcome | None) -> None:
        while not self._left.is_set():
            try:
                self._items.put(item, timeout=POLL_S)
                return
            except queue.Full:
                continue

    def get(self) -> Outcome | None:
        """The next row; None after the last."""
        while not self._left.is_set():
            try:
                return self._items.get(timeout=POLL_S)
            except queue.Empty:
                continue
        return None


def _run(
    rows: Iterable[Outcome], most: int, stages: Sequence[StageSpec], ledger: Ledger, stop: threading.Event | None
) -> Iterator[Outcome]:
    groups = pools(stages)
    left = stop or threading.Event()
    lines = [_Line(left) for _ in range(len(groups) + 1)]
    crowds = [max(1, min(max(stage.workers for stage in group), most)) for group in groups]

    def bring() -> None:
        for row in rows:
            lines[0].put(row)
        for _ in range(crowds[0]):
            lines[0].put(None)

    ended = [threading.Lock() for _ in groups]
    working = list(crowds)

    def work(number: int) -> None:
        with _BUILDING:
            built = [(spec.name, build_stage(spec)) for spec in groups[number]]
        while (outcome := lines[number].get()) is not None:
            for name, stage in built:
                outcome = run_stage(name, stage, outcome, ledger)
            lines[number + 1].put(outcome)
        with ended[number]:
            working[number] -= 1
            last = working[number] == 0
        if last:
            for _ in range(crowds[number + 1] if number + 1 < len(groups) else 1):
                lines[number + 1].put(None)

    threads = [threading.Thread(target=bring, daemon=True)]
    threads += [
        threading.Thread(target=work, args=(number,), name=groups[number][0].name, daemon=True)
        for number, crowd in enumerate(crowds)
        for _ in range(crowd)
    ]
    for thread in threads:
        thread.start()
    try:
        while (outcome := lines[-1].get()) is not None:
            yield outcome
    finally:
        left.set()
        for thread in threads[1:]:  # the first thread may wait for rows that never come
            thread.join(JOIN_TIMEOUT_S)


class _Tasks(Generic[Item, Result]):
    def __init__(self, name: str, function: Callable[[Item], Result], limit: int) -> None:
        self._name, self._function = name, function
        self._pool = ThreadPoolExecutor(limit, thread_name_prefix=name)
        self._running = 0
        self._ended: queue.SimpleQueue[tuple[Item, Result | Failure]] = queue.SimpleQueue()
        self._notify: Callable[[], None] = lambda: None

    def submit(self, item: Item) -> None:
        self._running += 1
        self._pool.submit(self._work, item)

    def _work(self, item: Item) -> None:
        self._ended.put((item, guarded(self._name, self._function, item)))
        self._notify()

    def notify(self, wake: Callable[[], None]) -> None:
        self._notify = wake

    @property
    def idle(self) -> bool:
        return self._running == 0

    def finished(self, wait: bool = False) -> Iterator[tuple[Item, Result | Failure]]:
        while self._running and (wait or not self._ended.empty()):
            ended = self._ended.get()
            self._running -= 1
            yield ended
