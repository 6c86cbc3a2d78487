"""Rows for a flow that has begun already: handed out one by one as they become known.

A flow on Ray Data has a fixed number of blocks. Where its rows are not known yet, the blocks are places in a queue, and
the first stage asks here what its place stands for. A place means the same row each time, so that Ray may try a block
again; what is left when the feed is closed stands for nothing.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lipsync_ray.engine import driver_node
from lipsync_ray.engine.locality_queue import LocalityQueue, neighbourhood
from lipsync_ray.engine.stages import Keyed
from lipsync_ray.engine.startup_barrier import BarrierActor, StartupBarrier


@dataclass(frozen=True)
class RowSlot:
    """A block whose row is not known yet."""

    number: int

    @property
    def key(self) -> str:
        return f"place-{self.number}"


class _RowQueueActor(BarrierActor):
    """The rows, in one actor, which keeps the pass's roll too. They are kept as bytes: this process need not import what they are made of.

    Calls of an actor that waits may overtake one another: the feed is closed when as many rows are there as were sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: LocalityQueue[bytes] = LocalityQueue()
        self._given: dict[int, tuple[str, bytes] | None] = {}
        self._added = 0
        self._all: int | None = None
        self._changed = asyncio.Condition()

    async def add(self, rows: list[tuple[str, bytes]]) -> None:
        async with self._changed:
            self._added += len(rows)
            for near, row in rows:
                self._waiting.add(near, row)
            self._changed.notify_all()

    async def close(self, rows: int) -> None:
        async with self._changed:
            self._all = rows
            self._changed.notify_all()

    async def take(self, place: int, last: str | None) -> tuple[str, bytes] | None:
        async with self._changed:
            if place not in self._given:
                await self._changed.wait_for(lambda: self._waiting or self._added == self._all)
                self._given[place] = self._waiting.take(last) if self._waiting else None
            return self._given[place]


class Feed:
    """A handle that travels to the first stage's actors; the rows end with the last one who holds it."""

    def __init__(self) -> None:
        import ray

        self._basket: Any = ray.remote(_RowQueueActor).options(**driver_node.options()).remote()
        self._sent = 0
        self._last: str | None = None  # what this process was given

    def add(self, rows: Sequence[Keyed]) -> None:
        """More rows are known."""
        self._sent += len(rows)
        self._basket.add.remote(
            [(neighbourhood(row), pickle.dumps(row, protocol=pickle.HIGHEST_PROTOCOL)) for row in rows]
        )

    def close(self) -> None:
        """There will be no more."""
        self._basket.close.remote(self._sent)

    def roll(self) -> StartupBarrier:
        """The roll of the pass that these rows are for."""
        return StartupBarrier(self._basket)

    def take(self, place: RowSlot) -> Any:
        """The row that a place stands for, as soon as it is known; None where there is none.

        Of the rows that wait, one that reads what this process has read last, where there is one.
        """
        import ray

        given = ray.get(self._basket.take.remote(place.number, self._last))
        if given is None:
            return None
        self._last, data = given
        return pickle.loads(data)
