"""Rows for a pipeline that already runs: handed out as they become known.

A Ray Data pipeline has a fixed number of blocks. If its rows are not known yet, each block is a slot, and the first
stage asks here which rows belong to its slot. A slot always gives the same rows, so that Ray may retry a block. Slots
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
    """A block whose rows are not known yet.

    Attributes
    ----------
    number, slots : which of how many
    rows : largest number of rows that come to all slots together
    most : rows in a slot
    """

    number: int
    slots: int
    rows: int
    most: int = 1

    @property
    def key(self) -> str:
        return f"slot-{self.number}"

    def needed(self, given: int, taken: int) -> int:
        """Rows that this slot has to take so that the slots after it have room for all the others.

        Parameters
        ----------
        given, taken : slots that have rows, and how many rows they have
        """
        return max(1, self.rows - taken - (self.slots - given - 1) * self.most)

    def usual(self, given: int, left: int) -> int:
        """Rows of each slot if they are divided equally.

        Parameters
        ----------
        left : rows that no slot has
        """
        return min(self.most, -(-left // max(1, self.slots - given)))


class _RowQueueActor(BarrierActor):
    """Holds the rows in one actor, which is also the pass's startup barrier. Rows are bytes, so that this process need
    not import their classes.

    Calls of an async actor may overtake one another: the feed is closed when all rows that were sent have arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: LocalityQueue[bytes] = LocalityQueue()
        self._given: dict[int, list[tuple[str, bytes]]] = {}
        self._added = self._taken = 0
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

    async def assign(self, slot: RowSlot, last: str | None) -> list[tuple[str, bytes]]:
        async with self._changed:
            if slot.number not in self._given:
                await self._changed.wait_for(lambda: self._enough(slot) or self._added == self._all)
                self._given[slot.number] = self._take(slot, last)
                self._changed.notify_all()
            return self._given[slot.number]

    def _enough(self, slot: RowSlot) -> bool:
        return len(self._waiting) >= slot.needed(len(self._given), self._taken)

    def _take(self, slot: RowSlot, last: str | None) -> list[tuple[str, bytes]]:
        given, waiting = len(self._given), len(self._waiting)
        left = waiting if self._added == self._all else slot.rows - self._taken
        count = min(waiting, slot.most, max(slot.needed(given, self._taken), slot.usual(given, left)))
        out: list[tuple[str, bytes]] = []
        while len(out) < count:
            out.append(self._waiting.pop(last))
            last = out[-1][0]
        self._taken += count
        return out


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

    def rows_for(self, slot: RowSlot) -> list[Any]:
        """Wait for the rows of a slot; none if the slot is empty.

        Prefers waiting rows with the same input as this process's last row.
        """
        import ray

        given = ray.get(self._queue.assign.remote(slot, self._last))
        if given:
            self._last = given[-1][0]
        return [pickle.loads(data) for _, data in given]
