"""The sound of a joined video: encoded, mixed of several, or copied packet by packet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from lipsync_ray.errors import DecodeError
from lipsync_ray.media import audio
from lipsync_ray.media.audio import F32, SoundTrack, Span, sound_stream
from lipsync_ray.media.choices import AudioCodec
from lipsync_ray.media.container import opened
from lipsync_ray.media.languages import three_letters
from lipsync_ray.media.mixer import LAYOUTS
from lipsync_ray.media.sound_codecs import ENCODERS
from lipsync_ray.media.sound_graph import sound_frame

_WARM_UP_S = Fraction(1, 10)
_NO_TITLE = ("handle", "iso media", "core media")  # in what programs write of themselves where a track has no title


class WrittenSound(Protocol):
    """A sound that is encoded into a video, from its first frame on.

    Attributes
    ----------
    duration_s : it is cut there, or silent from its end on
    language : tag of the output's track, as the user wrote it
    codec : of the output's track
    title : of the output's track; "" for none
    """

    @property
    def duration_s(self) -> Fraction: ...
    @property
    def language(self) -> str | None: ...
    @property
    def codec(self) -> AudioCodec: ...
    @property
    def title(self) -> str: ...

    def blocks(self) -> Iterator[tuple[int, F32]]:
        """(sample rate, (channels, n) float32) in pieces, the same rate and channels each time."""


@dataclass(frozen=True)
class AudioTrack:
    """The audio of a video: `span` of a sound, cut or padded with silence to `duration_s`.

    `language` is the tag of the output's track, as the user wrote it. `channels` is 6 or 8 for 5.1 or 7.1; None for one or
    two, as the sound has.
    """

    sound: SoundTrack
    span: Span
    duration_s: Fraction
    language: str | None = None
    codec: AudioCodec = "aac"
    title: str = ""
    channels: int | None = None

    def blocks(self) -> Iterator[tuple[int, F32]]:
        """(sample rate, (channels, n) float32) of the span, in pieces.

        Raises
        ------
        ProbeError, DecodeError, ChangedError : the audio is no longer readable
        """
        source = audio.blocks(self.sound, self.span, self.channels)
        if (first := next(source, None)) is None:
            raise DecodeError(f"{self.sound.url}: no sound in its samples {self.span.start} … {self.span.stop}")
        yield from chain((first,), source)


@dataclass(frozen=True)
class AudioCopy:
    """An audio stream of a video, to be copied packet by packet without encoding, with its language and title.

    Attributes
    ----------
    url : the video
    origin_s : time of its first frame, which becomes 0
    content : identity of the video; empty: any
    number : place of the stream among the file's audio streams; None for the default one
    until_s : no packet begins later; None for all
    """

    url: str
    origin_s: Fraction
    content: str = ""
    number: int | None = None
    until_s: Fraction | None = None


VideoSound = WrittenSound | AudioCopy


class _NoSound:
    """A silent video."""

    def write_until(self, time_s: Fraction | None) -> None:
        """Nothing to write."""


def sound_writer(stack: ExitStack, container: Any, track: VideoSound | None) -> Any:
    """What writes a track into an open container; nothing where there is none."""
    if track is None:
        return _NoSound()
    return _AudioCopier(stack, container, track) if isinstance(track, AudioCopy) else _AudioWriter(container, track)


def write_sound(track: WrittenSound, path: Path) -> None:
    """Encode a sound into an mp4 of its own, as it would be encoded into a video."""
    with av.open(str(path), "w", format="mp4") as container:
        _AudioWriter(container, track).write_until(None)


def title_of(stream: Any) -> str:
    """The title of a stream, under the names that containers have for it; "" for none."""
    found = (stream.metadata.get(name) for name in ("title", "name", "handler_name"))
    return next((text for text in found if text and not any(word in text.lower() for word in _NO_TITLE)), "")


def describe(stream: Any, language: str | None, title: str) -> None:
    """Give an output's stream the tag of its language and its title, where it has them."""
    if language:
        stream.metadata["language"] = language
    if title:  # mp4 has it in two places, and programs read either
        stream.metadata["title"] = stream.metadata["handler_name"] = title


class _AudioCopier:
    """Copies packets up to the video's current time."""

    def __init__(self, stack: ExitStack, container: Any, track: AudioCopy) -> None:
        source = stack.enter_context(opened(track.url, planned=track.content))
        stream = sound_stream(source, SoundTrack(track.url, number=track.number))
        self._container = container
        self._stream = container.add_stream_from_template(stream)
        describe(self._stream, stream.language, title_of(stream))
        self._origin, self._until = track.origin_s, track.until_s
        self._packets = (packet for packet in source.demux(stream) if self._belongs(packet))
        self._next: Any = None

    def _belongs(self, packet: Any) -> bool:
        """Whether a packet is within the pictures' time, or just before it to warm up the decoder."""
        if packet.dts is None:
            return False
        time_s = packet.dts * packet.time_base - self._origin
        return time_s > -_WARM_UP_S and (self._until is None or time_s < self._until)

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

    def __init__(self, container: Any, track: WrittenSound) -> None:
        self._container = container
        source = track.blocks()
        first = next(source)
        self._rate, self._channels = first[0], first[1].shape[0]
        self._blocks = chain([first], source)
        encoder = ENCODERS[track.codec]
        self._stream = container.add_stream(encoder.name, rate=encoder.rate(self._rate), layout=LAYOUTS[self._channels])
        if encoder.lossless:
            self._stream.codec_context.format = "s32"
        else:
            self._stream.bit_rate = encoder.bit_rate(self._channels)
        describe(self._stream, three_letters(track.language) if track.language else None, track.title)
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
        return np.zeros((self._channels, min(left, self._rate)), np.float32)

    def _write(self, block: F32) -> None:
        frame = sound_frame(block, self._rate)
        frame.pts, frame.time_base = self._written, Fraction(1, self._rate)
        self._written += block.shape[1]
        self._container.mux(self._stream.encode(frame))
