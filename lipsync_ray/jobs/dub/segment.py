"""A segment of a dub: which output frames, of which source frames, go where. Arithmetic on frame numbers; nothing is opened."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.box_rules import BoxRule
from lipsync_ray.faces.choices import Blend, ParsedBlend
from lipsync_ray.inputs.audio_features import Pauses, Speech
from lipsync_ray.inputs.speakers import Spans, flags_of
from lipsync_ray.media.choices import Loop, VideoCoding
from lipsync_ray.media.headers import Header
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import source_frames
from lipsync_ray.provenance.frame_marks import NO_MARKS, FrameMarks
from lipsync_ray.settings import Length


@dataclass(frozen=True)
class Segment:
    """One contiguous range of a dub's output frames, and one face that is drawn in it.

    Attributes
    ----------
    key : unique in the run
    dub : id of the dub
    start, stop : output frames [start, stop)
    video : the source
    speech : what is said
    loop : which source frame an output frame shows
    table : the video's face table
    method_input : what the method has made for it: a table of its video, its head's latents
    sight : where it is said in which frames the mouth is visible; of an edit of the source's own frames
    chosen : tracks of the face that speaks
    box : what of a frame is the face
    pauses : in which stretches without a voice the mouth closes
    blend, coding : see :class:`~lipsync_ray.settings.DubSettings`
    url : where its part is committed
    previews : output frames that are shown before and after restoration, and where their tiles go
    marks : what frames get besides what is drawn
    spans : source frames in which the face is drawn; None for all
    sets_id : id of its part's H.264 parameter sets
    """

    key: str
    dub: str
    start: int
    stop: int
    video: VideoInfo
    speech: Speech
    loop: Loop
    table: str
    method_input: Any
    sight: str
    chosen: tuple[int, ...]
    box: BoxRule
    pauses: Pauses
    blend: Blend | ParsedBlend
    coding: VideoCoding
    url: str
    previews: tuple[tuple[int, str], ...] = ()
    marks: FrameMarks = NO_MARKS
    spans: Spans | None = None
    sets_id: int = 0

    @property
    def near(self) -> str:
        """The same for segments that show the same pictures: a worker takes them one after another."""
        return f"{self.table}-{self.start}-{self.stop}"

    @property
    def crop_key(self) -> tuple[object, ...]:
        """All that decides which faces are cropped: another language shows the same ones."""
        face = self.table, self.method_input, self.sight, self.chosen, self.spans, self.box
        return *face, self.loop, self.start, self.stop

    @property
    def spoken(self) -> NDArray[np.bool_] | None:
        """(source frames,) bool: the person speaks; None where that is so in all."""
        return None if self.spans is None else flags_of(self.spans, self.video.frames)

    def source_frames(self) -> NDArray[np.int64]:
        """(stop − start,) source frame of each output frame."""
        return source_frames(np.arange(self.start, self.stop), self.video.frames, self.loop)


@dataclass(frozen=True)
class SegmentFaces:
    """A row of work: a segment for each face that is drawn in a range of output frames; at least one."""

    faces: tuple[Segment, ...]

    @property
    def key(self) -> str:
        return self.faces[0].key

    @property
    def start(self) -> int:
        return self.faces[0].start

    @property
    def stop(self) -> int:
        return self.faces[0].stop

    @property
    def url(self) -> str:
        return self.faces[0].url

    @property
    def near(self) -> str:
        return self.faces[0].near


def output_frames(video: VideoInfo | Header, spoken_s: Fraction, length: Length) -> int:
    """How many frames the output has: at least one; as many as begin before the sound ends."""
    spoken = spoken_s * video.rate
    sounding = max(1, -(-spoken.numerator // spoken.denominator))
    if length == "audio" or (video.still and length == "shortest"):
        return sounding
    return video.frames if length == "video" else min(video.frames, sounding)
