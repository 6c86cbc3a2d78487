"""Decodes and resamples audio in blocks, never a whole file.

Samples are float32, full scale ±1, shape (channels, n), one or two channels: more are mixed down as FFmpeg does.
Timestamps position the blocks: gaps in a stream, or a start after the video's, become silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import av.error
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from lipsync_ray.errors import DecodeError, ProbeError
from lipsync_ray.io.identity import check_unchanged, is_pinned
from lipsync_ray.media.clipping import declipped
from lipsync_ray.media.clock import Piece, sound_pieces
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.languages import code_of
from lipsync_ray.media.mixer import STEREO, Mixer
from lipsync_ray.media.sound_graph import sound_frame

F32 = NDArray[np.float32]

SAMPLE_RATE = 16_000  # Hz: input rate of all speech networks
GAP_S = Fraction(1, 20)  # timestamps that disagree by less are rounding, not a gap
LONGEST_GAP_S = 3600  # a larger jump is a broken timestamp


@dataclass(frozen=True)
class SoundTrack:
    """An audio stream of a file, from a given time on.

    Attributes
    ----------
    url : the file
    language : selects the stream tagged with this language; else the file's default stream is used
    begin_s : time of sample 0 on the file's clock; None for the file's beginning. Earlier sound is dropped; if the
        stream starts later, silence precedes it
    content : identity of the file, compared whenever it is opened; empty: any
    number : selects the audio stream by its place among the file's audio streams instead
    """

    url: str
    language: str | None = None
    begin_s: Fraction | None = None
    content: str = ""
    number: int | None = None


@dataclass(frozen=True)
class Span:
    """A range of an audio stream in its own samples: [start, stop)."""

    start: int
    stop: int


def blocks(track: SoundTrack | str, span: Span | None = None, channels: int | None = None) -> Iterator[tuple[int, F32]]:
    """Decode a sound in pieces: (sample rate, samples).

    Parameters
    ----------
    track : a URL stands for the file's default stream from its beginning, in all functions here
    span : only these samples; all, by default
    channels : 6 or 8 for 5.1 or 7.1; by default one or two, as the stream has

    Yields
    ------
    sample rate in Hz, the same each time: that of the stream's first frame; (channels, n) float32, the same each time

    Raises
    ------
    ProbeError : unreadable, or no audio stream
    DecodeError : a stream without a single decodable sample
    """
    return _cut(_gapless(_as_track(track), STEREO, channels), span)


def _as_track(sound: SoundTrack | str) -> SoundTrack:
    return SoundTrack(sound) if isinstance(sound, str) else sound


def _cut(source: Iterator[tuple[int, F32]], span: Span | None) -> Iterator[tuple[int, F32]]:
    at = 0
    for rate, block in source:
        low, high = (0, block.shape[1]) if span is None else (span.start - at, span.stop - at)
        at += block.shape[1]
        if high <= 0:
            return
        if (part := block[:, max(0, low) : high]).shape[1]:
            yield rate, part


def _gapless(track: SoundTrack, most: int, channels: int | None = None) -> Iterator[tuple[int, F32]]:
    """Blocks of at most `most` channels, or of exactly `channels`, gaps filled."""
    with opened(track.url, planned=track.content) as container:
        stream = sound_stream(container, track)
        cut_spans = sound_pieces(container, stream)
    with opened(track.url, planned=track.content) as container:
        stream = sound_stream(container, track)
        begin = _begin(container, stream) if track.begin_s is None else track.begin_s
        mixer: Mixer | None = None
        written = rate = 0
        decoded = False
        exact = track.begin_s is not None
        at: Piece | None = None
        for piece, following, frame in _frames(container, stream, cut_spans):
            if mixer is None:
                rate = frame.sample_rate
                mixer = Mixer(rate, channels or min(most, len(frame.layout.channels)))
            if piece is not at:
                at, exact = piece, True
            limit = None if following is None else max(written, round((following.starts_s - begin) * rate))
            index = written
            if frame.pts is not None:
                time = frame.pts * Fraction(frame.time_base) + (piece.shift_s if piece else 0)
                index = round((time - begin) * rate)
            # The stream's start is exact to the sample; later, small differences are rounding of the clock.
            gap = index - written
            if gap > 0 and (exact or gap > GAP_S * rate) and gap < LONGEST_GAP_S * rate:
                yield rate, np.zeros((mixer.channels, gap), np.float32)
                written += gap
            early = -gap if exact and gap < 0 else 0
            for block in mixer(frame):
                decoded = True
                skipped = min(early, block.shape[1])
                early -= skipped
                block = (
                    block[:, skipped:] if limit is None else block[:, skipped : max(skipped, limit - written + skipped)]
                )
                if block.shape[1]:
                    exact = False
                    written += block.shape[1]
                    yield rate, block
        if mixer is not None:
            for block in mixer.rest():
                yield rate, block
        if not is_pinned(track.url):
            check_unchanged(track.url, track.content)
        if not decoded:
            raise DecodeError(f"{track.url}: its {stream.codec_context.name} stream has no decodable sound")


def sound_stream(container: Any, track: SoundTrack) -> Any:
    """The stream of a track: that of its number or language, else the default one, else the first.

    Raises
    ------
    ProbeError : no audio stream
    """
    streams = container.streams.audio
    if not streams:
        raise ProbeError(f"{track.url}: no audio stream in it")
    if track.number is not None:
        return streams[track.number]
    if track.language:
        wanted = code_of(track.language)
        for stream in streams:
            if stream.language and code_of(stream.language) == wanted:
                return stream
    return next((stream for stream in streams if stream.disposition & Disposition.default), streams[0])


def _begin(container: Any, stream: Any) -> Fraction:
    """Time in seconds of a file's beginning: the start of its video or audio, whichever is first."""
    video = main_stream(container)
    starts = [
        Fraction(s.start_time) * Fraction(s.time_base)
        for s in (video, stream)
        if s is not None and s.start_time is not None
    ]
    return min(starts, default=Fraction(0))


def _frames(
    container: Any, stream: Any, cut_spans: tuple[Piece, ...]
) -> Iterator[tuple[Piece | None, Piece | None, Any]]:
    """(piece of the frame, next piece, decoded frame); a piece is None if there is none."""
    current: Piece | None = None
    coming = list(cut_spans)
    number = 0
    try:
        for packet in container.demux(stream):
            if packet.size:
                while coming and coming[0].first <= number:
                    current = coming.pop(0)
                number += 1
            try:
                for frame in packet.decode():
                    yield current, coming[0] if coming else None, frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                continue  # a damaged packet becomes a gap, filled by the next one's timestamp
    except av.error.FFmpegError:
        return  # the file ends in the middle of a packet


def codec_of(track: SoundTrack | str) -> str:
    """FFmpeg's name of a sound's codec."""
    track = _as_track(track)
    with opened(track.url, planned=track.content) as container:
        name: str = sound_stream(container, track).codec_context.name
        return name


def mono_blocks(
    track: SoundTrack | str, span: Span | None = None, cancels: bool = False, ceiling: float | None = None
) -> Iterator[tuple[int, F32]]:
    """(sample rate, (n,) float32 samples) of one channel of a sound, in pieces.

    Parameters
    ----------
    cancels : use only the left channel, because the two are in opposite phase
    ceiling : level from which samples count as clipped and are reconstructed; None for no repair
    """
    source = _cut(_gapless(_as_track(track), STEREO if cancels else 1), span)
    if ceiling is None:
        yield from ((rate, block[0]) for rate, block in source)
        return
    for rate, block in source:  # the same rate each time
        rest = (block[0] for _, block in source)
        yield from ((rate, part) for part in declipped(chain((block[0],), rest), ceiling))


def speech_blocks(
    track: SoundTrack | str, span: Span | None = None, cancels: bool = False, ceiling: float | None = None
) -> Iterator[F32]:
    """The sound as 16 kHz mono, (n,) float32, for the mel front end. Parameters as in :func:`mono_blocks`."""
    resampler: Any = None
    for rate, block in mono_blocks(track, span, cancels, ceiling):
        resampler = resampler or av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        for out in resampler.resample(sound_frame(block[None], rate)):
            yield np.asarray(out.to_ndarray()[0], np.float32)
    if resampler is not None:
        for out in resampler.resample(None):
            yield np.asarray(out.to_ndarray()[0], np.float32)
