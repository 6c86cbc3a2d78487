"""Reads file headers without decoding: enough to estimate work; wrong if the header is."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from lipsync_ray.errors import ProbeError
from lipsync_ray.media import tone
from lipsync_ray.media.choices import Deinterlace
from lipsync_ray.media.container import kinds, main_stream, opened
from lipsync_ray.media.deinterlace import frames_of_each
from lipsync_ray.media.stamps import pick_rate
from lipsync_ray.media.stills import is_picture_format

_PROGRESSIVE = 1  # FFmpeg's AV_FIELD_PROGRESSIVE; 0 is unknown, all others are orders of fields
MICROSECONDS = Fraction(1, av.time_base)


@dataclass(frozen=True)
class Header:
    """Data from a file's header.

    Attributes
    ----------
    codec : FFmpeg's name of the picture's codec
    megapixels : of a frame, as stored
    rate : frames/s of the frame grid, as far as the header has it
    frames : approximate number on that grid; 1 for a still picture
    still : a single picture
    pixel_format : FFmpeg's name; "" where the header has none
    hdr : PQ or HLG
    deinterlace : how an interlaced video becomes progressive; "estdif" of what is not interlaced
    """

    codec: str = ""
    megapixels: float = 0.0
    rate: Fraction = Fraction(0)
    frames: int = 0
    still: bool = False
    pixel_format: str = ""
    hdr: bool = False
    deinterlace: Deinterlace = "estdif"


def read_video(url: str, still_rate: Fraction, deinterlace: Deinterlace = "estdif") -> Header:
    """The header of a video or picture.

    Parameters
    ----------
    still_rate : frames/s given to a picture
    deinterlace : how an interlaced video becomes progressive

    Raises
    ------
    ProbeError : missing, not a media file, or without a picture
    """
    with opened(url) as container:
        stream = main_stream(container)
        if stream is None:
            raise ProbeError(f"{url}: no video in it (streams: {kinds(container)})")
        how: Deinterlace = deinterlace if stream.codec_context.field_order > _PROGRESSIVE else "estdif"
        each = frames_of_each(how)
        rate = each * pick_rate([], stream.time_base, stream.guessed_rate, stream.average_rate)
        frames = round(_seconds(stream, container) * rate) or each * stream.frames
        still = is_picture_format(container.format.name) and frames <= 1
        size = stream.codec_context.width * stream.codec_context.height / 1e6
        context = stream.codec_context
        form, hdr = context.pix_fmt or "", context.color_trc in (tone.PQ, tone.HLG)
        if still:
            return Header(context.name, size, still_rate, 1, True, form, hdr)
        return Header(context.name, size, Fraction(rate), max(1, frames), False, form, hdr, how)


def read_sound(url: str) -> Fraction:
    """Seconds of a file's sound.

    Raises
    ------
    ProbeError : missing, not a media file, or without sound
    """
    with opened(url) as container:
        if not container.streams.audio:
            raise ProbeError(f"{url}: no audio in it (streams: {kinds(container)})")
        return _seconds(container.streams.audio[0], container)


def _seconds(stream: Any, container: Any) -> Fraction:
    """Duration of a stream, or of the whole file if the stream has none."""
    if stream.duration:
        return Fraction(stream.duration * stream.time_base)
    return (container.duration or 0) * MICROSECONDS
