"""Decode any range of a video's frames, the same pixels wherever the range begins.

Frames are numbered on the constant grid of :class:`~lipsync_ray.media.probe.VideoInfo`: frame k is the last one whose
timestamp, rounded to the grid, is at most k. A constant-rate stream maps one to one; where the rate varies, a frame is
shown as long as its time says, and of two frames that fall on one place the later is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import av
import av.error
import cv2
import numpy as np

from lipsync_ray.errors import DecodeError
from lipsync_ray.io.identity import check_unchanged, is_pinned
from lipsync_ray.media.container import main_stream, opened, packets_of
from lipsync_ray.media.deinterlace import deinterlaced
from lipsync_ray.media.orientation import AS_STORED
from lipsync_ray.media.picture import U8, YuvFrame
from lipsync_ray.media.probe import VideoInfo, is_rgb_like
from lipsync_ray.media.sequence import ReaderPool
from lipsync_ray.media.transparency import on_ground

DECODER_THREADS = 2
SKIPPED = 12  # frames: a smaller leap forward is decoded through, which costs less than to seek
REVERSE_BUFFER_BYTES = 256 << 20  # planar frames held at a time when a range is played backwards
_BT709, _BT601 = 1, 5  # swscale's names for matrices
_FULL, _LIMITED = 2, 1  # … and for ranges
_readers = ReaderPool()


def pictures(info: VideoInfo, start: int, stop: int) -> Iterator[YuvFrame]:
    """Frames ``start`` … ``stop − 1``, upright, as 8-bit 4:2:0 with even sides.

    A picture that lasts several places of the grid is yielded as the same object. Its planes are the decoder's memory and
    cannot be written into: copy it for that.

    Raises
    ------
    DecodeError : not one frame of the range can be decoded
    ChangedError : the file is not the one that was probed
    """
    last: Any = None
    picture: YuvFrame | None = None
    for frame in _frames(info, start, stop):
        if picture is None or frame is not last:
            picture, last = _planes(frame, info), frame
        yield picture


def pictures_at(info: VideoInfo, indices: Sequence[int]) -> Iterator[YuvFrame]:
    """The frames of ``indices``, which may run forwards, stand still, run backwards or jump.

    Each run of neighbours is decoded once; a backward run in pieces that fit :data:`REVERSE_BUFFER_BYTES`.
    """
    piece = max(8, REVERSE_BUFFER_BYTES // max(1, info.width * info.height * 3 // 2))
    for run in runs(indices):
        if run[0] <= run[-1]:
            source = pictures(info, run[0], run[-1] + 1)
            at, picture = run[0], next(source)
            for index in run:
                while at < index:
                    at, picture = at + 1, next(source)
                yield picture
            next(source, None)  # which looks whether the file is still the same
        else:
            for high in range(run[0], run[-1] - 1, -piece):
                held = list(pictures(info, max(run[-1], high - piece + 1), high + 1))
                while held:
                    yield held.pop()


def runs(indices: Sequence[int]) -> list[list[int]]:
    """``indices`` cut into maximal runs that stand still or rise by a few at each step, or fall by 1 at each step."""
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
    """Places of the grid whose frame is stored in another size than the first, or is damaged, as far as they were seen."""

    resized: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)

    def note(self, place: int, frame: Any, size: tuple[int, int]) -> None:
        if (frame.width, frame.height) != size:
            self.resized.add(place)
        if frame.is_corrupt:
            self.damaged.add(place)


def small_rgb(
    info: VideoInfo, start: int, stop: int, width: int, height: int, seen: FrameIssues | None = None
) -> Iterator[U8]:
    """Frames ``start`` … ``stop − 1``, upright and scaled to (height, width, 3) uint8 RGB, for a detector.

    Parameters
    ----------
    seen : notes what is wrong with them
    """
    size = (height, width) if info.orientation.swaps_sides else (width, height)
    last: Any = None
    held: U8 | None = None
    for place, frame in enumerate(_frames(info, start, stop, seen), start):
        if seen is not None and not info.still:
            seen.note(place, frame, info.stored_size)
        if held is None or frame is not last:
            scaled = on_ground(frame).reformat(width=size[0], height=size[1], format="rgb24", interpolation="AREA")
            held, last = np.ascontiguousarray(info.orientation.upright(scaled.to_ndarray())), frame
        yield held


def _frames(info: VideoInfo, start: int, stop: int, seen: FrameIssues | None = None) -> Iterator[Any]:
    """Decoder frames for places start … stop − 1 of the grid."""
    if not 0 <= start < stop <= info.frames:
        raise ValueError(f"frames {start} … {stop} of {info.url}, which has {info.frames}")
    placed = _sought(info, start, seen) if info.order == "stamps" else _readers.placed(info, start, DECODER_THREADS)
    held: Any = None
    at = start
    for place, frame in deinterlaced(placed) if info.interlaced else placed:
        if held is not None:
            while at < min(place, stop):
                yield held
                at += 1
        if at >= stop:
            break
        held = frame
    if held is None:
        raise DecodeError(
            f"{info.url}: no frame can be decoded at {float(start / info.rate):.2f} s; the file is damaged there"
        )
    while at < stop:  # the last frame lasts to the end
        yield held
        at += 1
    if not is_pinned(info.url):
        check_unchanged(info.url, info.content)  # it may have been written to while it was read


def _sought(info: VideoInfo, start: int, seen: FrameIssues | None) -> Iterator[tuple[int, Any]]:
    """(place on the grid, frame) in order of presentation, from the last one at or before ``start``."""
    target = info.origin + int(start / info.rate / info.time_base)
    second = max(1, int(1 / info.time_base))
    back = 0
    while True:
        begin = target - back
        from_beginning = begin <= info.origin
        placed = _decoded(info, None if from_beginning else begin, seen)
        before = next(placed, None)
        if from_beginning or (before is not None and before[0] <= start):
            break
        back = max(second, 2 * back)  # the key frame found lies after the start: begin further back
    for later in placed:
        if before is not None and later[0] > start:
            yield before
            before = None
        if later[0] > start:
            yield later
        else:
            before = later
    if before is not None:
        yield before


def _decoded(info: VideoInfo, begin: int | None, seen: FrameIssues | None) -> Iterator[tuple[int, Any]]:
    """(place, frame): from the file's beginning, or from the first key frame after a seek to a time.

    A file is opened anew to be read from its beginning: in formats without an index no seek finds that again.

    Frames that precede a key frame in time but follow it in the file refer to pictures before it (an open group of
    pictures): decoded from here they would differ from the same frames decoded from the beginning, so they are left to
    an earlier start.
    """
    a_frame = info.time_base * info.rate

    def place(pts: int) -> int:
        """As :func:`nearest`, for every frame: fractions would cost as much as OpenCV's part of a small picture."""
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
                if seen is not None and packet.pts is not None:
                    seen.damaged.add(place(packet.pts))
                continue  # a damaged packet: the picture before it is held, as players do
            for frame in frames:
                pts = frame.pts if frame.pts is not None else frame.dts
                if pts is not None and (begin is None or (key is not None and pts >= key)):
                    yield place(pts), frame


def _planes(frame: Any, info: VideoInfo) -> YuvFrame:
    size = info.stored_size
    frame = on_ground(frame)
    if is_rgb_like(frame):
        # A PNG is tagged as full range, which would become the planes' range too; a BMP has a converter of its own,
        # which is less exact.
        frame = frame.reformat(format="rgb24").reformat(
            *size, format="yuv420p", dst_colorspace=_BT709, src_color_range=_FULL, dst_color_range=_LIMITED
        )
    elif frame.format.name not in {"yuv420p", "yuvj420p"} or (frame.width, frame.height) != size:
        target = "yuvj420p" if info.colour.range == 2 else "yuv420p"
        frame = frame.reformat(*size, format=target, src_colorspace=_BT601, dst_colorspace=_BT601)
    planes = []
    for plane in frame.planes[:3]:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        if info.orientation != AS_STORED:
            rows = np.ascontiguousarray(info.orientation.upright(rows))
        rows.flags.writeable = False  # the decoder's own memory, which the next frames may refer to
        planes.append(rows)
    y, u, v = planes
    if y.shape[0] % 2 or y.shape[1] % 2:
        # Chroma planes of an odd picture are rounded up already; H.264 4:2:0 has even sides, so luma repeats its edge.
        y = cv2.copyMakeBorder(y, 0, y.shape[0] % 2, 0, y.shape[1] % 2, cv2.BORDER_REPLICATE).astype(np.uint8)
    return YuvFrame(y, u, v, info.colour)
