"""A subtitle track: of mp4 and mov MPEG-4 timed text (tx3g), which FFmpeg calls mov_text; of Matroska SubRip.

A sample of timed text is the length of its text in two bytes, and the text in UTF-8; of SubRip in Matroska, the text. Samples do
not overlap: lines that do are shown below each other. FFmpeg's muxer of mp4 fills gaps with empty samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av

from lipsync_ray.media.container import opened
from lipsync_ray.media.languages import three_letters

_TIMED_TEXT, _SUBRIP = "mov_text", "subrip"
_NAMES = (_TIMED_TEXT, _SUBRIP, "srt")
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
    """Texts, and the tag of their language as the user wrote it."""

    texts: tuple[Subtitle, ...]
    language: str | None = None


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
        self._codec = _SUBRIP if container.format.name == "matroska" else _TIMED_TEXT
        self._stream = container.add_stream(self._codec)
        self._stream.codec_context.subtitle_header = _HEADER
        self._stream.time_base = self._stream.codec_context.time_base = _TICK
        if track.language and (code := three_letters(track.language)):
            self._stream.metadata["language"] = code
        self._left = samples_of(track.texts)[::-1]

    def write_until(self, time_s: Fraction | None) -> None:
        """Write the samples that begin before ``time_s``; all if None."""
        while self._left and (time_s is None or self._left[-1].start_s < time_s):
            self._write(self._left.pop())

    def _write(self, sample: Subtitle) -> None:
        text = sample.text.encode()[:_LONGEST]
        packet = av.Packet(len(text).to_bytes(2, "big") + text if self._codec == _TIMED_TEXT else text)
        start, end = round(sample.start_s / _TICK), round(sample.end_s / _TICK)
        packet.pts = packet.dts = start
        packet.duration, packet.time_base, packet.stream = end - start, _TICK, self._stream
        self._container.mux(packet)


def read_subtitles(url: str, origin_s: Fraction = Fraction(0), content: str = "") -> SubtitleTrack | None:
    """The first track of text that :class:`SubtitleWriter` writes; None where there is none.

    Parameters
    ----------
    origin_s : time that becomes 0
    content : identity of the file; empty: any
    """
    with opened(url, planned=content) as container:
        coded = ((one, one.codec_context) for one in container.streams.subtitles)
        stream = next((one for one, codec in coded if codec is not None and codec.name in _NAMES), None)
        if stream is None:
            return None
        texts = []
        for packet in container.demux(stream):
            if packet.pts is None or not packet.size:
                continue
            data = bytes(packet)
            if stream.codec_context.name == _TIMED_TEXT:
                data = data[2 : 2 + int.from_bytes(data[:2], "big")]
            text = data.decode(errors="replace")
            start = packet.pts * packet.time_base - origin_s
            if text and start >= 0:
                texts.append(Subtitle(start, start + (packet.duration or 0) * packet.time_base, text))
        return SubtitleTrack(tuple(texts), stream.language)
