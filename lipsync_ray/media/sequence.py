"""Decodes videos that cannot be seeked by time, from the beginning in file order.

If the clock is reset, or times are missing or wrong, no seek finds the right frame. Each pass over such a file has its
own reader. After the pass the reader waits at its position, and the next pass that starts ahead of it continues there,
so ascending ranges decode the file once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any

import av.error

from lipsync_ray.media.container import main_stream, opened, packets_of
from lipsync_ray.media.deinterlace import frames_of_each
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.stamps import nearest

KEPT = 6  # past frames that a reader keeps, because ranges overlap by a few
IDLE_READERS = 4  # waiting readers per process; each holds a decoder's memory


class Reader:
    """Reads one video from its beginning to its end.

    Parameters
    ----------
    info : a video whose `order` is "joined" or "count"
    threads : decoder threads
    """

    def __init__(self, info: VideoInfo, threads: int) -> None:
        self.info = info
        self._stack = ExitStack()
        self._source = _numbered(info, self._stack.enter_context(opened(info.url, planned=info.content)), threads)
        self._kept: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._lost = False

    @property
    def position(self) -> int:
        """Number of the last decoded frame; −1 before the first one."""
        return self._kept[-1][0] if self._kept else -1

    def can_reach(self, start: int, earlier: int) -> bool:
        """Whether the frame shown at number `start`, and so many before it, are still ahead or kept."""
        return not self._lost or (len(self._kept) > earlier and self._kept[earlier][0] <= start)

    def numbered(self, start: int, earlier: int) -> Iterator[tuple[int, Any]]:
        """(frame number, frame) in ascending order, from the last one at or before ``start``; before it so many earlier ones."""
        kept_frames = list(self._kept)
        before: deque[tuple[int, Any]] = deque(maxlen=1 + earlier)
        for item in chain(kept_frames, self._fresh()):
            if item[0] <= start:
                before.append(item)
                continue
            yield from before
            before.clear()
            yield item
        yield from before

    def _fresh(self) -> Iterator[tuple[int, Any]]:
        for item in self._source:
            self._lost |= len(self._kept) == KEPT
            self._kept.append(item)
            yield item

    def close(self) -> None:
        self._stack.close()


class ReaderPool:
    """The idle readers of a process. Thread-safe: a reader serves one pass at a time; passes run concurrently.

    Parameters
    ----------
    most : idle readers to keep; the one idle for longest is closed
    """

    def __init__(self, most: int = IDLE_READERS) -> None:
        self._most = most
        self._idle: list[Reader] = []
        # Reentrant: the garbage collector may end a pass, which returns its reader, while this thread holds the lock.
        self._lock = threading.RLock()

    def numbered(self, info: VideoInfo, start: int, threads: int, earlier: int = 0) -> Iterator[tuple[int, Any]]:
        """(frame number, frame) of a video in ascending order, from the last one at or before ``start``; before it so many
        `earlier` ones."""
        reader = self._idle_reader(info, start, earlier) or Reader(info, threads)
        sound = False
        try:
            yield from reader.numbered(start, earlier)
            sound = True
        except GeneratorExit:
            sound = True
            raise
        finally:
            if sound:
                self._keep(reader)
            else:  # a failed decoder is not used again
                reader.close()

    def _idle_reader(self, info: VideoInfo, start: int, earlier: int) -> Reader | None:
        with self._lock:
            able = [reader for reader in self._idle if reader.info == info and reader.can_reach(start, earlier)]
            if not able:
                return None
            reader = max(able, key=lambda reader: reader.position)  # nearest before `start`
            self._idle.remove(reader)
            return reader

    def _keep(self, reader: Reader) -> None:
        with self._lock:
            self._idle.append(reader)
            surplus = self._idle.pop(0) if len(self._idle) > self._most else None
        if surplus is not None:
            surplus.close()


def _numbered(info: VideoInfo, container: Any, threads: int) -> Iterator[tuple[int, Any]]:
    stream = main_stream(container)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    if info.order == "count":
        for number, frame in enumerate(_frames(container, stream, ())):
            yield number * frames_of_each(info.deinterlace), frame
        return
    last = -1
    for frame in _frames(container, stream, info.joins):
        if frame.pts is not None:
            position = max(0, nearest((frame.pts - info.origin) * info.time_base * info.rate))
            if position >= last:
                yield position, frame
                last = position


def _frames(container: Any, stream: Any, joins: tuple[tuple[int, int], ...]) -> Iterator[Any]:
    coming = deque(joins)
    shift = number = 0
    for packet, decode in packets_of(container, stream):
        if packet.size:
            while coming and coming[0][0] <= number:
                shift = coming.popleft()[1]
            number += 1
            if shift:
                packet.pts = None if packet.pts is None else packet.pts + shift
                packet.dts = None if packet.dts is None else packet.dts + shift
        try:
            yield from decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue  # the previous picture stays, as in players
