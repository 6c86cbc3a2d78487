"""Frames of a video whose times cannot be sought by: decoded from the beginning, in file order.

Where the clock is set anew, or a frame's time is missing or wrong, no seek finds the right place. Such a file is read
through once in each process that works on it: a reader stays where the last range ended, and goes on from there when
the next one lies ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any

import av.error

from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.stamps import nearest

KEPT = 6  # frames before the place it has come to that a reader still holds: ranges overlap by a few


class Reader:
    """Reads one video, `info`, from its beginning to its end.

    Parameters
    ----------
    info : of a video whose `order` is "joined" or "count"
    threads : of the decoder
    """

    def __init__(self, info: VideoInfo, threads: int) -> None:
        self.info = info
        self._stack = ExitStack()
        self._source = _numbered(info, self._stack.enter_context(opened(info.url)), threads)
        self._kept: deque[tuple[int, Any]] = deque(maxlen=KEPT)
        self._lost = False

    def reaches(self, start: int) -> bool:
        """Whether the frame shown at this place is still to come, or still held."""
        return not self._lost or bool(self._kept and self._kept[0][0] <= start)

    def placed(self, start: int) -> Iterator[tuple[int, Any]]:
        """(place, frame) in rising order, from the last one at or before ``start``."""
        held = list(self._kept)
        before: tuple[int, Any] | None = None
        for item in chain(held, self._fresh()):
            if item[0] <= start:
                before = item
                continue
            if before is not None:
                yield before
                before = None
            yield item
        if before is not None:
            yield before

    def _fresh(self) -> Iterator[tuple[int, Any]]:
        for item in self._source:
            self._lost |= len(self._kept) == KEPT
            self._kept.append(item)
            yield item

    def close(self) -> None:
        self._stack.close()


def _numbered(info: VideoInfo, container: Any, threads: int) -> Iterator[tuple[int, Any]]:
    stream = main_stream(container)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = threads
    if info.order == "count":
        yield from enumerate(_frames(container, stream, ()))
        return
    last = -1
    for frame in _frames(container, stream, info.joins):
        if frame.pts is not None:
            place = max(0, nearest((frame.pts - info.origin) * info.time_base * info.rate))
            if place >= last:
                yield place, frame
                last = place


def _frames(container: Any, stream: Any, joins: tuple[tuple[int, int], ...]) -> Iterator[Any]:
    coming = deque(joins)
    shift = number = 0
    for packet in container.demux(stream):
        if packet.size:
            while coming and coming[0][0] <= number:
                shift = coming.popleft()[1]
            number += 1
            if shift:
                packet.pts = None if packet.pts is None else packet.pts + shift
                packet.dts = None if packet.dts is None else packet.dts + shift
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue  # a damaged packet: the picture before it is held, as players do
