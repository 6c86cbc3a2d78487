"""In which order waiting rows are handed out: those that share their input one after another to the same worker."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from lipsync_ray.engine.stages import Keyed

Row = TypeVar("Row")


def neighbourhood(row: Keyed) -> str:
    """What a row reads, as its `near` says; its own key, where it says nothing: it shares with none."""
    return str(getattr(row, "near", row.key))


class LocalityQueue(Generic[Row]):
    """Rows that wait, by what they read."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Row]] = {}  # in order of arrival; none of them empty
        self._begun: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, near: str, row: Row) -> None:
        """A row that reads `near`."""
        self._waiting.setdefault(near, deque()).append(row)

    def take(self, last: str | None) -> tuple[str, Row]:
        """The next row for a worker, and what it reads.

        One that reads what the worker read `last`; else the first of those with which nobody has begun; else, near the
        end, one of another worker's.
        """
        near = last if last in self._waiting else None
        if near is None:
            # Those begun that still have rows are no more than there are workers: this looks at few.
            fresh = (name for name in self._waiting if name not in self._begun)
            near = next(fresh, None) or next(iter(self._waiting))
        rows = self._waiting[near]
        row = rows.popleft()
        self._begun.add(near)
        if not rows:
            del self._waiting[near]
            self._begun.discard(near)
        return near, row
