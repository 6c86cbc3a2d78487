"""Attempts of rows, counted in one actor that all processes of a run's passes ask."""

from __future__ import annotations

from typing import Any

from lipsync_ray.engine import driver_node
from lipsync_ray.engine.attempts import AttemptCounter

_NAME = "lipsync_ray attempts"


class RayAttempts:
    """:class:`~lipsync_ray.engine.attempts.Attempts` in an actor on the driver's node, which lives as long as the driver.

    Made by the driver, and passed on to its actors.
    """

    def __init__(self) -> None:
        import ray

        # An actor that Ray starts anew has lost its counts: rows are then given a few attempts more, not none.
        options = {"name": _NAME, "get_if_exists": True, "max_restarts": -1, "max_task_retries": -1}
        self._actor: Any = ray.remote(AttemptCounter).options(**options, **driver_node.options()).remote()

    def begin(self, key: str, stage: str) -> int:
        import ray

        return int(ray.get(self._actor.begin.remote(key, stage)))

    def end(self, key: str, stage: str) -> None:
        self._actor.end.remote(key, stage)  # arrives before this process's next begin
