"""A distinct video, looked at once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lipsync_ray.media.choices import Deinterlace
from lipsync_ray.media.probe import VideoInfo, probe_video


@dataclass(frozen=True)
class VideoSource:
    """A video to look at.

    Attributes
    ----------
    key : changes with its content
    still_rate : frames/s, of a picture
    content : identity of the file; empty: any
    deinterlace : how an interlaced one becomes progressive
    """

    url: str
    key: str
    still_rate: Fraction
    content: str = ""
    deinterlace: Deinterlace = "estdif"


def probe(source: VideoSource) -> VideoInfo:
    """Probe a video.

    Raises
    ------
    ProbeError : not a readable video
    ChangedError : the file is another one by now
    """
    return probe_video(source.url, source.still_rate, source.content, source.deinterlace)
