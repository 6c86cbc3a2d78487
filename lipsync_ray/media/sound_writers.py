"""The sound of a joined video: encoded, mixed of several, or copied packet by packet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import numpy as np

from lipsync_ray.errors import DecodeError
from lipsync_ray.media import audio
from lipsync_ray.media.audio import F32, SoundTrack, Span, sound_stream
from lipsync_ray.media.container import opened
from lipsync_ray.media.languages import three_letters
from lipsync_ray.media.lines import MixedTrack

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
AAC_BITS_PER_CHANNEL = 96_000
MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
_WARM_UP_S = Fraction(1, 10)


@dataclass(frozen=True)
class AudioTrack:
    """The audio of a video: `span` of a sound, cut or padded with silence to `duration_s`.

    `language` is the tag of the output's track, as the user wrote it.
    """

    sound: SoundTrack
    span: Span
    duration_s: Fraction
    language: str | None = None

    def blocks(self) -> Iterator[tuple[int, F32]]:
        """(sample rate, (channels, n) float32) of the span, in pieces.

        Raises
        ------
        ProbeError, DecodeError, ChangedError : the audio is no longer readable
        """
        source = audio.blocks(self.sound, self.span)
        if (first := next(source, None)) is None:
            raise DecodeError(f"{self.sound.url}: no sound in its samples {self.span.start} … {self.span.stop}")
        yield from chain((first,), source)


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


VideoSound = AudioTrack | MixedTrack | AudioCopy


class _NoSound:
    """A silent video."""

    def write_until(self, time_s: Fraction | None) -> None:
        """Nothing to write."""


def sound_writer(stack: ExitStack, container: Any, track: VideoSound | None) -> Any:
    """What writes a track into an open container; nothing where there is none."""
    if track is None:
        return _NoSound()
    return _AudioCopier(stack, container, track) if isinstance(track, AudioCopy) else _AudioWriter(container, track)


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


class _AudioWriter:
    """Encodes a track up to the video's current time, so that neither stream is buffered."""

    def __init__(self, container: Any, track: AudioTrack | MixedTrack) -> None:
        self._container = container
        source = track.blocks()
        first = next(source)
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
