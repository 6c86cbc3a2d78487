"""Delays a pass's first row until every stage has a loaded actor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lipsync_ray.engine import driver_node

# The barrier is an actor, not a file in storage: an actor that loads after the pass has ended, such as a second one of
# a pool, would write its file into a folder that has been cleared.


class BarrierActor:
    """Stages that have a loaded actor; lives in a Ray actor."""

    def __init__(self) -> None:
        self._present: set[str] = set()
        self._called = asyncio.Condition()

    async def arrive(self, stage: str) -> None:
        async with self._called:
            self._present.add(stage)
            self._called.notify_all()

    async def gather(self, stages: Sequence[str]) -> None:
        async with self._called:
            await self._called.wait_for(lambda: self._present.issuperset(stages))


class StartupBarrier:
    """A handle for the actors of a pass; the barrier is freed with its last copy.

    Parameters
    ----------
    actor : an actor derived from :class:`BarrierActor`; None to start one
    """

    def __init__(self, actor: Any = None) -> None:
        import ray

        self._actor: Any = actor or ray.remote(BarrierActor).options(**driver_node.options()).remote()

    def arrive(self, stage: str) -> None:
        """Declare that an actor of this stage has loaded."""
        self._actor.arrive.remote(stage)

    def wait_for(self, stages: Sequence[str], seconds: float) -> None:
        """Wait until each stage has a loaded actor, at most `seconds`; do not wait for a lost barrier."""
        import ray

        try:
            ray.get(self._actor.gather.remote(tuple(stages)), timeout=seconds)
        except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError):
            return
