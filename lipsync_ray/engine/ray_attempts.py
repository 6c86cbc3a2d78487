"""Attempts of rows, counted in one actor that all processes of a driver's passes ask."""

from __future__ import annotations

import threading
from typing import Any

from lipsync_ray.engine import driver_node
from lipsync_ray.engine.attempts import AttemptCounter

_lock = threading.Lock()
_actors: dict[tuple[str, str], Any] = {}  # of this process, by node and job: an actor without a handle would be ended


class RayAttempts:
    """:class:`~lipsync_ray.engine.attempts.Attempts` in an actor on the driver's node, which lives as long as the driver.

    Made by the driver, and passed on to its actors.
    """

    def __init__(self) -> None:
        self._actor = _actor()

    def begin(self, key: str, stage: str) -> int:
        import ray

        return int(ray.get(self._actor.begin.remote(key, stage)))

    def end(self, key: str, stage: str) -> None:
        self._actor.end.remote(key, stage)  # arrives before this process's next begin


def _actor() -> Any:
    """The actor of this driver; started with the first pass."""
    import ray

    context = ray.get_runtime_context()
    key = context.get_node_id(), context.get_job_id()
    with _lock:
        if key not in _actors:
            # An actor that Ray starts anew has lost its counts: rows are then given a few attempts more, not none.
            lasting = {"max_restarts": -1, "max_task_retries": -1}
            _actors[key] = ray.remote(AttemptCounter).options(**lasting, **driver_node.options()).remote()
        return _actors[key]
