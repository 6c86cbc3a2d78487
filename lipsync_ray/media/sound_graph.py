"""Streams sound through a chain of FFmpeg's audio filters, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.mixer import LAYOUTS, STEREO, samples_of, sound_format

F32 = NDArray[np.float32]


def sound_frame(block: F32, rate: int) -> Any:
    """FFmpeg frame with (channels, n) float32 samples, as many channels as :data:`LAYOUTS` has."""
    channels = len(block)
    samples = block if channels <= STEREO else block.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples), format=sound_format(channels), layout=LAYOUTS[channels]
    )
    frame.sample_rate = rate
    return frame


class SoundGraph:
    """A filter chain with its source and its sink.

    Parameters
    ----------
    rate, channels : of the input: Hz; as many as :data:`LAYOUTS` has
    filters : name and arguments of each FFmpeg filter
    """

    def __init__(self, rate: int, channels: int, filters: Sequence[tuple[str, str]]) -> None:
        self._rate, self._samples = rate, 0
        self._graph = av.filter.Graph()  # keeps the graph alive: its source and sink do not
        source = self._graph.add_abuffer(
            sample_rate=rate, format=sound_format(channels), layout=LAYOUTS[channels], time_base=Fraction(1, rate)
        )
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


def resampled(blocks: Iterable[F32], own_rate: int, rate: int) -> Iterator[F32]:
    """(channels, n) float32 of a sound at another sample rate."""
    if own_rate == rate:
        yield from blocks
        return
    graph: SoundGraph | None = None
    for block in chain(blocks, (None,)):
        if graph is None:
            if block is None:
                return
            form = f"sample_fmts={sound_format(len(block))}:sample_rates={rate}:channel_layouts={LAYOUTS[len(block)]}"
            graph = SoundGraph(own_rate, len(block), [("aformat", form)])
        yield from map(samples_of, graph.push(block))
