"""Small jobs on any worker, a bounded number at a time: probe a file, join a video.

Quick ones go several to a call, which costs the driver two milliseconds whatever is in it.
They reserve no CPU: otherwise a task would wait for the running pipeline, which reserves all of them. Crashes of a
task's process are counted here: Ray would silently retry for ever a task that its memory monitor ends.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lipsync_ray.engine.stages import Failure, guarded

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY_PAUSE_S = 5.0  # before a retry, if the item's process was ended because memory was short
CALL_S = 0.2  # of work in a call of several items
MOST = 32  # items of a call
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class _Waiting(Generic[Item]):
    """An item that waits, the processes that it has crashed, and whether it goes alone: one of its call crashed one."""

    item: Item
    deaths: int = 0
    alone: bool = False


def guarded_each(name: str, function: Callable[[Any], Any], items: Sequence[Any]) -> tuple[list[Any], float]:
    """The function's results, or Failures, and the seconds that all of them took."""
    began = time.monotonic()
    return [guarded(name, function, item) for item in items], time.monotonic() - began


class RayTasks(Generic[Item, Result]):
    """Calls of one function on Ray workers.

    Parameters
    ----------
    name : of the job, for failures
    function : picklable; any exception that it raises becomes a Failure
    limit : concurrent calls; the other items wait here
    attempts : processes that an item may crash before it is given up
    """

    def __init__(self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1) -> None:
        import ray

        self._name = name
        self._limit, self._attempts = limit, attempts
        self._remote: Any = ray.remote(num_cpus=0, max_retries=0)(guarded_each).options(name=name)
        self._function = ray.put(function)
        self._waiting: deque[_Waiting[Item]] = deque()
        self._later: deque[tuple[float, _Waiting[Item]]] = deque()  # (time of the retry, item)
        self._running: dict[Any, list[_Waiting[Item]]] = {}
        self._item_s: float | None = None  # what an item took lately
        self._notify: Callable[[], None] | None = None

    def notify(self, wake: Callable[[], None]) -> None:
        """Have a function called, in any thread, whenever an item has ended."""
        self._notify = wake

    def submit(self, item: Item) -> None:
        """Queue an item for the function."""
        self._waiting.append(_Waiting(item))
        self._start()

    @property
    def idle(self) -> bool:
        """Whether :meth:`finished` has returned every submitted item."""
        return not self._running and not self._waiting and not self._later

    def finished(self, wait: bool = False) -> Iterator[tuple[Item, Result | Failure]]:
        """Items that have ended since the last call; with ``wait``, all items, as they end."""
        import ray

        self._start()
        while self._running or (wait and self._later):
            due = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
            if not self._running:
                time.sleep(due or 0.0)
                self._start()
                continue
            done, _ = ray.wait(list(self._running), num_returns=1, timeout=due if wait else 0)
            if not done:
                if not wait:
                    return
                self._start()
            for reference in done:
                ended = self._running.pop(reference)
                self._start()
                try:
                    answers, seconds = ray.get(reference)
                except ray.exceptions.RayTaskError as error:  # the function could not be loaded on the worker
                    reason = f"cannot run on a worker: {_last_line(error)}"
                    failure = Failure(self._name, reason, _COLOUR.sub("", str(error)))
                    yield from ((one.item, failure) for one in ended)
                except ray.exceptions.RayError as error:
                    yield from self._crashed(ended, error)
                else:
                    each = seconds / len(ended)
                    self._item_s = each if self._item_s is None else (self._item_s + each) / 2
                    yield from ((one.item, answer) for one, answer in zip(ended, answers, strict=True))

    def _crashed(self, ended: list[_Waiting[Item]], error: Exception) -> Iterator[tuple[Item, Failure]]:
        """Items whose call crashed its process: tried again, each alone, as long as they may be."""
        import ray

        for one in ended:
            deaths = one.deaths + (len(ended) == 1)  # of several it is not known whose it was
            if deaths >= self._attempts:
                yield one.item, Failure(self._name, f"{_gave_up(deaths)} ({_why(error)})")
            elif isinstance(error, ray.exceptions.OutOfMemoryError):
                self._later.append((time.monotonic() + MEMORY_PAUSE_S, _Waiting(one.item, deaths, alone=True)))
            else:
                self._waiting.appendleft(_Waiting(one.item, deaths, alone=True))
        self._start()

    def _start(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._waiting.appendleft(self._later.popleft()[1])
        while self._waiting and len(self._running) < self._limit:
            together = [self._waiting.popleft()]
            most = items_of_call(self._item_s, len(self._waiting) + 1, self._limit - len(self._running))
            while len(together) < most and not together[0].alone and not self._waiting[0].alone:
                together.append(self._waiting.popleft())
            reference = self._remote.remote(self._name, self._function, [one.item for one in together])
            self._running[reference] = together
            if self._notify is not None:
                wake = self._notify
                reference.future().add_done_callback(lambda _, wake=wake: wake())


def items_of_call(item_s: float | None, waiting: int, calls: int) -> int:
    """Items of the next call, at least one.

    Parameters
    ----------
    item_s : seconds that one takes; None where none has ended yet
    waiting : items that wait
    calls : that may begin now, among which they are divided
    """
    if item_s is None:
        return 1
    return max(1, min(MOST, waiting // max(1, calls), int(CALL_S / max(item_s, 1e-6))))


def _gave_up(deaths: int) -> str:
    if deaths == 1:
        return "its worker process ended"
    return f"gave up after {deaths} attempts: its worker process ended each time"


def _why(error: Exception) -> str:
    import ray

    if not isinstance(error, ray.exceptions.OutOfMemoryError):
        return _first_line(error)
    found = re.search(r"IP: ([^,)\s]+)", str(error))
    return f"memory was short on {'node ' + found[1] if found else 'its node'}"


def _first_line(error: Exception) -> str:
    return _COLOUR.sub("", str(error).strip().splitlines()[0])


def _last_line(error: Exception) -> str:
    return _COLOUR.sub("", str(error).strip().splitlines()[-1])
