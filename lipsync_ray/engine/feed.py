"""Rows for a pipeline that already runs: handed out one by one as they become known.

A Ray Data pipeline has a fixed number of blocks. If its rows are not known yet, each block is a slot, and the first
stage asks here which row belongs to its slot. A slot always gives the same row, so that Ray may retry a block. Slots
that are left when the feed is closed are empty.
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
        return f"slot-{self.number}"


class _RowQueueActor(BarrierActor):
    """Holds the rows in one actor, which is also the pass's startup barrier. Rows are bytes, so that this process need
    not import their classes.

    Calls of an async actor may overtake one another: the feed is closed when all rows that were sent have arrived.
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

    async def assign(self, slot: int, last: str | None) -> tuple[str, bytes] | None:
        async with self._changed:
            if slot not in self._given:
                await self._changed.wait_for(lambda: self._waiting or self._added == self._all)
                self._given[slot] = self._waiting.pop(last) if self._waiting else None
            return self._given[slot]


class RayFeed:
    """A handle for the first stage's actors; the rows are freed with its last copy."""

    def __init__(self) -> None:
        import ray

        self._queue: Any = ray.remote(_RowQueueActor).options(**driver_node.options()).remote()
        self._sent = 0
        self._last: str | None = None  # input of the last row that this process received

    def add(self, rows: Sequence[Keyed]) -> None:
        """Add rows."""
        self._sent += len(rows)
        self._queue.add.remote(
            [(neighbourhood(row), pickle.dumps(row, protocol=pickle.HIGHEST_PROTOCOL)) for row in rows]
        )

    def close(self) -> None:
        """Declare that no more rows come."""
        self._queue.close.remote(self._sent)

    def barrier(self) -> StartupBarrier:
        """The startup barrier of the pass that these rows belong to."""
        return StartupBarrier(self._queue)

    def row_for(self, slot: RowSlot) -> Any:
        """Wait for the row of a slot; None if the slot is empty.

        Prefers a waiting row with the same input as this process's last row.
        """
        import ray

        given = ray.get(self._queue.assign.remote(slot.number, self._last))
        if given is None:
            return None
        self._last, data = given
        return pickle.loads(data)
