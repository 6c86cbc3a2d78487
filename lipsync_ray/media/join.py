"""Joins a video: concatenates the packets of its parts and adds audio tracks, subtitles, chapters and titles.

No picture is encoded again. A packet's presentation time is its frame number over the rate, so container rounding does
not add up (``ffmpeg -f concat`` drifts 0.6 ms at each join of 23.976 fps parts). Decoding times count packets, starting
at the reordering delay of the stream's header: a part of one to three frames reorders less, and its own decoding times
would leave a gap, which editing programs report as a variable rate.

Ranges of the source's own packets may stand between the parts. The stream's header then has the parameter sets of both, and decoding
times begin at the larger of both delays.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import av
import av.error

from lipsync_ray.errors import EncodeError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged
from lipsync_ray.media.codecs import muxer_of
from lipsync_ray.media.copied_stream import ISO_MUXERS, copied_stream
from lipsync_ray.media.groups import GroupReader, Groups
from lipsync_ray.media.h264 import ParameterSets, merged
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.side_content import SideContent, write_side_content
from lipsync_ray.media.sound_writers import VideoSound, sound_writer
from lipsync_ray.media.subtitles import SubtitleWriter

AHEAD_S = Fraction(1, 2)
_MACINTOSH = {"deu": "ger", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi", "fas": "per", "fre": "fra"}
NOTHING = SideContent()


@dataclass(frozen=True)
class Part:
    """An encoded range of a video's frames.

    Attributes
    ----------
    start : number of its first frame in the video
    read : called when the part is joined; returns the file's bytes or path
    """

    start: int
    read: Callable[[], bytes | Path]


@dataclass(frozen=True)
class Copies:
    """Ranges of frames that are the source's own packets.

    Attributes
    ----------
    video : the source
    groups : of its frames
    ranges : frames [start, stop), whole groups, rising
    """

    video: VideoInfo
    groups: Groups
    ranges: tuple[tuple[int, int], ...]


def join(
    parts: Iterable[Part],
    rate: Fraction,
    track: VideoSound | None,
    target: Path,
    comment: str = "",
    side: SideContent = NOTHING,
    more: Sequence[VideoSound] = (),
    copies: Copies | None = None,
) -> int:
    """Write the video ``target``, in the container of its ending; return the number of its frames. Without a track it is silent.

    Parameters
    ----------
    parts : at least one, in order
    track : the sound that players choose
    comment : a sentence that players show as the file's comment and description
    side : subtitles, chapters, titles, time code
    more : further sounds, in this order
    copies : what of the source is between the parts

    Raises
    ------
    EncodeError : parts with different stream headers, or a part with a frame between two frame times
    MediaError : the audio is no longer readable
    """
    frames = 0
    parts = iter(parts)
    try:
        with (
            ExitStack() as stack,
            av.open(str(target), "w", format=muxer_of(target.name), options=muxing(target, rate)) as out,
        ):
            if comment:
                out.metadata.update(comment=comment, description=comment)
            first = next(parts, None)
            if first is None:
                raise EncodeError(f"{target.name}: no parts to join")
            data = first.read()
            with _opened(data) as source:
                stream = source.streams.video[0]
                header, delay = stream.codec_context.extradata, stream.codec_context.reorder_depth
                video = copied_stream(out, stream)
            video.time_base = 1 / rate
            video.codec_context.framerate = rate  # not every codec's header has it, and a time code needs it
            if copies is not None and copies.groups.sets is not None:
                video.codec_context.extradata = merged((copies.groups.sets, ParameterSets.of(header)))
                delay = max(delay, copies.groups.delay)
            others: list[Any] = [sound_writer(stack, out, one) for one in (track, *more)]
            others.extend(SubtitleWriter(out, one) for one in side.subtitles)
            write_side_content(out, video, side)
            if out.format.name == "mov":
                name_for_quicktime(out)
            read = chain([Part(first.start, lambda: data)], parts)
            for start, packets in _in_order(read, copies, header, target.name):
                if start != frames:
                    raise EncodeError(f"{target.name}: a part begins at frame {start}, the one before ends at {frames}")
                for packet in packets:
                    stamp(packet, start, frames - delay, rate, video)
                    for other in others:
                        other.write_until(packet.dts / rate + AHEAD_S)
                    out.mux(packet)
                    frames += 1
            for other in others:
                other.write_until(None)
    except av.error.FFmpegError as error:
        raise EncodeError(f"{target.name}: {error}") from error
    return frames


@contextmanager
def _opened(read: bytes | Path) -> Iterator[Any]:
    with av.open(io.BytesIO(read) if isinstance(read, bytes) else str(read)) as source:
        yield source


def _in_order(
    parts: Iterable[Part], copies: Copies | None, header: bytes | None, name: str
) -> Iterator[tuple[int, Iterator[Any]]]:
    """(first frame, packets timed from there) of parts and copied ranges by their first frames."""
    encoded = ((part.start, _encoded(part, header, name)) for part in parts)
    if copies is None or copies.groups.sets is None:
        yield from encoded
        return
    with GroupReader(copies.video, copies.groups.sets) as reader:
        own = ((start, _copied(reader, start, stop, copies.video.rate)) for start, stop in copies.ranges)
        yield from merge(encoded, own, key=itemgetter(0))


def _encoded(part: Part, header: bytes | None, name: str) -> Iterator[Any]:
    with _opened(part.read()) as source:
        stream = source.streams.video[0]
        if stream.codec_context.extradata != header:
            raise EncodeError(
                f"{name}: the part at frame {part.start} was encoded with another header than "
                "the first: mixed encoder versions among the workers. Remove OUT/parts and run again."
            )
        yield from (
            packet for packet in source.demux(stream) if packet.pts is not None
        )  # without the end; Matroska has no decoding times


def _copied(reader: GroupReader, start: int, stop: int, rate: Fraction) -> Iterator[Any]:
    for found in reader.packets(start, stop):
        packet = av.Packet(found.content)
        packet.pts, packet.time_base, packet.is_keyframe = found.number - start, 1 / rate, found.is_key
        yield packet


def name_for_quicktime(container: Any) -> None:
    """Name languages as FFmpeg's table of Macintosh codes has them: by one of the two codes that ISO 639-2 has of some."""
    for stream in container.streams:
        if (language := _MACINTOSH.get(stream.metadata.get("language", ""))) is not None:
            stream.metadata["language"] = language


def muxing(target: Path, rate: Fraction) -> dict[str, str]:
    """Options of FFmpeg's muxer. Of mp4 and mov: durations in fractions of a frame instead of rounded milliseconds; of Matroska: no
    random ids, and times from zero, as it has no decoding times."""
    if muxer_of(target.name) not in ISO_MUXERS:
        return {"fflags": "+bitexact", "avoid_negative_ts": "disabled"}
    a_frame = rate.numerator
    return {"movflags": "+faststart", "movie_timescale": str(a_frame * -(-1000 // a_frame))}


def stamp(packet: Any, start: int, dts: int, rate: Fraction, video: Any) -> None:
    """Set a packet's times to its frame of the video, with decoding number `dts`.

    Parameters
    ----------
    start : the part's first frame
    """
    index = packet.pts * packet.time_base * rate
    if abs(index - round(index)) > packet.time_base * rate:  # Matroska rounds to milliseconds
        raise EncodeError(f"a packet {float(index)} frames after its part's start; expected a whole number")
    packet.pts, packet.dts, packet.duration = start + round(index), dts, 1
    if packet.pts < dts:
        raise EncodeError(
            f"frame {packet.pts} is decoded {dts - packet.pts} frames after it is due; expected fewer B-frames"
        )
    packet.time_base = 1 / rate
    packet.stream = video


def join_committed(
    parts: Iterable[tuple[int, str]],
    frames: int,
    rate: Fraction,
    track: VideoSound | None,
    url: str,
    sources: Iterable[tuple[str, str]] = (),
    comment: str = "",
    finish: Callable[[Path], None] | None = None,
    side: SideContent = NOTHING,
    more: Sequence[VideoSound] = (),
    copies: Copies | None = None,
) -> None:
    """Join committed parts with a sound and commit the video; the parts stay.

    Parameters
    ----------
    parts : (first frame, URL), in order
    frames : expected total
    sources : (URL, identity) of their source files, checked again before the video is committed
    comment, side, more, copies : as for :func:`join`
    finish : called with the file before it is committed

    Raises
    ------
    EncodeError : the number of frames differs
    ChangedError : a source changed
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / storage.name_of(url)
        named = list(parts)
        if len(named) == 1:  # it may be a whole video, which does not belong in memory
            before = Path(scratch) / "before.mp4"
            storage.copy(named[0][1], str(before))
            read = iter([Part(named[0][0], lambda: before)])
        else:
            read = (Part(start, lambda part=part: storage.read_bytes(part)) for start, part in named)  # type: ignore[misc]
        found = join(read, rate, track, path, comment, side, more, copies)
        if found != frames:
            raise EncodeError(f"{storage.name_of(url)}: {found} frames in its parts, {frames} planned")
        if finish is not None:
            finish(path)
        for source, planned in sources:
            check_unchanged(source, planned)
        storage.commit_file(path, url)
