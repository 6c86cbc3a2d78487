"""Subtitle tracks: of mp4 and mov MPEG-4 timed text (tx3g), which FFmpeg calls mov_text; of Matroska SubRip; of WebM WebVTT.

A sample of timed text is the length of its text in two bytes, and the text in UTF-8; of SubRip and WebVTT, the text. Samples do
not overlap: lines that do are shown below each other. FFmpeg's muxer of mp4 fills gaps with empty samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
from av.stream import Disposition

from lipsync_ray.media.sound_writers import describe, title_of
from lipsync_ray.media.subtitle_text import SUBRIP, TEXT_CODECS, TIMED_TEXT, WEBVTT, is_tagged, text_for, text_of

_CODECS = {"matroska": SUBRIP, "webm": WEBVTT}  # by FFmpeg's muxer; others have timed text
_TICK = Fraction(1, 1000)
_LONGEST = 0xFFFF  # bytes of a sample's text
# The encoder takes its default style from a header of SubStation Alpha.
_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    b"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, "
    b"Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, "
    b"MarginV, Encoding\n"
    b"Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0\n\n"
    b"[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


@dataclass(frozen=True)
class Subtitle:
    """A text, and when it is shown."""

    start_s: Fraction
    end_s: Fraction
    text: str


@dataclass(frozen=True)
class SubtitleTrack:
    """Texts in one language.

    Attributes
    ----------
    texts : in any order
    language : ISO 639-2
    title : of the track; "" for none
    tagged : whether texts may have SubRip's tags of italics, bold and underlining
    forced : whether players show it where none is chosen: signs and foreign words
    """

    texts: tuple[Subtitle, ...]
    language: str | None = None
    title: str = ""
    tagged: bool = False
    forced: bool = False


def samples_of(texts: Iterable[Subtitle]) -> list[Subtitle]:
    """Texts one after another, below each other where several are shown."""
    texts = sorted(texts, key=lambda one: one.start_s)
    edges = sorted({*(one.start_s for one in texts), *(one.end_s for one in texts)})
    out: list[Subtitle] = []
    current: list[Subtitle] = []
    coming = iter([*texts, None])
    following = next(coming)
    for start, end in pairwise(edges):
        while following is not None and following.start_s <= start:
            current.append(following)
            following = next(coming)
        current = [one for one in current if one.end_s > start]
        if current:
            out.append(Subtitle(start, end, "\n".join(one.text for one in current)))
    return out


class SubtitleWriter:
    """Writes a track into an open container up to the video's current time."""

    def __init__(self, container: Any, track: SubtitleTrack) -> None:
        self._container = container
        self._codec, self._tagged = _CODECS.get(container.format.name, TIMED_TEXT), track.tagged
        self._stream = container.add_stream(self._codec)
        self._stream.codec_context.subtitle_header = _HEADER
        self._stream.time_base = self._stream.codec_context.time_base = _TICK
        describe(self._stream, track.language, track.title)
        if track.forced:
            self._stream.disposition = Disposition.forced
        self._left = samples_of(track.texts)[::-1]

    def write_until(self, time_s: Fraction | None) -> None:
        """Write the samples that begin before ``time_s``; all if None."""
        while self._left and (time_s is None or self._left[-1].start_s < time_s):
            self._write(self._left.pop())

    def _write(self, sample: Subtitle) -> None:
        text = text_for(sample.text, self._codec, self._tagged).encode()[:_LONGEST]
        packet = av.Packet(len(text).to_bytes(2, "big") + text if self._codec == TIMED_TEXT else text)
        start, end = round(sample.start_s / _TICK), round(sample.end_s / _TICK)
        packet.pts = packet.dts = start
        packet.duration, packet.time_base, packet.stream = end - start, _TICK, self._stream
        self._container.mux(packet)


def text_streams(container: Any) -> list[Any]:
    """The subtitle streams of an open file that :func:`tracks_of` reads; others are pictures or unknown."""
    coded = ((one, one.codec_context) for one in container.streams.subtitles)
    return [one for one, codec in coded if codec is not None and codec.name in TEXT_CODECS]


def tracks_of(container: Any) -> tuple[SubtitleTrack, ...]:
    """The tracks of text of a file that was just opened, on its own clock. Reads the whole file where it has any."""
    streams = text_streams(container)
    texts: dict[int, list[Subtitle]] = {stream.index: [] for stream in streams}
    for packet in container.demux(streams) if streams else ():
        if packet.pts is None or not packet.size:
            continue
        start = packet.pts * packet.time_base
        end = start + (packet.duration or 0) * packet.time_base
        if text := text_of(bytes(packet), packet.stream.codec_context.name):
            texts[packet.stream.index].append(Subtitle(start, end, text))
    return tuple(
        SubtitleTrack(
            tuple(texts[stream.index]),
            stream.language,
            title_of(stream),
            is_tagged(stream.codec_context.name),
            bool(stream.disposition & Disposition.forced),
        )
        for stream in streams
    )


def cut_tracks(
    tracks: Iterable[SubtitleTrack], origin_s: Fraction = Fraction(0), until_s: Fraction | None = None
) -> tuple[SubtitleTrack, ...]:
    """Tracks on another clock, without those that show nothing.

    Parameters
    ----------
    origin_s : time that becomes 0
    until_s : end of the last text, counted from there; None for its own
    """
    out = []
    for track in tracks:
        texts = []
        for one in track.texts:
            start, end = max(Fraction(0), one.start_s - origin_s), one.end_s - origin_s
            end = end if until_s is None else min(end, until_s)
            if start < end:
                texts.append(Subtitle(start, end, one.text))
        if texts:
            out.append(replace(track, texts=tuple(texts)))
    return tuple(out)
