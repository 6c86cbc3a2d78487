"""Deinterlaces with FFmpeg's filters: a progressive frame for each frame, or for each field.

* estdif interpolates the lines of one field along the edges of the other and uses no other frame: a moving mouth has no combing
  and no ghost.
* bwdif takes what stands still from both fields, and looks at the frame before and the one after for what moves. With these two a
  frame does not depend on the decoded range. (It is intra-field at the ends of a stream.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import av
import av.error

from lipsync_ray.media.choices import Deinterlace

_FILTERS: dict[Deinterlace, tuple[str, str]] = {
    "estdif": ("estdif", "mode=frame:parity=auto:deint=interlaced"),
    "bwdif": ("bwdif", "mode=send_frame:parity=auto:deint=interlaced"),
    "bwdif-fields": ("bwdif", "mode=send_field:parity=auto:deint=interlaced"),
}


def frames_before(how: Deinterlace) -> int:
    """How many frames before the first wanted one are to be decoded; the filter asks for those after it by itself."""
    return 0 if how == "estdif" else 1


def frames_of_each(how: Deinterlace) -> int:
    """How many frames an interlaced one becomes."""
    return 2 if how == "bwdif-fields" else 1


def deinterlaced(numbered: Iterator[tuple[int, Any]], how: Deinterlace) -> Iterator[tuple[int, Any]]:
    """Deinterlace frames that are flagged as interlaced; pass the others through.

    Parameters
    ----------
    numbered : (number, frame). Of "bwdif-fields" numbers count fields, and the second field of frame n gets n + 1
    """
    graph: _Graph | None = None
    for number, frame in numbered:
        if graph is not None and not graph.takes(frame):
            yield from graph.rest()
            graph = None
        graph = graph or _Graph(frame, how)
        yield from graph.after(number, frame)
    if graph is not None:
        yield from graph.rest()


class _Graph:
    """FFmpeg's filter for frames of one size and format."""

    def __init__(self, frame: Any, how: Deinterlace) -> None:
        self._shape = _shape(frame)
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        self._graph.link_nodes(source, self._graph.add(*_FILTERS[how]), self._graph.add("buffersink")).configure()
        self._by_field = frames_of_each(how) > 1
        self._count = 0  # frames that were pushed: their times, since the filter needs rising ones
        self._numbers: deque[int] = deque()  # of frames in the filter
        self._last = -1, 0  # the filter's time of the last frame that came out, and its number

    def takes(self, frame: Any) -> bool:
        return _shape(frame) == self._shape

    def after(self, number: int, frame: Any) -> Iterator[tuple[int, Any]]:
        """What comes out when a frame goes in."""
        self._numbers.append(number)
        frame.pts, self._count = self._count, self._count + 1
        self._graph.push(frame)
        return self._pulled()

    def rest(self) -> Iterator[tuple[int, Any]]:
        """What comes out at the end."""
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> Iterator[tuple[int, Any]]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            time, number = self._last
            if self._by_field and frame.pts // 2 == time:  # the filter counts in half frames
                yield number + 1, frame
            else:
                self._last = frame.pts // 2, self._numbers.popleft()
                yield self._last[1], frame


def _shape(frame: Any) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
