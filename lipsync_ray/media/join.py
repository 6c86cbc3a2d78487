"""Joins a video: concatenates the packets of its parts and adds one audio track.

No picture is encoded again. A packet's presentation time is its frame number over the rate, so container rounding does
not add up (``ffmpeg -f concat`` drifts 0.6 ms at each join of 23.976 fps parts). Decoding times count packets, starting
at the reordering delay of the stream's header: a part of one to three frames reorders less, and its own decoding times
would leave a gap, which editing programs report as a variable rate.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from lipsync_ray.errors import DecodeError, EncodeError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged
from lipsync_ray.media import audio
from lipsync_ray.media.audio import F32, SoundTrack, Span, sound_stream
from lipsync_ray.media.container import opened
from lipsync_ray.media.languages import three_letters

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AAC_BITS_PER_CHANNEL = 96_000
MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
_AUDIO_AHEAD_S = Fraction(1, 2)
_WARM_UP_S = Fraction(1, 10)


@dataclass(frozen=True)
class Part:
    """An encoded range of a video's frames.

    Attributes
    ----------
    start : number of its first frame in the video
    read : called when the part is joined; returns the mp4's bytes or path
    """

    start: int
    read: Callable[[], bytes | Path]


@dataclass(frozen=True)
class AudioTrack:
    """The audio of a video: `span` of a sound, cut or padded with silence to `duration_s`.

    `language` is the tag of the output's track, as the user wrote it.
    """

    sound: SoundTrack
    span: Span
    duration_s: Fraction
    language: str | None = None


@dataclass(frozen=True)
class AudioCopy:
    """The audio stream of a video, to be copied packet by packet without encoding.

    Attributes
    ----------
    url : the video
    origin_s : time of its first frame, which becomes 0
    content : identity of the video; empty: any
    """

    url: str
    origin_s: Fraction
    content: str = ""


def join(
    parts: Iterable[Part], rate: Fraction, track: AudioTrack | AudioCopy | None, target: Path, comment: str = ""
) -> int:
    """Write the mp4 ``target``; return the number of its frames. Without a track it is silent.

    Parameters
    ----------
    comment : a sentence that players show as the file's comment and description

    Raises
    ------
    EncodeError : parts with different stream headers, or a part with a frame between two frame times
    MediaError : the audio is no longer readable
    """
    frames = 0
    try:
        with (
            ExitStack() as stack,
            av.open(str(target), "w", format="mp4", options=_muxing(rate)) as out,
        ):
            video: Any = None
            sound: Any = None
            if comment:
                out.metadata.update(comment=comment, description=comment)
            for part in parts:
                read = part.read()
                with av.open(io.BytesIO(read) if isinstance(read, bytes) else str(read)) as source:
                    stream = source.streams.video[0]
                    if part.start != frames:
                        raise EncodeError(
                            f"{target.name}: a part begins at frame {part.start}, the one before ends at {frames}"
                        )
                    if video is None:
                        video = out.add_stream_from_template(stream)
                        video.time_base = 1 / rate
                        header, delay = stream.codec_context.extradata, stream.codec_context.reorder_depth
                        sound = _sound(stack, out, track)
                    elif stream.codec_context.extradata != header:
                        raise EncodeError(
                            f"{target.name}: the part at frame {part.start} was encoded with another H.264 header than "
                            "the first: mixed encoder versions among the workers. Remove OUT/parts and run again."
                        )
                    for packet in source.demux(stream):
                        if packet.dts is None:
                            continue
                        _stamp(packet, part.start, frames - delay, rate, video)
                        sound.write_until(packet.dts / rate + _AUDIO_AHEAD_S)
                        out.mux(packet)
                        frames += 1
            if video is None:
                raise EncodeError(f"{target.name}: no parts to join")
            sound.write_until(None)
    except av.error.FFmpegError as error:
        raise EncodeError(f"{target.name}: {error}") from error
    return frames


def _muxing(rate: Fraction) -> dict[str, str]:
    """Options of FFmpeg's mp4 muxer: durations in fractions of a frame instead of rounded milliseconds."""
    a_frame = rate.numerator
    return {"movflags": "+faststart", "movie_timescale": str(a_frame * -(-1000 // a_frame))}


class _NoSound:
    """A silent video."""

    def write_until(self, time_s: Fraction | None) -> None:
        """Nothing to write."""


def _sound(stack: ExitStack, container: Any, track: AudioTrack | AudioCopy | None) -> Any:
    if track is None:
        return _NoSound()
    return _AudioWriter(container, track) if isinstance(track, AudioTrack) else _AudioCopier(stack, container, track)


def may_copy(codec: str) -> bool:
    """Whether an mp4 can contain packets of this audio codec."""
    return codec in MP4_AUDIO


class _AudioCopier:
    """Copies packets up to the video's current time."""

    def __init__(self, stack: ExitStack, container: Any, track: AudioCopy) -> None:
        source = stack.enter_context(opened(track.url, planned=track.content))
        stream = sound_stream(source, SoundTrack(track.url))
        self._container = container
        self._stream = container.add_stream_from_template(stream)
        if stream.language:
            self._stream.metadata["language"] = stream.language
        self._origin = track.origin_s
        self._packets = (packet for packet in source.demux(stream) if self._belongs(packet))
        self._next: Any = None

    def _belongs(self, packet: Any) -> bool:
        """Whether a packet is within the pictures' time, or just before it to warm up the decoder."""
        return packet.dts is not None and packet.dts * packet.time_base - self._origin > -_WARM_UP_S

    def write_until(self, time_s: Fraction | None) -> None:
        """Copy up to ``time_s``; to the end if None."""
        while True:
            packet = self._next or next(self._packets, None)
            self._next = None
            if packet is None:
                return
            if time_s is not None and packet.dts * packet.time_base - self._origin >= time_s:
                self._next = packet
                return
            shift = int(self._origin / packet.time_base)
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
            packet.stream = self._stream
            self._container.mux(packet)


def _stamp(packet: Any, start: int, dts: int, rate: Fraction, video: Any) -> None:
    """Set a packet's times to its frame of the video, with decoding number `dts`.

    Parameters
    ----------
    start : the part's first frame
    """
    index = packet.pts * packet.time_base * rate
    if index.denominator != 1:
        raise EncodeError(f"a packet {float(index)} frames after its part's start; expected a whole number")
    packet.pts, packet.dts, packet.duration = start + int(index), dts, 1
    if packet.pts < dts:
        raise EncodeError(
            f"frame {packet.pts} is decoded {dts - packet.pts} frames after it is due; expected fewer B-frames"
        )
    packet.time_base = 1 / rate
    packet.stream = video


class _AudioWriter:
    """Encodes a track up to the video's current time, so that neither stream is buffered."""

    def __init__(self, container: Any, track: AudioTrack) -> None:
        self._container = container
        source = audio.blocks(track.sound, track.span)
        first = next(source, None)
        if first is None:
            raise DecodeError(f"{track.sound.url}: no sound in its samples {track.span.start} … {track.span.stop}")
        self._rate, channels = first[0], first[1].shape[0]
        self._blocks = chain([first], source)
        layout = "mono" if channels == 1 else "stereo"
        coded = self._rate if self._rate in AAC_RATES else 48_000
        self._stream = container.add_stream("aac", rate=coded, layout=layout)
        self._stream.bit_rate = AAC_BITS_PER_CHANNEL * channels
        if track.language and (code := three_letters(track.language)):
            self._stream.metadata["language"] = code
        self._layout = layout
        self._total = int(track.duration_s * self._rate)
        self._written = 0

    def write_until(self, time_s: Fraction | None) -> None:
        """Encode up to ``time_s``; to the end and flush if None."""
        goal = self._total if time_s is None else min(self._total, int(time_s * self._rate))
        while self._written < goal:
            self._write(self._next())
        if time_s is None:
            self._container.mux(self._stream.encode(None))

    def _next(self) -> F32:
        left = self._total - self._written
        for _, block in self._blocks:
            return block[:, :left]
        return np.zeros((1 if self._layout == "mono" else 2, min(left, self._rate)), np.float32)

    def _write(self, block: F32) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += block.shape[1]
        self._container.mux(self._stream.encode(frame))


def join_committed(
    parts: Iterable[tuple[int, str]],
    frames: int,
    rate: Fraction,
    track: AudioTrack | AudioCopy | None,
    url: str,
    sources: Iterable[tuple[str, str]] = (),
    comment: str = "",
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Join committed parts with a sound and commit the mp4; the parts stay.

    Parameters
    ----------
    parts : (first frame, URL), in order
    frames : expected total
    sources : (URL, identity) of their source files, checked again before the video is committed
    comment : as for :func:`join`
    finish : called with the file before it is committed

    Raises
    ------
    EncodeError : the number of frames differs
    ChangedError : a source changed
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / storage.name_of(url)
        read = (Part(start, lambda part=part: storage.read_bytes(part)) for start, part in parts)  # type: ignore[misc]
        found = join(read, rate, track, path, comment)
        if found != frames:
            raise EncodeError(f"{storage.name_of(url)}: {found} frames in its parts, {frames} planned")
        if finish is not None:
            finish(path)
        for source, planned in sources:
            check_unchanged(source, planned)
        storage.commit_file(path, url)
