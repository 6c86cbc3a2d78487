"""How much was fetched from object stores, by thread: a stage's own reads, whatever its neighbours do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_HERE = threading.local()


def total() -> int:
    """Bytes that this thread has fetched."""
    return int(getattr(_HERE, "bytes", 0))


def add(count: int) -> None:
    """So many more."""
    _HERE.bytes = total() + count


def counting(file: Any) -> None:
    """Count what an open fsspec file fetches from here on, block by block."""
    cache = getattr(file, "cache", None)
    fetch: Callable[[int, int], bytes] | None = getattr(cache, "fetcher", None)
    if cache is None or fetch is None:
        return  # a file that is read straight through

    def counted(start: int, end: int) -> bytes:
        data = fetch(start, end)
        add(len(data))
        return data

    cache.fetcher = counted
