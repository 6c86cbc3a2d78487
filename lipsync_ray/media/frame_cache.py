"""Caches the pictures decoded last for their next reader: the compose stage after the crop stage, or the dub into the
next language.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from lipsync_ray.media import decode
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import VideoInfo

# Per process. A segment of four seconds at 1080p is 300 MiB, with samples of 10 bits 900; one that does not fit is decoded again
# by each reader.
CACHE_BYTES = 384 << 20

_Range = tuple[str, tuple[int, ...]]


class FrameCache:
    """The pictures of the ranges read last, up to `most` bytes. Thread-safe.

    Parameters
    ----------
    most : bytes, including ranges that are being read
    """

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._ranges: OrderedDict[_Range, tuple[list[YuvFrame], int]] = OrderedDict()
        self._lock = threading.Lock()

    def pictures_at(self, content: str, info: VideoInfo, indices: Sequence[int]) -> Iterator[YuvFrame]:
        """As :func:`lipsync_ray.media.decode.pictures_at`, from memory if they are cached.

        Parameters
        ----------
        content : identity of the file's content
        """
        wanted = content, tuple(indices)
        with self._lock:
            cached = self._ranges.get(wanted)
            if cached is not None:
                self._ranges.move_to_end(wanted)
        return iter(cached[0]) if cached is not None else self._read(wanted, info)

    @property
    def bytes(self) -> int:
        """Bytes in use."""
        return self._bytes

    def _read(self, wanted: _Range, info: VideoInfo) -> Iterator[YuvFrame]:
        """Decode a range; cache it if it is read to its end and fits."""
        read: list[YuvFrame] | None = []
        size = 0
        complete = False
        try:
            for picture in decode.pictures_at(info, wanted[1]):
                if read is not None:
                    more = 0 if read and read[-1] is picture else picture.nbytes
                    if self._reserve(more):
                        read.append(picture)
                        size += more
                    else:
                        self._give_back(size)
                        read, size = None, 0
                yield picture
            complete = True
        finally:
            if read is not None and not (complete and self._keep(wanted, read, size)):
                self._give_back(size)

    def _reserve(self, size: int) -> bool:
        with self._lock:
            while self._bytes + size > self._most and self._ranges:
                self._bytes -= self._ranges.popitem(last=False)[1][1]
            if self._bytes + size > self._most:
                return False
            self._bytes += size
            return True

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._bytes -= size

    def _keep(self, wanted: _Range, pictures: list[YuvFrame], size: int) -> bool:
        with self._lock:
            if wanted in self._ranges:  # another thread has read it meanwhile
                return False
            self._ranges[wanted] = pictures, size
            return True


_shared: weakref.ReferenceType[FrameCache] | None = None
_sharing = threading.Lock()


def shared_frame_cache() -> FrameCache:
    """The cache shared by the stages of this process; freed with the last of them."""
    global _shared
    with _sharing:
        cached = _shared() if _shared is not None else None
        if cached is None:
            cached = FrameCache()
            _shared = weakref.ref(cached)
        return cached
