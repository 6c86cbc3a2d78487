"""Groups of pictures of an H.264 video whose packets can stand in another video as they are, and their packets.

Such a group begins with an IDR frame, so that nothing in it or after it refers to frames before it, and its frames are consecutive
on the video's grid. Packets are read one at a time: a long video is never in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import av.error

from lipsync_ray.errors import DecodeError, EncodeError
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.h264 import IDR, PICTURE_SET, SEQUENCE_SET, ParameterSets, kind, packed, units
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.stamps import nearest, packets_of

LEAST_S = Fraction(1, 4)  # shorter groups, as in a video of key frames alone, count as one: a seam costs a key frame
_PLAIN = ("yuv420p", "yuvj420p")
_NAMES = {
    "hevc": "HEVC",
    "vp8": "VP8",
    "vp9": "VP9",
    "av1": "AV1",
    "libdav1d": "AV1",
    "mpeg4": "MPEG-4 part 2",
    "mpeg2video": "MPEG-2",
}
# Where a seek lands behind a frame, another one begins so many seconds earlier; at last the file's beginning.
_BACK_S = (0, 1, 4, 16, 64)


@dataclass(frozen=True)
class Groups:
    """The groups of a video that can be copied.

    Attributes
    ----------
    bounds : frames [start, stop) of each, rising; several short ones count as one
    sets : parameter sets of the stream; None where nothing can be copied
    delay : frames by which packets come later in the file than they are shown, at most
    reason : why there are none
    """

    bounds: tuple[tuple[int, int], ...] = ()
    sets: ParameterSets | None = None
    delay: int = 0
    reason: str = ""

    @property
    def sets_id(self) -> int:
        """Id of the parameter sets of what is encoded between them."""
        return 0 if self.sets is None else self.sets.free_id or 0


def find_groups(info: VideoInfo) -> Groups:
    """Read a video's packets to the end; nothing is decoded. What cannot be copied says why.

    Raises
    ------
    ProbeError, ChangedError : as :func:`lipsync_ray.media.container.opened`
    """
    if (reason := _unfit(info)) is not None:
        return Groups(reason=reason)
    try:
        with opened(info.url, planned=info.content) as container:
            stream = main_stream(container)
            sets = ParameterSets.of(stream.codec_context.extradata)
            if (reason := _unfit_sets(sets, info)) is not None:
                return Groups(reason=reason)
            return _found(container, stream, sets, info)
    except (DecodeError, av.error.FFmpegError) as error:
        return Groups(reason=f"its H.264 stream is damaged ({error})")


def _unfit(info: VideoInfo) -> str | None:
    """What of a video's properties speaks against it; None where nothing does."""
    problems = (
        (info.still, "the source is a picture"),
        (info.codec != "h264", f"the source is {_NAMES.get(info.codec, info.codec)}, not H.264"),
        (info.pixel_format not in _PLAIN, f"its pixels are {info.pixel_format}, not 8-bit 4:2:0"),
        (bool(info.hdr), "the source is HDR, which H.264 does not keep here"),
        (info.interlaced, "the source is interlaced"),
        (bool(info.rotation) or info.mirrored, "the source is turned when it is shown"),
        (info.order != "stamps", "the times of its frames are missing, wrong or reset"),
        (info.varies, "the source has a variable frame rate"),
    )
    return next((reason for is_so, reason in problems if is_so), None)


def _unfit_sets(sets: ParameterSets, info: VideoInfo) -> str | None:
    """The same of its parameter sets."""
    parsed = sets.parsed
    shown = info.width + info.width % 2, info.height + info.height % 2
    problems = (
        (
            not all(one.common and one.plain for one in parsed),
            "its H.264 profile is not Baseline (constrained), Main or High",
        ),
        (not all(one.frames_only for one in parsed), "its frames may be stored as fields"),
        (any((one.width, one.height) != shown for one in parsed), "its header tells another size than its frames have"),
        (
            any(one.aspect not in (None, info.pixel_aspect) for one in parsed),
            "its header tells another pixel aspect than its container",
        ),
        (sets.free_id is None, "its parameter sets use all ids"),
    )
    return next((reason for is_so, reason in problems if is_so), None)


def _number(packet: Any, info: VideoInfo) -> int | None:
    """The frame of a packet; None where it has no time."""
    return None if packet.pts is None else nearest((packet.pts - info.origin) * info.time_base * info.rate)


def _found(container: Any, stream: Any, sets: ParameterSets, info: VideoInfo) -> Groups:
    known = sets.units
    bounds: list[tuple[int, int]] = []
    delay = 0
    group: list[int] | None = None  # frames of the current one; None where it cannot be copied

    def close() -> None:
        nonlocal delay
        if group and sorted(group) == list(range(group[0], group[0] + len(group))):
            bounds.append((group[0], group[0] + len(group)))
            delay = max(delay, *(index - (number - group[0]) for index, number in enumerate(group)))

    for packet in packets_of(container, stream):
        content = bytes(packet)
        kinds = set()
        for unit in units(content, sets.length):
            kinds.add(kind(unit))
            if kind(unit) in (SEQUENCE_SET, PICTURE_SET) and unit.rstrip(b"\0") not in known:
                return Groups(reason="its parameter sets change within the stream")
        if IDR in kinds:
            close()
            group = []
        number = _number(packet, info)
        if packet.is_discard or packet.is_corrupt or number is None or not 0 <= number < info.frames:
            group = None
        if group is not None:
            group.append(number or 0)
    close()
    if not bounds:
        return Groups(reason="none of its groups of pictures begins with an IDR frame and is complete")
    if any(stop > start for (_, stop), (start, _) in pairwise(bounds)):
        return Groups(reason="its groups of pictures overlap in time")
    return Groups(_together(bounds, ceil(LEAST_S * info.rate)), sets, delay)


def _together(bounds: list[tuple[int, int]], least: int) -> tuple[tuple[int, int], ...]:
    """Groups of at least so many frames each, where short ones follow one another without a gap."""
    out: list[tuple[int, int]] = []
    for start, stop in bounds:
        if out and out[-1][1] == start and out[-1][1] - out[-1][0] < least:
            out[-1] = out[-1][0], stop
        else:
            out.append((start, stop))
    return tuple(out)


class CopiedPacket(NamedTuple):
    """A packet of a source: its frame, its content with a length of four bytes before each NAL unit, whether it is a key frame."""

    number: int
    content: bytes
    is_key: bool


class GroupReader:
    """Reads the packets of groups; opened once for all of them.

    Parameters
    ----------
    info : a video
    sets : of its stream
    """

    def __init__(self, info: VideoInfo, sets: ParameterSets) -> None:
        self._info, self._sets = info, sets
        self._stack = ExitStack()
        self._container: Any = None

    def __enter__(self) -> GroupReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def packets(self, start: int, stop: int) -> Iterator[CopiedPacket]:
        """The packets of frames [start, stop), which are whole groups, in the file's order.

        Raises
        ------
        EncodeError : they are not there
        """
        missing = stop - start
        for packet, number in self._from(start):
            if not start <= number < stop:
                break
            yield CopiedPacket(number, packed(bytes(packet), self._sets.length), packet.is_keyframe)
            missing -= 1
            if not missing:
                return
        raise EncodeError(
            f"{self._info.url}: the packets of frames {start} … {stop} are not in sequence; was it replaced?"
        )

    def _from(self, start: int) -> Iterator[tuple[Any, int]]:
        """Packets, and their frames, from the IDR frame `start` on."""
        info = self._info
        for back in (*_BACK_S, None):
            for packet in self._sought(start, back):
                number = _number(packet, info)
                if number == start and any(kind(unit) == IDR for unit in units(bytes(packet), self._sets.length)):
                    yield packet, number
                    yield from self._numbered()
                    return
                if packet.is_keyframe and number is not None and number > start:
                    break  # behind it
        raise EncodeError(f"{info.url}: no IDR frame at frame {start}; was it replaced?")

    def _sought(self, start: int, back: int | None) -> Iterator[Any]:
        """Packets from a frame before `start`; from the file's beginning where `back` is None; none where no seek is possible."""
        info = self._info
        if self._container is None or back is None:
            self._stack.close()
            self._container = self._stack.enter_context(opened(info.url, planned=info.content))
            self._stream = main_stream(self._container)
        if back is not None:
            time = info.origin + nearest((start / info.rate - back) / info.time_base)
            try:
                self._container.seek(time, stream=self._stream, backward=True)
            except av.error.FFmpegError:
                return iter(())
        self._packets = packets_of(self._container, self._stream)
        return self._packets

    def _numbered(self) -> Iterator[tuple[Any, int]]:
        for packet in self._packets:
            number = _number(packet, self._info)
            yield packet, -1 if number is None else number
