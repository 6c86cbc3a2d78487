"""From videos, audio and settings to rows of work: which output frames, of which source frames, go where.

Everything here is arithmetic on frame numbers; nothing is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.blend import Blend
from lipsync_ray.faces.crop import Pads
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.media.encode import VideoCoding
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import Loop, source_frames
from lipsync_ray.settings import Length


@dataclass(frozen=True)
class Segment:
    """One contiguous range of a dub's output frames.

    Attributes
    ----------
    key : unique in the run
    dub : id of the dub
    start, stop : output frames [start, stop)
    video : the source
    speech : what is said
    loop : which source frame an output frame shows
    table : the video's face table
    chosen : tracks of the face that speaks
    pads, blend, coding : see :class:`~lipsync_ray.settings.DubSettings`
    url : where its part is committed
    moments : output frames that are shown before and after restoration, and where their tiles go
    """

    key: str
    dub: str
    start: int
    stop: int
    video: VideoInfo
    speech: Speech
    loop: Loop
    table: str
    chosen: tuple[int, ...]
    pads: Pads
    blend: Blend
    coding: VideoCoding
    url: str
    moments: tuple[tuple[int, str], ...] = ()

    def source_frames(self) -> NDArray[np.int64]:
        """(stop − start,) source frame of each output frame."""
        return source_frames(np.arange(self.start, self.stop), self.video.frames, self.loop)

    def shown_at(self, place: int) -> str | None:
        """Where the tiles of a frame go, counted from the segment's start; None of one that is not shown."""
        return dict(self.moments).get(self.start + place)


def output_frames(video: VideoInfo, speech: Speech, length: Length) -> int:
    """How many frames the output has: at least one; as many as begin before the sound ends."""
    spoken = speech.duration_s * video.rate
    sounding = max(1, -(-spoken.numerator // spoken.denominator))
    if length == "audio" or (video.still and length == "shortest"):
        return sounding
    return video.frames if length == "video" else min(video.frames, sounding)


def segment_bounds(frames: int, rate: Fraction, seconds: float, batch: int, multiple: int = 1) -> list[tuple[int, int]]:
    """[start, stop) of segments of about ``seconds``; a multiple of the generator's batch where that is within a third.

    Parameters
    ----------
    multiple : that every segment begins at
    """
    length = max(1, round(seconds * float(rate)))
    rounded = round(length / batch) * batch
    if rounded and abs(rounded - length) <= length / 3:
        length = rounded
    length = max(1, round(length / multiple)) * multiple
    return [(start, min(frames, start + length)) for start in range(0, frames, length)]
