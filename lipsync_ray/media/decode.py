"""Decodes any range of a video's frames; pixels do not depend on where the range begins.

Frames are numbered on the constant grid of :class:`~lipsync_ray.media.probe.VideoInfo`: frame k is the last one whose
timestamp, rounded to the grid, is at most k. A constant-rate stream maps one to one. With a variable rate, a frame
lasts until the next timestamp, and of two frames on one grid position the later is used.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import av
import av.error
import numpy as np

from lipsync_ray.errors import DecodeError
from lipsync_ray.io.identity import check_unchanged, is_pinned
from lipsync_ray.media import tone
from lipsync_ray.media.container import main_stream, opened, packets_of
from lipsync_ray.media.deinterlace import deinterlaced, frames_before
from lipsync_ray.media.frame_colour import is_rgb_like
from lipsync_ray.media.native import NativePicture
from lipsync_ray.media.picture import U8, YuvFrame
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.samples import raw_planes, sample_planes, upright_planes
from lipsync_ray.media.sequence import ReaderPool
from lipsync_ray.media.transparency import on_ground

DECODER_THREADS = 2
SKIPPED = 12  # frames: decoding through a shorter gap costs less than a seek
REVERSE_BUFFER_BYTES = 256 << 20  # buffer of planar frames for a range that is played backwards
_NATIVE_BYTES = 8  # most for a pixel: four planes of two
_BT709, _BT601 = 1, 5  # swscale's names for matrices
_FULL, _LIMITED = 2, 1  # … and for ranges
_readers = ReaderPool()


def pictures(info: VideoInfo, start: int, stop: int) -> Iterator[YuvFrame]:
    """Frames ``start`` … ``stop − 1``, upright, as 8-bit 4:2:0 with even sides; of HDR, tone-mapped.

    Where ``info.native`` names a format, a picture also carries its samples in that.

    A picture that lasts several grid positions is yielded as the same object. Its planes are read-only memory of the
    decoder: copy them to write.

    Raises
    ------
    DecodeError : no frame of the range can be decoded
    ChangedError : the file changed since it was probed
    """
    last: Any = None
    picture: YuvFrame | None = None
    for frame in _frames(info, start, stop):
        if picture is None or frame is not last:
            picture, last = _planes(frame, info), frame
        yield picture


def pictures_at(info: VideoInfo, indices: Sequence[int]) -> Iterator[YuvFrame]:
    """The frames of ``indices``, which may increase, repeat, decrease or jump.

    Each run of consecutive frames is decoded once; a backward run in pieces that fit :data:`REVERSE_BUFFER_BYTES`.
    """
    a_pixel = 1.5 + (_NATIVE_BYTES if info.native else 0)
    piece = max(8, int(REVERSE_BUFFER_BYTES / max(1.0, info.width * info.height * a_pixel)))
    for run in runs(indices):
        if run[0] <= run[-1]:
            source = pictures(info, run[0], run[-1] + 1)
            at, picture = run[0], next(source)
            for index in run:
                while at < index:
                    at, picture = at + 1, next(source)
                yield picture
            next(source, None)  # checks that the file is unchanged
        else:
            for high in range(run[0], run[-1] - 1, -piece):
                current = list(pictures(info, max(run[-1], high - piece + 1), high + 1))
                while current:
                    yield current.pop()


def runs(indices: Sequence[int]) -> list[list[int]]:
    """``indices`` split into maximal runs that repeat or rise by a few at each step, or fall by 1 at each step."""
    out: list[list[int]] = []
    falling = False
    for index in indices:
        step = index - out[-1][-1] if out else None
        alone = bool(out) and len(out[-1]) == 1
        if step is not None and 0 <= step <= SKIPPED and (alone or not falling):
            falling = False
            out[-1].append(index)
        elif step == -1 and (alone or falling):
            falling = True
            out[-1].append(index)
        else:
            out.append([index])
    return out


@dataclass
class FrameIssues:
    """Decoded frames, by number, that are stored in another size than the first, or damaged."""

    resized: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)

    def note(self, number: int, frame: Any, size: tuple[int, int]) -> None:
        if (frame.width, frame.height) != size:
            self.resized.add(number)
        if frame.is_corrupt:
            self.damaged.add(number)


def small_rgb(
    info: VideoInfo, start: int, stop: int, width: int, height: int, issues: FrameIssues | None = None
) -> Iterator[U8]:
    """Frames ``start`` … ``stop − 1``, upright and scaled to (height, width, 3) uint8 RGB, for a detector.

    Parameters
    ----------
    issues : collects problems of the frames
    """
    size = (height, width) if info.orientation.swaps_sides else (width, height)
    last: Any = None
    current: U8 | None = None
    for number, frame in enumerate(_frames(info, start, stop, issues), start):
        if issues is not None and not info.still:
            issues.note(number, frame, info.stored_size)
        if current is None or frame is not last:
            name = "rgb48le" if info.hdr else "rgb24"
            scaled = (
                on_ground(frame).reformat(width=size[0], height=size[1], format=name, interpolation="AREA").to_ndarray()
            )
            pixels = tone.sdr_pixels(scaled, info.colour) if info.hdr else scaled
            current, last = np.ascontiguousarray(info.orientation.upright(pixels)), frame
        yield current


def _frames(info: VideoInfo, start: int, stop: int, issues: FrameIssues | None = None) -> Iterator[Any]:
    """Decoder frames for grid positions start … stop − 1."""
    if not 0 <= start < stop <= info.frames:
        raise ValueError(f"frames {start} … {stop} of {info.url}, which has {info.frames}")
    earlier = frames_before(info.deinterlace) if info.interlaced else 0
    numbered = (
        _sought(info, start, earlier, issues)
        if info.order == "stamps"
        else _readers.numbered(info, start, DECODER_THREADS, earlier)
    )
    current: Any = None
    at = start
    for number, frame in deinterlaced(numbered, info.deinterlace) if info.interlaced else numbered:
        if current is not None:
            while at < min(number, stop):
                yield current
                at += 1
        if at >= stop:
            break
        current = frame
    if current is None:
        raise DecodeError(
            f"{info.url}: no frame can be decoded at {float(start / info.rate):.2f} s; the file is damaged there"
        )
    while at < stop:  # the last frame lasts to the end
        yield current
        at += 1
    if not is_pinned(info.url):
        check_unchanged(info.url, info.content)  # it may have been written during reading


def _sought(info: VideoInfo, start: int, earlier: int, issues: FrameIssues | None) -> Iterator[tuple[int, Any]]:
    """(frame number on the grid, frame) in order of presentation, from the last one at or before ``start``.

    Parameters
    ----------
    earlier : how many frames before that one come first, where there are so many
    """
    target = info.origin + int(start / info.rate / info.time_base)
    second = max(1, int(1 / info.time_base))
    back = 0
    while True:
        begin = target - back
        from_beginning = begin <= info.origin
        numbered = _decoded(info, None if from_beginning else begin, issues)
        before: deque[tuple[int, Any]] = deque(maxlen=1 + earlier)
        after: tuple[int, Any] | None = None
        for found in numbered:
            if found[0] > start:
                after = found
                break
            before.append(found)
        if from_beginning or len(before) > earlier:
            break
        back = max(second, 2 * back)  # the key frame is too late: seek further back
    yield from before
    if after is not None:
        yield after
        yield from numbered


def _decoded(info: VideoInfo, begin: int | None, issues: FrameIssues | None) -> Iterator[tuple[int, Any]]:
    """(frame number, frame): from the file's beginning, or from the first key frame after a seek to a time.

    The file is opened again to read from its beginning: without an index no seek finds that.

    Frames before a key frame in time but after it in the file refer to earlier pictures (an open GOP). Decoded from
    here they would differ from a decode from the beginning, so an earlier start provides them.
    """
    a_frame = info.time_base * info.rate

    def number(pts: int) -> int:
        """As :func:`nearest`, in integers: for every frame, fractions would cost as much as OpenCV's scaling."""
        ticks = pts - info.origin
        return max(0, (2 * ticks * a_frame.numerator + a_frame.denominator) // (2 * a_frame.denominator))

    with opened(info.url, info.decoder, info.content) as container:
        stream = main_stream(container)
        if not stream.codec_context.is_hwaccel:
            stream.thread_type = "AUTO"
            stream.codec_context.thread_count = DECODER_THREADS
        key: int | None = None
        if begin is not None:
            container.seek(begin, stream=stream, backward=True)
        for packet, decode in packets_of(container, stream):
            if begin is not None and key is None and packet.is_keyframe and packet.pts is not None:
                key = packet.pts
            try:
                frames = decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                if issues is not None and packet.pts is not None:
                    issues.damaged.add(number(packet.pts))
                continue  # a damaged packet: repeat the previous picture, as players do
            for frame in frames:
                pts = frame.pts if frame.pts is not None else frame.dts
                if pts is not None and (begin is None or (key is not None and pts >= key)):
                    yield number(pts), frame


def _planes(frame: Any, info: VideoInfo) -> YuvFrame:
    picture = _toned(frame, info) if info.hdr else _plain(frame, info)
    if info.native:
        native = sample_planes(frame, info, info.native)
        before = picture.y, picture.u, picture.v
        depth = av.VideoFormat(info.native, 2, 2).components[0].bits
        picture = replace(picture, native=NativePicture(native, info.native, depth, info.colour, before))
    return picture


def _toned(frame: Any, info: VideoInfo) -> YuvFrame:
    """The SDR picture of an HDR frame."""
    shown = on_ground(frame)
    depth = shown.format.components[0].bits
    name = "yuv420p" if depth <= 8 else f"yuv420p{depth}le"
    picture = tone.sdr_picture(sample_planes(shown, info, name), depth, info.colour)
    for plane in (picture.y, picture.u, picture.v):
        plane.flags.writeable = False
    return picture


def _plain(frame: Any, info: VideoInfo) -> YuvFrame:
    size = info.stored_size
    frame = on_ground(frame)
    if is_rgb_like(frame):
        # A PNG is tagged as full range, which would become the planes' range; BMP has its own, less exact converter.
        frame = frame.reformat(format="rgb24").reformat(
            *size, format="yuv420p", dst_colorspace=_BT709, src_color_range=_FULL, dst_color_range=_LIMITED
        )
    elif frame.format.name not in {"yuv420p", "yuvj420p"} or (frame.width, frame.height) != size:
        target = "yuvj420p" if info.colour.range == 2 else "yuv420p"
        frame = frame.reformat(*size, format=target, src_colorspace=_BT601, dst_colorspace=_BT601)
    # Chroma planes of an odd picture are already rounded up; H.264 4:2:0 needs even sides, so luma repeats its edge.
    y, u, v, *_ = upright_planes(raw_planes(frame)[:3], info)
    return YuvFrame(y, u, v, info.colour)
