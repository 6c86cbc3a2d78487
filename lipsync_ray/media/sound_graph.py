"""Streams sound through a chain of FFmpeg's audio filters, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def sound_frame(block: F32, rate: int) -> Any:
    """FFmpeg frame with (channels, n) float32 samples, one or two channels."""
    layout = "mono" if len(block) == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
    frame.sample_rate = rate
    return frame


class SoundGraph:
    """A filter chain with its source and its sink.

    Parameters
    ----------
    rate, channels : of the input: Hz; one or two
    filters : name and arguments of each FFmpeg filter
    """

    def __init__(self, rate: int, channels: int, filters: Sequence[tuple[str, str]]) -> None:
        self._rate, self._samples = rate, 0
        self._graph = av.filter.Graph()  # keeps the graph alive: its source and sink do not
        layout = "mono" if channels == 1 else "stereo"
        source = self._graph.add_abuffer(sample_rate=rate, format="fltp", layout=layout, time_base=Fraction(1, rate))
        chain: list[Any] = [source, *(self._graph.add(*one) for one in filters), self._graph.add("abuffersink")]
        self._graph.link_nodes(*chain).configure()
        self._source, self._sink = chain[0], chain[-1]

    def push(self, block: F32 | None) -> Iterator[Any]:
        """Output frames after adding (channels, n) float32 samples; None flushes the chain."""
        frame = None
        if block is not None:
            frame = sound_frame(block, self._rate)
            frame.pts = self._samples
            self._samples += block.shape[1]
        self._source.push(frame)
        return self._pulled()

    def _pulled(self) -> Iterator[Any]:
        while True:
            try:
                yield self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
