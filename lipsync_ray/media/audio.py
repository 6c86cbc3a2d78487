"""Audio: decode in blocks, find where the sound begins and ends, resample. Nothing holds a whole file.

Samples are float32 in [−1, 1], shape (channels, n). Blocks are placed by their timestamps: a gap in a stream, or a
stream that starts after its video does, is silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.errors import DecodeError, ProbeError
from lipsync_ray.media.mel import SAMPLE_RATE
from lipsync_ray.media.probe import opened

F32 = NDArray[np.float32]

GAP_S = Fraction(1, 20)  # timestamps that disagree by less are rounding, not a gap
LONGEST_GAP_S = 3600  # a larger jump is a broken timestamp
QUIET_DBFS = -45.0  # RMS of 10 ms below which it is silence
LEVEL_WINDOW = SAMPLE_RATE // 100  # samples: 10 ms
TRIM_MARGIN_S = Fraction(1, 10)  # kept before and after, so that no soft consonant is cut


@dataclass(frozen=True)
class Span:
    """A stretch of an audio stream, in its own samples: [start, stop)."""

    start: int
    stop: int


@dataclass(frozen=True)
class Sound:
    """What a decoded audio stream turned out to be.

    Attributes
    ----------
    codec : FFmpeg's name
    sample_rate : Hz
    channels : number of them
    samples : per channel
    """

    codec: str
    sample_rate: int
    channels: int
    samples: int

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.samples, self.sample_rate)


def blocks(url: str, span: Span | None = None) -> Iterator[tuple[int, F32]]:
    """(sample rate, samples) of a file's first audio stream, in pieces.

    Parameters
    ----------
    span : only these samples; all, by default

    Yields
    ------
    sample rate in Hz, the same each time; (channels, n) float32

    Raises
    ------
    ProbeError : unreadable, or no audio stream
    DecodeError : a stream without a single decodable sample
    """
    at = 0
    for rate, block in _placed(url):
        low, high = (0, block.shape[1]) if span is None else (span.start - at, span.stop - at)
        at += block.shape[1]
        if high <= 0:
            return
        if (part := block[:, max(0, low) : high]).shape[1]:
            yield rate, part


def _placed(url: str) -> Iterator[tuple[int, F32]]:
    with opened(url) as container:
        if not container.streams.audio:
            raise ProbeError(f"{url}: no audio stream in it")
        stream = container.streams.audio[0]
        begin = _begin(container, stream)
        resampler: Any = None
        written = 0
        rate = 0
        for frame in _frames(container, stream):
            if resampler is None:
                rate = frame.sample_rate
                resampler = av.AudioResampler(format="fltp", layout=frame.layout.name, rate=rate)
            expected = None if frame.pts is None else int((frame.pts * frame.time_base - begin) * rate)
            missing = 0 if expected is None else expected - written
            if GAP_S * rate < missing < LONGEST_GAP_S * rate:
                yield rate, np.zeros((len(frame.layout.channels), missing), np.float32)
                written += missing
            for plain in resampler.resample(frame):
                block = np.asarray(plain.to_ndarray(), np.float32)
                written += block.shape[1]
                yield rate, block
        if not written:
            raise DecodeError(f"{url}: its {stream.codec_context.name} stream holds no decodable sound")


def _begin(container: Any, stream: Any) -> Fraction:
    """The time, in seconds, that is sample 0: the video's start where there is one, else the stream's own."""
    starts = [
        Fraction(s.start_time) * Fraction(s.time_base)
        for s in (*container.streams.video[:1], stream)
        if s.start_time is not None
    ]
    return min(starts, default=Fraction(0))


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                continue  # a damaged packet becomes a gap, filled by the next one's timestamp
    except av.error.FFmpegError:
        return  # the file ends in the middle of a packet


def codec_of(url: str) -> str:
    """FFmpeg's name of a file's first audio codec."""
    with opened(url) as container:
        if not container.streams.audio:
            raise ProbeError(f"{url}: no audio stream in it")
        name: str = container.streams.audio[0].codec_context.name
        return name


def probe_audio(url: str) -> Sound:
    """Decode a stream to its end and say what it was; exact, where a header may be wrong."""
    rate = count = channels = 0
    for found, block in blocks(url):
        rate, channels = found, block.shape[0]
        count += block.shape[1]
    return Sound(codec_of(url), rate, channels, count)


def speech_blocks(url: str, span: Span | None = None) -> Iterator[F32]:
    """The stream as 16 kHz mono, (n,) float32: what the mel front end takes."""
    resampler: Any = None
    for rate, block in blocks(url, span):
        mono = np.ascontiguousarray(block.mean(axis=0, dtype=np.float32))[None]
        frame = av.AudioFrame.from_ndarray(mono, format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = resampler or av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        for out in resampler.resample(frame):
            yield np.asarray(out.to_ndarray()[0], np.float32)
    if resampler is not None:
        for out in resampler.resample(None):
            yield np.asarray(out.to_ndarray()[0], np.float32)


def sounding(url: str, sound: Sound) -> Span:
    """The stream without its leading and trailing silence, a tenth of a second of which is kept on either side.

    Silence is RMS below −45 dBFS over 10 ms. A stream that is silent throughout is returned whole.
    """
    loud: list[NDArray[np.bool_]] = []
    rest = np.zeros(0, np.float32)
    for block in speech_blocks(url):
        rest = np.concatenate((rest, block))
        count = len(rest) // LEVEL_WINDOW
        squares = rest[: count * LEVEL_WINDOW].reshape(count, LEVEL_WINDOW) ** 2
        loud.append(squares.mean(axis=1) > 10 ** (QUIET_DBFS / 10))
        rest = rest[count * LEVEL_WINDOW :]
    found = np.flatnonzero(np.concatenate(loud)) if loud else np.zeros(0, int)
    if not len(found):
        return Span(0, sound.samples)
    step = Fraction(LEVEL_WINDOW, SAMPLE_RATE)
    start = max(Fraction(0), int(found[0]) * step - TRIM_MARGIN_S)
    stop = min(sound.duration_s, (int(found[-1]) + 1) * step + TRIM_MARGIN_S)
    return Span(int(start * sound.sample_rate), int(stop * sound.sample_rate))
