"""Ranges of files that never change, from an object store: read in blocks, which are kept.

Neighbouring segments read neighbouring ranges of a few kB, and each read is a request, which costs 20 to 50 ms and money.
Files of this machine are read as they are: its page cache keeps them.
"""

from __future__ import annotations

from functools import lru_cache

from lipsync_ray.io import storage

BLOCK = 1 << 18  # bytes: ten seconds of mel
_KEPT = 128  # blocks a process: 32 MiB


def read_range(url: str, start: int, size: int) -> bytes:
    """Bytes [start, start + size) of a file whose name changes with its content, as far as there are any.

    Raises
    ------
    StorageError : it cannot be read
    """
    if size <= 0:
        return b""
    if storage.is_local(url):
        return storage.read_bytes(url, start, size)
    first = start // BLOCK
    data = b""
    for number in range(first, (start + size - 1) // BLOCK + 1):
        block = _block(url, number)
        data += block
        if len(block) < BLOCK:  # the file ends here
            break
    return data[start - first * BLOCK : start - first * BLOCK + size]


@lru_cache(maxsize=_KEPT)
def _block(url: str, number: int) -> bytes:
    before = int(number > 0)  # a byte more: stores refuse a range that begins where the file ends
    return storage.read_bytes(url, number * BLOCK - before, BLOCK + before)[before:]
