"""Counts bytes fetched from object stores by thread, so that a stage counts only its own reads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

_HERE = threading.local()


def total() -> int:
    """Bytes that this thread has fetched."""
    return int(getattr(_HERE, "bytes", 0))


def add(count: int) -> None:
    """Add to this thread's count."""
    _HERE.bytes = total() + count


def counting(file: Any) -> None:
    """Count the blocks that an open fsspec file fetches from now on."""
    cache = getattr(file, "cache", None)
    fetch: Callable[[int, int], bytes] | None = getattr(cache, "fetcher", None)
    if cache is None or fetch is None:
        return  # a file that is read sequentially

    def counted(start: int, end: int) -> bytes:
        data = fetch(start, end)
        add(len(data))
        return data

    cache.fetcher = counted
