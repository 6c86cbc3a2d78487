"""Small jobs on any worker, a bounded number at a time: probe a file, join a video.

They reserve no CPU: otherwise a task would wait for the running pipeline, which reserves all of them. Crashes of a
task's process are counted here: Ray would silently retry for ever a task that its memory monitor ends.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from lipsync_ray.engine.stages import Failure, guarded

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY_PAUSE_S = 5.0  # before a retry, if the item's process was ended because memory was short
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class RayTasks(Generic[Item, Result]):
    """Calls of one function on Ray workers.

    Parameters
    ----------
    name : of the job, for failures
    function : picklable; any exception that it raises becomes a Failure
    limit : concurrent calls; the others wait here
    attempts : processes that an item may crash before it is given up
    """

    def __init__(self, name: str, function: Callable[[Item], Result], limit: int, attempts: int = 1) -> None:
        import ray

        self._name = name
        self._limit, self._attempts = limit, attempts
        self._remote: Any = ray.remote(num_cpus=0, max_retries=0)(guarded).options(name=name)
        self._function = ray.put(function)
        # (item, number of processes that it has crashed)
        self._waiting: deque[tuple[Item, int]] = deque()
        self._later: deque[tuple[float, Item, int]] = deque()  # (time of the retry, item, crashes)
        self._running: dict[Any, tuple[Item, int]] = {}
        self._notify: Callable[[], None] | None = None

    def notify(self, wake: Callable[[], None]) -> None:
        """Have a function called, in any thread, whenever an item has ended."""
        self._notify = wake

    def submit(self, item: Item) -> None:
        """Queue an item for the function."""
        self._waiting.append((item, 0))
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
                item, deaths = self._running.pop(reference)
                self._start()
                try:
                    yield item, ray.get(reference)
                except ray.exceptions.RayTaskError as error:  # the function could not be loaded on the worker
                    reason = f"cannot run on a worker: {_last_line(error)}"
                    yield item, Failure(self._name, reason, _COLOUR.sub("", str(error)))
                except ray.exceptions.RayError as error:
                    if deaths + 1 >= self._attempts:
                        yield item, Failure(self._name, f"{_gave_up(deaths + 1)} ({_why(error)})")
                    elif isinstance(error, ray.exceptions.OutOfMemoryError):
                        self._later.append((time.monotonic() + MEMORY_PAUSE_S, item, deaths + 1))
                    else:
                        self._waiting.appendleft((item, deaths + 1))
                        self._start()

    def _start(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            _, item, deaths = self._later.popleft()
            self._waiting.appendleft((item, deaths))
        while self._waiting and len(self._running) < self._limit:
            item, deaths = self._waiting.popleft()
            reference = self._remote.remote(self._name, self._function, item)
            self._running[reference] = item, deaths
            if self._notify is not None:
                wake = self._notify
                reference.future().add_done_callback(lambda _, wake=wake: wake())


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
