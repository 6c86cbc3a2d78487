"""Probes a video: size, rate, number of frames and properties, decoding only its first second or two.

All packets are read once for their timestamps, which give the exact number of frames, the true rate and the end of the
last frame; headers may be wrong. The first frames are decoded to check whether the timestamps are reliable.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any, Literal

import av
import av.error

from lipsync_ray.errors import ProbeError
from lipsync_ray.media import notes, stills, tone
from lipsync_ray.media.choices import Decoder, Deinterlace
from lipsync_ray.media.container import kinds, main_stream, opened, packets_of
from lipsync_ray.media.deinterlace import frames_of_each
from lipsync_ray.media.frame_colour import colour_of
from lipsync_ray.media.light import HdrLight, light_of
from lipsync_ray.media.orientation import Orientation, of_frame
from lipsync_ray.media.picture import Colour
from lipsync_ray.media.stamps import DEFAULT_RATE, FASTEST, Stamps, nearest, pick_rate, read_stamps

DEFAULT_STILL_RATE = DEFAULT_RATE
CHECKED_FRAMES = 48  # first frames, decoded to check that their times are in presentation order
MISSING_S = 10  # seconds of missing frames that are tolerated …
MISSING_SHARE = 3  # … or this many missing frames per existing one; beyond both, the times are rejected

Order = Literal["stamps", "joined", "count"]


@dataclass(frozen=True)
class VideoInfo:
    """A video as displayed: upright, at a constant rate, with frames numbered from 0.

    Attributes
    ----------
    url : where it is
    width, height : pixels, after rotation; as stored, so possibly odd; a large still picture is shrunk to these
    rotation : degrees to turn the stored pictures counter-clockwise to have them upright: 0, 90, 180 or 270
    rate : frames/s of the frame grid: the stream's own, or its nominal rate if it varies; twice that where fields are shown
    frames : number of frames on that grid
    origin : pts of the first visible frame, in units of `time_base`
    time_base : seconds per unit of the stream's timestamps
    codec, pixel_format : FFmpeg's names
    varies : whether the interval between frames varies
    still : a single picture, to be shown for any duration
    pixel_aspect : width of a pixel over its height
    colour : of the decoded frames
    has_audio : whether the file has an audio stream too
    mirrored : whether left and right are swapped after the rotation
    interlaced : whether frames consist of two fields; decoding deinterlaces them
    deinterlace : how; "estdif" of what is not interlaced
    order : what numbers the frames: "stamps", their times; "joined", their times on a clock that is reset at `joins`;
        "count", decoding order, because times are missing or wrong
    joins : (ordinal of the packet, units to add to times from there on) of each reset
    notes : warnings about what cannot be kept, one sentence each
    decoder : "cpu" or "cuda"
    content : identity of the file (:mod:`lipsync_ray.io.identity`), checked whenever it is opened; empty: any
    transparent : whether any of it is
    light : mastering display and content light level
    native : format in which decoded pictures also carry their own samples; empty: they do not
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
    mirrored: bool = False
    interlaced: bool = False
    deinterlace: Deinterlace = "estdif"
    order: Order = "stamps"
    joins: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()
    decoder: Decoder = "cpu"
    content: str = ""
    transparent: bool = False
    light: HdrLight | None = None
    native: str = ""

    @property
    def hdr(self) -> tone.Hdr:
        """Its transfer, where that is PQ or HLG."""
        return tone.hdr_of(self.colour)

    @property
    def picture(self) -> bool:
        """Whether the file is a still picture without sound."""
        return self.still and not self.has_audio

    @property
    def duration_s(self) -> Fraction:
        """Seconds from the first frame's start to the last one's end."""
        return self.frames / self.rate

    @property
    def origin_s(self) -> Fraction:
        """Time of the first frame on the file's clock, in seconds."""
        return self.origin * self.time_base

    @property
    def orientation(self) -> Orientation:
        return Orientation(self.rotation, self.mirrored)

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) of decoded frames before rotation."""
        return (self.height, self.width) if self.orientation.swaps_sides else (self.width, self.height)


def probe_video(
    url: str, still_rate: Fraction = DEFAULT_STILL_RATE, content: str = "", deinterlace: Deinterlace = "estdif"
) -> VideoInfo:
    """Probe a video or a picture.

    Parameters
    ----------
    url : path or fsspec URL
    still_rate : frames/s given to a single picture
    content : expected identity of the file; empty: any
    deinterlace : how an interlaced one becomes progressive

    Raises
    ------
    ProbeError : unreadable, without a picture stream, truncated, or with implausible times
    ChangedError : the content differs
    """
    with opened(url, planned=content) as container:
        stream = _picture_stream(container, url)
        stamps = read_stamps(container, stream)
        container_notes = notes.of_container(container, stream, stamps)
        if not stamps.packets:
            raise ProbeError(f"{url}: no frames in its {stream.codec_context.name} stream")
        still = stamps.packets == 1 or stills.is_jpeg_name(url)
        picture = still and stills.is_picture_format(container.format.name)
        missing = stream.frames - stamps.packets - stamps.hidden
        if not still and missing > max(2, stream.frames // 100):
            raise ProbeError(f"{url}: cut off: {stream.frames} frames declared, {stamps.packets + stamps.hidden} there")
    orientation = stills.read_whole(url) if picture else None
    with opened(url, planned=content) as container:
        stream = main_stream(container)
        first = _FirstFrames(url, container, stream)
        counted = (
            not stamps.has_times or not first.rising or (not still and stills.is_picture_format(container.format.name))
        )
        order: Order = "count" if counted else "joined" if stamps.joins else "stamps"
        if still:
            rate, frames, varies = still_rate, 1, False
        elif order == "count":
            rate = pick_rate([], stamps.time_base, stream.guessed_rate, stream.average_rate)
            frames, varies = first.count_all(), False
        else:
            rate, frames, varies = _grid(url, stamps, stream)
        interlaced = first.interlaced and not still
        how: Deinterlace = deinterlace if interlaced else "estdif"
        each = frames_of_each(how)
        orientation = orientation or of_frame(first.frame, url)
        stored = first.frame.width, first.frame.height
        size = stills.playable_size(*stored) if picture else stored
        width, height = size[::-1] if orientation.swaps_sides else size
        aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        return VideoInfo(
            url=url,
            width=width,
            height=height,
            rotation=orientation.rotation,
            rate=rate * each,
            frames=frames * each,
            origin=stamps.times[0] if stamps.times else 0,
            time_base=stamps.time_base,
            codec=stream.codec_context.name,
            pixel_format=first.frame.format.name,
            varies=varies,
            still=still,
            pixel_aspect=1 / aspect if orientation.swaps_sides else aspect,
            colour=colour_of(first.frame, stream),
            has_audio=bool(container.streams.audio),
            mirrored=orientation.mirrored,
            interlaced=interlaced,
            deinterlace=how,
            order=order,
            joins=stamps.joins if order == "joined" else (),
            notes=(
                *container_notes,
                *notes.of_side_content(container, stream, "stamps" if still else order, rate * each),
                *notes.of_order(order, len(stamps.joins), frames, rate),
                *notes.of_frames(first.frame, stream, how if interlaced else None),
                *notes.of_size(stored, size),
            ),
            content=content,
            transparent=notes.shows_ground(first.frame, stream),
            light=light_of(first.frame),
        )


def _picture_stream(container: Any, url: str) -> Any:
    stream = main_stream(container)
    if stream is None:
        raise ProbeError(f"{url}: no video stream in it (streams: {kinds(container)})")
    if stream.disposition & av.stream.Disposition.dependent:
        count = len(container.streams.video)
        raise ProbeError(
            f"{url}: a picture made of {count} tiles, which are not put together here; make it a JPEG first"
        )
    return stream


def _grid(url: str, stamps: Stamps, stream: Any) -> tuple[Fraction, int, bool]:
    """(rate, number of frames, whether their interval varies) of a stream with reliable times.

    Raises
    ------
    ProbeError : its times are implausible
    """
    times, time_base = stamps.times, stamps.time_base
    rate = pick_rate(times, time_base, stream.guessed_rate, stream.average_rate)
    if rate > FASTEST:
        raise ProbeError(
            f"{url}: its frames are {float(1 / rate):.2g} s apart, which is no frame rate; give it true times: "
            "ffmpeg -i IN -vf setpts=N/25/TB -r 25 OUT"
        )
    frames = nearest((times[-1] - times[0]) * time_base * rate)
    frames += max(1, nearest((stamps.last_duration or 0) * time_base * rate))
    if frames - stamps.packets > max(int(MISSING_S * rate), MISSING_SHARE * stamps.packets):
        raise ProbeError(
            f"{url}: its times span {float((times[-1] - times[0]) * time_base):.0f} s, which is {frames} frames at "
            f"{float(rate):.4g} frames/s, but it holds {stamps.packets}; give it true times: "
            "ffmpeg -i IN -vf setpts=N/25/TB -r 25 OUT"
        )
    steps = [b - a for a, b in pairwise(times)]
    return rate, frames, (max(steps) - min(steps)) * time_base > Fraction(1, 2) / rate


class _FirstFrames:
    """Decodes the first frames of a stream and checks them.

    Attributes
    ----------
    frame : the first frame
    rising : whether times increase in the decoder's output order
    interlaced : whether any frame is
    """

    def __init__(self, url: str, container: Any, stream: Any) -> None:
        stream.thread_type = "AUTO"
        self._frames = _decoded(url, container, stream)
        self.frame: Any = None
        self.rising, self.interlaced = True, False
        before: int | None = None
        self._count = 0
        for frame in islice(self._frames, CHECKED_FRAMES):
            self._count += 1
            self.frame = self.frame if self.frame is not None else frame
            self.interlaced |= frame.interlaced_frame
            if frame.pts is not None:
                self.rising &= before is None or frame.pts > before
                before = frame.pts
        if self.frame is None:
            raise ProbeError(f"{url}: not one {stream.codec_context.name} frame can be decoded")

    def count_all(self) -> int:
        """Decode the stream to its end and count its frames."""
        return self._count + sum(1 for _ in self._frames)


def _decoded(url: str, container: Any, stream: Any) -> Any:
    """Decode frames until the end; after the first one, damaged packets are skipped."""
    found, reason = False, None
    try:
        for _, decode in packets_of(container, stream):
            try:
                for frame in decode():
                    found = True
                    yield frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                reason = error
    except av.error.FFmpegError as error:
        reason = error
    if not found and reason is not None:
        raise ProbeError(f"{url}: its {stream.codec_context.name} frames cannot be decoded: {reason.strerror}")
