"""Converts sound of any, even changing, format to one sample rate and number of channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

STEREO = 2
SURROUND, SURROUND_7 = 6, 8
LAYOUTS = {1: "mono", STEREO: "stereo", SURROUND: "5.1", SURROUND_7: "7.1"}
"""FFmpeg's layout of so many channels, wherever a number of channels stands for one."""
SURROUNDS = {5: SURROUND, SURROUND: SURROUND, 7: SURROUND_7, SURROUND_7: SURROUND_7}
"""Channels of a file, where those have a centre, as channels of 5.1 or 7.1."""
CENTER = 2  # of the channels of 5.1 and 7.1: left, right, center, low frequencies, …


def sound_format(channels: int) -> str:
    """Sample format of frames: planes, or packed samples where there are more channels than PyAV has planes for."""
    return "fltp" if channels <= STEREO else "flt"


def samples_of(frame: Any) -> F32:
    """(channels, n) float32 of a frame in :func:`sound_format`."""
    samples = np.asarray(frame.to_ndarray(), np.float32)
    return samples if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels)).T


class Mixer:
    """Converts frames of any, even changing, format to one sample rate and number of channels.

    More than two channels become one by FFmpeg's own mix, which keeps the centre's level; two by their mean.

    Parameters
    ----------
    rate : of the output in Hz
    channels : 1 or 2; 6 or 8 for FFmpeg's mix to 5.1 or 7.1
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self._format: tuple[Any, ...] | None = None
        self._resampler: Any = None

    def __call__(self, frame: Any) -> Iterator[F32]:
        count = len(frame.layout.channels)
        found = (frame.format.name, frame.layout.name, count, frame.sample_rate)
        if found != self._format:
            yield from self.rest()
            self._format = found
            layout = "mono" if count == 1 or (count > STEREO and self.channels == 1) else "stereo"
            layout = LAYOUTS[self.channels] if self.channels > STEREO else layout
            self._resampler = av.AudioResampler(format=sound_format(self.channels), layout=layout, rate=self.rate)
        frame.pts = None  # the caller tracks time; the resampler would fill gaps itself
        yield from map(self._shaped, self._resampler.resample(frame))

    def rest(self) -> Iterator[F32]:
        """Flush the resampler."""
        if self._resampler is not None:
            yield from map(self._shaped, self._resampler.resample(None))
            self._resampler = None

    def _shaped(self, plain: Any) -> F32:
        block = samples_of(plain)
        if block.shape[0] > self.channels:
            return np.asarray(block.mean(axis=0, keepdims=True), np.float32)
        return np.repeat(block, self.channels, axis=0) if block.shape[0] < self.channels else block
