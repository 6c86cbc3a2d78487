"""Small jobs on any worker, a bounded number at a time: probe a file, put a video together.

They reserve no CPU. A task that did would wait for a running flow to end, since that holds all of them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from lipsync_ray.engine.stages import Failure, guarded

Item = TypeVar("Item")
Result = TypeVar("Result")

RETRIES = 2
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Tasks(Generic[Item, Result]):
    """Calls of one function on Ray workers.

    Parameters
    ----------
    name : of what it does, for failures
    function : picklable; a :class:`LipsyncError` it raises becomes a Failure, and so does any other
    limit : calls at a time; the others wait here
    """

    def __init__(self, name: str, function: Callable[[Item], Result], limit: int) -> None:
        import ray

        self._name = name
        self._limit = limit
        self._remote: Any = ray.remote(num_cpus=0, max_retries=RETRIES)(guarded).options(name=name)
        self._function = ray.put(function)
        self._waiting: deque[Item] = deque()
        self._running: dict[Any, Item] = {}

    def submit(self, item: Item) -> None:
        """Run the function on an item, when its turn comes."""
        self._waiting.append(item)
        self._start()

    @property
    def idle(self) -> bool:
        """Whether every item that was submitted has been told of."""
        return not self._running and not self._waiting

    def finished(self, wait: bool = False) -> Iterator[tuple[Item, Result | Failure]]:
        """Items that have ended since the last call; with ``wait``, all there are, until none is left."""
        import ray

        while self._running:
            done, _ = ray.wait(list(self._running), num_returns=1, timeout=None if wait else 0)
            if not done:
                return
            for reference in done:
                item = self._running.pop(reference)
                self._start()
                try:
                    yield item, ray.get(reference)
                except ray.exceptions.RayTaskError as error:  # before the function: it could not be loaded there
                    reason = f"cannot run on a worker: {_last_line(error)}"
                    yield item, Failure(self._name, reason, _COLOUR.sub("", str(error)))
                except ray.exceptions.RayError as error:
                    yield item, Failure(self._name, f"its worker process ended ({_first_line(error)})")

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._limit:
            item = self._waiting.popleft()
            self._running[self._remote.remote(self._name, self._function, item)] = item


def _first_line(error: Exception) -> str:
    return _COLOUR.sub("", str(error).strip().splitlines()[0])


def _last_line(error: Exception) -> str:
    return _COLOUR.sub("", str(error).strip().splitlines()[-1])
