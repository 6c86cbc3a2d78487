"""Two fields a frame made one picture: FFmpeg's estdif, as many frames out as in.

It draws the lines of one field anew along the edges of the other, and looks at no other frame: a moving mouth keeps no
comb and no ghost, and a frame is the same whatever range it is decoded in. (yadif and bwdif look at the frames before
and after: they keep more of a still background, and combs where something moves fast.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import av
import av.error


def deinterlaced(placed: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The same places, with frames that are flagged as interlaced made progressive; the others as they are."""
    graph: Any = None
    shape: tuple[Any, ...] = ()
    places: deque[int] = deque()
    number = 0
    for place, frame in placed:
        found = (frame.width, frame.height, frame.format.name)
        if graph is not None and found != shape:
            graph.push(None)
            yield from _pulled(graph, places)
            graph = None
        if graph is None:
            graph, shape, number = _graph(frame), found, 0
        places.append(place)
        frame.pts, number = number, number + 1  # the filter wants times that rise, whatever the file's are
        graph.push(frame)
        yield from _pulled(graph, places)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, places)


def _graph(frame: Any) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    filter_ = graph.add("estdif", "mode=frame:parity=auto:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(filter_)
    filter_.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Any, places: deque[int]) -> Iterator[tuple[int, Any]]:
    while places:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield places.popleft(), frame
