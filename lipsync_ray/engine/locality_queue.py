"""Orders waiting rows: rows that share their input go one after another to the same worker."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from lipsync_ray.engine.stages import Keyed

Row = TypeVar("Row")


def neighbourhood(row: Keyed) -> str:
    """Key of a row's input: its `near`; by default its own key, which it shares with none."""
    return str(getattr(row, "near", row.key))


class LocalityQueue(Generic[Row]):
    """Waiting rows, grouped by their input."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Row]] = {}  # in order of arrival; none of them empty
        self._begun: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, near: str, row: Row) -> None:
        """Add a row whose input is `near`."""
        self._waiting.setdefault(near, deque()).append(row)
        self._count += 1

    def pop(self, last: str | None) -> tuple[str, Row]:
        """Remove the next row for a worker; return its input and the row.

        Prefers a row with the input that the worker read `last`, then one whose input no worker has started, then, near
        the end, one of another worker's input.
        """
        near = last if last in self._waiting else None
        if near is None:
            # There are at most as many started inputs with rows as workers: this loop is short.
            fresh = (name for name in self._waiting if name not in self._begun)
            near = next(fresh, None) or next(iter(self._waiting))
        rows = self._waiting[near]
        row = rows.popleft()
        self._count -= 1
        self._begun.add(near)
        if not rows:
            del self._waiting[near]
            self._begun.discard(near)
        return near, row
