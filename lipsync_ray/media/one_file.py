"""Writes several dubs of a video into one file: for each language a track of pictures and one of sound, copied packet by packet.

Lips are drawn for one language, so every language has its own pictures. Players choose the first pair. In mp4 and mov the tracks of
pictures are alternatives to each other (alternate_group of ISO/IEC 14496-12), so that players show one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import merge
from pathlib import Path
from typing import Any

import av
import av.error
from av.stream import Disposition

from lipsync_ray.errors import EncodeError
from lipsync_ray.media.codecs import muxer_of
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.copied_stream import ISO_MUXERS, copied_stream
from lipsync_ray.media.join import AHEAD_S, muxing, name_for_quicktime, stamp
from lipsync_ray.media.languages import three_letters, title_of_language
from lipsync_ray.media.side_content import read_side_content, write_side_content
from lipsync_ray.media.sound_writers import AudioCopy, describe, sound_writer, title_of
from lipsync_ray.media.subtitles import SubtitleWriter

_PICTURES = 4  # number of the alternate group; FFmpeg gives 1 to sounds and 3 to subtitles
_NO_DISPOSITION = Disposition(0)


@dataclass(frozen=True)
class LanguageDub:
    """A finished dub.

    Attributes
    ----------
    path : its file, on this machine
    language : as the user wrote it
    rate : frames/s
    frames : that it has
    has_lines : whether its first track of subtitles is its own; the others are its source's
    """

    path: Path
    language: str
    rate: Fraction
    frames: int
    has_lines: bool = False


def join_languages(dubs: Sequence[LanguageDub], target: Path, comment: str = "") -> None:
    """Write the video ``target``, in the container of its ending.

    Titles, time code, chapters, and the sounds and subtitles of the source are those of the longest dub.

    Parameters
    ----------
    dubs : at least two of one video; players choose the first
    comment : a sentence that players show as the file's comment and description

    Raises
    ------
    EncodeError : a dub has another number of frames than expected, or does not fit into the container
    MediaError : a dub is not readable
    """
    longest = max(dubs, key=lambda dub: dub.frames / dub.rate)
    sides = [read_side_content(str(dub.path), dub.rate) for dub in dubs]
    own = [side.subtitles[: int(dub.has_lines)] for dub, side in zip(dubs, sides, strict=True)]
    number = dubs.index(longest)
    subtitles = (*(track for tracks in own for track in tracks), *sides[number].subtitles[len(own[number]) :])
    try:
        with (
            ExitStack() as stack,
            av.open(str(target), "w", format=muxer_of(target.name), options=muxing(target, dubs[0].rate)) as out,
        ):
            if comment:
                out.metadata.update(comment=comment, description=comment)
            pictures, others = [], []
            for dub in dubs:
                source = stack.enter_context(opened(str(dub.path)))
                pictures.append(_Pictures(out, dub, source, first=dub is dubs[0]))
                others.append(sound_writer(stack, out, AudioCopy(str(dub.path), Fraction(0), number=0)))
                sound = out.streams[-1]
                describe(sound, three_letters(dub.language), title_of_language(dub.language))
                sound.disposition = Disposition.default if dub is dubs[0] else _NO_DISPOSITION
            for extra in range(1, _sounds(longest.path)):
                others.append(sound_writer(stack, out, AudioCopy(str(longest.path), Fraction(0), number=extra)))
                out.streams[-1].disposition = _NO_DISPOSITION
            others.extend(SubtitleWriter(out, track) for track in subtitles)
            titled = replace(sides[number], picture_title="", subtitles=())
            write_side_content(out, pictures[0].stream, titled)
            if out.format.name == "mov":
                name_for_quicktime(out)
            for at, packet in merge(*pictures, key=lambda timed: timed[0]):
                for other in others:
                    other.write_until(at + AHEAD_S)
                out.mux(packet)
            for other in others:
                other.write_until(None)
    except av.error.FFmpegError as error:
        raise EncodeError(f"{target.name}: {error}") from error
    for each in pictures:
        each.check()
    if muxer_of(target.name) in ISO_MUXERS:
        _make_alternatives(target)


def _sounds(path: Path) -> int:
    with opened(str(path)) as source:
        return len(source.streams.audio)


class _Pictures:
    """A dub's track of pictures in an open container; iterates over (time in seconds, packet) by decoding time."""

    def __init__(self, out: Any, dub: LanguageDub, source: Any, first: bool) -> None:
        self._dub, self._source = dub, source
        self._own = main_stream(source)
        self._frames = 0
        self.stream = copied_stream(out, self._own)
        self.stream.time_base = 1 / dub.rate
        self.stream.codec_context.framerate = dub.rate
        titles = title_of_language(dub.language), title_of(self._own)
        describe(self.stream, three_letters(dub.language), ", ".join(filter(None, titles)))
        self.stream.disposition = Disposition.default if first else _NO_DISPOSITION

    def __iter__(self) -> Iterator[tuple[Fraction, Any]]:
        delay = self._own.codec_context.reorder_depth
        for packet in self._source.demux(self._own):
            if packet.pts is not None:
                # A header with the source's parameter sets may tell less than the first packet.
                if not self._frames and packet.dts is not None:
                    delay = max(delay, -round(packet.dts * packet.time_base * self._dub.rate))
                stamp(packet, 0, self._frames - delay, self._dub.rate, self.stream)
                self._frames += 1
                yield packet.dts / self._dub.rate, packet

    def check(self) -> None:
        """Raise EncodeError where packets are missing."""
        if self._frames != self._dub.frames:
            raise EncodeError(f"{self._dub.path.name}: {self._frames} frames in it, {self._dub.frames} in its record")


def _make_alternatives(path: Path) -> None:
    """Number the alternate group of each track of pictures; the file's length and all offsets stay."""
    with path.open("r+b") as file:
        for kind, start, stop in _boxes(file, 0, path.stat().st_size):
            for track, begins, ends in _boxes(file, start, stop) if kind == b"moov" else ():
                inside = {name: place for name, *place in _boxes(file, begins, ends)} if track == b"trak" else {}
                media = {name: at for name, at, _ in _boxes(file, *inside[b"mdia"])} if inside else {}
                if media and _read(file, media[b"hdlr"] + 8, 4) == b"vide":
                    header = inside[b"tkhd"][0]
                    after_layer = 46 if _read(file, header, 1)[0] else 34  # by version: times of 8 bytes or of 4
                    file.seek(header + after_layer)
                    file.write(_PICTURES.to_bytes(2, "big"))


def _boxes(file: Any, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, first byte of the content, its end) of the boxes in a range."""
    while start + 8 <= stop:
        head = _read(file, start, 16)
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        end = stop if size == 0 else start + size
        if size and size < header:
            return
        yield head[4:8], start + header, min(end, stop)
        start = end


def _read(file: Any, start: int, count: int) -> bytes:
    file.seek(start)
    return bytes(file.read(count))
