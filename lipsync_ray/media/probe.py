"""What a media file holds, found without decoding its pictures.

A video's packets are read once, for their timestamps: the exact count, the true rate and the last frame's end come
from them, not from a header that may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import av.error

from lipsync_ray import storage
from lipsync_ray.errors import ProbeError
from lipsync_ray.media.picture import Colour

STILL_FORMATS = frozenset({"image2", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "mjpeg"})
NAMED_RATES = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
        (120, 1),
    )
)
FASTEST = Fraction(240)  # a "rate" beyond this is a time base, not a frame rate
DEFAULT_STILL_RATE = Fraction(25)


@dataclass(frozen=True)
class VideoInfo:
    """A video as it is shown: upright, at a constant rate, numbered from 0.

    Attributes
    ----------
    url : where it is
    width, height : pixels, after rotation; as stored, so possibly odd
    rotation : degrees to turn the stored pictures counter-clockwise to have them upright: 0, 90, 180 or 270
    rate : frames/s of the grid on which frames are numbered: the stream's own, or its nominal rate where it varies
    frames : number of frames on that grid
    origin : pts of the first shown frame, in units of `time_base`
    time_base : seconds per unit of the stream's timestamps
    codec, pixel_format : FFmpeg's names
    varies : whether the distance between frames is not constant
    still : a single picture, to be held as long as is wanted
    pixel_aspect : width of a pixel over its height
    colour : the stream's tags
    has_audio : whether the file has an audio stream too
    """

    url: str
    width: int
    height: int
    rotation: int
    rate: Fraction
    frames: int
    origin: int
    time_base: Fraction
    codec: str
    pixel_format: str
    varies: bool
    still: bool
    pixel_aspect: Fraction
    colour: Colour
    has_audio: bool

    @property
    def picture(self) -> bool:
        """Whether it is a picture and nothing else; a video of one frame with sound is none."""
        return self.still and not self.has_audio

    @property
    def duration_s(self) -> Fraction:
        """Seconds from the first frame's start to the last one's end."""
        return self.frames / self.rate


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """An open PyAV container.

    Raises
    ------
    ProbeError : missing, empty, or not a media file
    """
    with storage.opened(url) as source:
        try:
            container = av.open(source, metadata_errors="replace")
        except FileNotFoundError as error:
            raise ProbeError(f"{url}: no such file") from error
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise ProbeError(f"{url}: {_why_unreadable(url, error)}") from error
        with container:
            yield container


def _why_unreadable(url: str, error: Exception) -> str:
    if storage.size(url) == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, av.error.InvalidDataError):
        return "not a readable video or audio file: damaged, cut off before its index, or another kind of file"
    return str(error)


def probe_video(url: str, still_rate: Fraction = DEFAULT_STILL_RATE) -> VideoInfo:
    """Look at a video or a picture.

    Parameters
    ----------
    url : path or fsspec URL
    still_rate : frames/s given to a single picture

    Raises
    ------
    ProbeError : unreadable, without a picture stream, cut off, or without timestamps
    """
    with opened(url) as container:
        stream = main_stream(container)
        if stream is None:
            raise ProbeError(f"{url}: no video stream in it (streams: {_kinds(container)})")
        still = container.format.name in STILL_FORMATS and stream.frames <= 1
        stamps, last_duration = _timestamps(container, stream)
        if not stamps:
            raise ProbeError(f"{url}: no frames in its {stream.codec_context.name} stream")
        declared = stream.frames
        if not still and len(stamps) < declared - max(2, declared // 100):
            raise ProbeError(f"{url}: cut off: {declared} frames declared, {len(stamps)} there")
        first = _first_frame(container, stream, url)
        time_base = Fraction(stream.time_base)
        if still or len(stamps) == 1:
            still, rate, frames, varies = True, still_rate, 1, False
        else:
            rate = pick_rate(stamps, time_base, stream.guessed_rate, stream.average_rate)
            span = (stamps[-1] - stamps[0]) * time_base * rate
            frames = nearest(span) + max(1, nearest((last_duration or 0) * time_base * rate))
            steps = [b - a for a, b in pairwise(stamps)]
            varies = (max(steps) - min(steps)) * time_base > Fraction(1, 2) / rate
        rotation = round(first.rotation) % 360
        if rotation % 90:
            raise ProbeError(f"{url}: turned by {rotation}°; only quarter turns are understood")
        size = (first.width, first.height)
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        if rotation % 180:
            size, aspect = (size[1], size[0]), 1 / aspect
        return VideoInfo(
            url=url,
            width=size[0],
            height=size[1],
            rotation=rotation,
            rate=rate,
            frames=frames,
            origin=stamps[0],
            time_base=time_base,
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            varies=varies,
            still=still,
            pixel_aspect=aspect,
            colour=_colour(first, stream),
            has_audio=bool(container.streams.audio),
        )


def nearest(value: Fraction) -> int:
    """The nearest integer, halves up: the same for every value shifted by a whole number, unlike round()."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def pick_rate(stamps: list[int], time_base: Fraction, guessed: Fraction | None, average: Fraction | None) -> Fraction:
    """The constant rate on which a stream's frames are numbered.

    FFmpeg's guess is taken where it is a frame rate; else the rate of the usual distance between frames, moved to a
    named rate within 0.5 %. The usual distance is the mean of those that differ from the median by a tick at most:
    in milliseconds 30 frames/s are 33, 33, 34.
    """
    steps = sorted(b - a for a, b in pairwise(stamps) if b > a)
    if not steps:
        return average or DEFAULT_STILL_RATE
    median = steps[len(steps) // 2]
    usual = [step for step in steps if abs(step - median) <= 1]
    measured = len(usual) / (sum(usual) * time_base)
    shortest = 1 / (steps[len(steps) // 20] * time_base)
    if guessed and guessed <= FASTEST and guessed <= shortest * Fraction(3, 2):
        return Fraction(guessed)
    named = min(NAMED_RATES, key=lambda rate: abs(rate - measured))
    if abs(named - measured) <= named / 200:
        return named
    return min(measured, FASTEST).limit_denominator(1001)


def _timestamps(container: Any, stream: Any) -> tuple[list[int], int | None]:
    stamps: list[tuple[int, int | None]] = []
    try:
        for packet in container.demux(stream):
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and not packet.is_discard:
                stamps.append((stamp, packet.duration))
    except av.error.FFmpegError:
        pass  # a cut file ends in an unreadable packet; the count says whether it matters
    stamps.sort()
    return [stamp for stamp, _ in stamps], (stamps[-1][1] if stamps else None)


def _first_frame(container: Any, stream: Any, url: str) -> Any:
    try:
        container.seek(0, backward=True)
    except av.error.FFmpegError:
        pass  # a picture or a pipe: it is read again below, or found empty
    try:
        for frame in container.decode(stream):
            return frame
    except av.error.EOFError:
        pass
    except av.error.FFmpegError as error:
        raise ProbeError(f"{url}: its {stream.codec_context.name} frames cannot be decoded: {error}") from error
    with opened(url) as again:  # a format that cannot seek
        for frame in again.decode(video=0):
            return frame
    raise ProbeError(f"{url}: not one {stream.codec_context.name} frame can be decoded")


def main_stream(container: Any) -> Any:
    """The first picture stream that is not a cover image, or None."""
    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & cover), None)


def _kinds(container: Any) -> str:
    return ", ".join(stream.type or "unknown" for stream in container.streams) or "none"


def _colour(frame: Any, stream: Any) -> Colour:
    if frame.format.is_rgb:
        return Colour(matrix=1, range=1, primaries=1, transfer=1)  # what decode converts it to
    full = frame.format.name.startswith("yuvj") or int(frame.color_range) == 2
    context = stream.codec_context
    return Colour(
        matrix=int(frame.colorspace),
        range=2 if full else int(frame.color_range),
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
    )
