"""Deinterlaces with FFmpeg's estdif, as many frames out as in.

It interpolates the lines of one field along the edges of the other and uses no other frame: a moving mouth has no
combing and no ghost, and a frame does not depend on the decoded range. (yadif and bwdif use the frames before and
after: they keep more of a still background, and combing in fast motion.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import av
import av.error


def deinterlaced(numbered: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Deinterlace frames that are flagged as interlaced; pass the others through."""
    graph: Any = None
    shape: tuple[Any, ...] = ()
    numbers: deque[int] = deque()
    number = 0
    for index, frame in numbered:
        found = (frame.width, frame.height, frame.format.name)
        if graph is not None and found != shape:
            graph.push(None)
            yield from _pulled(graph, numbers)
            graph = None
        if graph is None:
            graph, shape, number = _graph(frame), found, 0
        numbers.append(index)
        frame.pts, number = number, number + 1  # the filter needs rising timestamps
        graph.push(frame)
        yield from _pulled(graph, numbers)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph, numbers)


def _graph(frame: Any) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    estdif = graph.add("estdif", "mode=frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, estdif, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Any, numbers: deque[int]) -> Iterator[tuple[int, Any]]:
    while numbers:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield numbers.popleft(), frame
