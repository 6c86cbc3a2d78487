"""Who is up: a pass does not begin its first row before every stage has an actor that has loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lipsync_ray.engine import driver_node

# The roll is an actor and not a note in storage: an actor that comes up after the pass has ended, as a second one of a
# pool may, would write its note into a folder that has been cleared.


class BarrierActor:
    """Stages that have called; lives in an actor."""

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
    """A handle that travels to the actors of a pass; the roll ends with the last one who holds it.

    Parameters
    ----------
    actor : that is a :class:`BarrierActor` among other things; None for one of its own
    """

    def __init__(self, actor: Any = None) -> None:
        import ray

        self._roll: Any = actor or ray.remote(BarrierActor).options(**driver_node.options()).remote()

    def arrive(self, stage: str) -> None:
        """An actor of this stage has loaded."""
        self._roll.arrive.remote(stage)

    def wait_for(self, stages: Sequence[str], seconds: float) -> None:
        """Wait until each of these stages has an actor, at most so long; a roll that is lost is not waited for."""
        import ray

        try:
            ray.get(self._roll.gather.remote(tuple(stages)), timeout=seconds)
        except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError):
            return
