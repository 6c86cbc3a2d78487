"""From videos, audio and settings to rows of work: which output frames, of which source frames, go where.

Everything here is arithmetic on frame numbers; nothing is opened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.blend import Blend
from lipsync_ray.faces.box_rules import BoxRule
from lipsync_ray.faces.parsed import ParsedBlend
from lipsync_ray.inputs.audio_features import Pauses, Speech
from lipsync_ray.media.encode import VideoCoding
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import Loop, source_frames, split
from lipsync_ray.provenance.frame_marks import NO_MARKS, FrameMarks
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.faces import PARSE_EVERY, ROW_S
from lipsync_ray.settings import SEGMENT_S, Length

if TYPE_CHECKING:  # the run, of which workers need not know
    from fractions import Fraction

    from lipsync_ray.jobs.dub.inputs import DubRun, DubState
    from lipsync_ray.jobs.dub.recipe import Recipe
    from lipsync_ray.media.headers import Header


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
    method_input : what the method has made for it: a table of its video, its head's latents
    sight : where it is said in which frames the mouth is visible; of an edit of the source's own frames
    chosen : tracks of the face that speaks
    box : what of a frame is the face
    pauses : in which stretches without a voice the mouth closes
    blend, coding : see :class:`~lipsync_ray.settings.DubSettings`
    url : where its part is committed
    previews : output frames that are shown before and after restoration, and where their tiles go
    marks : what frames get besides what is drawn
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

    @property
    def near(self) -> str:
        """The same for segments that show the same pictures: a worker takes them one after another."""
        return f"{self.table}-{self.start}-{self.stop}"

    @property
    def seen(self) -> tuple[object, ...]:
        """All that decides which faces are cropped: another language shows the same ones."""
        return self.table, self.method_input, self.sight, self.chosen, self.box, self.loop, self.start, self.stop

    def source_frames(self) -> NDArray[np.int64]:
        """(stop − start,) source frame of each output frame."""
        return source_frames(np.arange(self.start, self.stop), self.video.frames, self.loop)


def output_frames(video: VideoInfo | Header, spoken_s: Fraction, length: Length) -> int:
    """How many frames the output has: at least one; as many as begin before the sound ends."""
    spoken = spoken_s * video.rate
    sounding = max(1, -(-spoken.numerator // spoken.denominator))
    if length == "audio" or (video.still and length == "shortest"):
        return sounding
    return video.frames if length == "video" else min(video.frames, sounding)


def ranges(recipe: Recipe, segment_s: float | None, frames: int, rate: Fraction) -> list[tuple[int, int]]:
    """[start, stop) of a dub's segments.

    Parameters
    ----------
    segment_s : seconds of each, where that is asked for
    """
    restored = recipe.settings.restore is not None
    seconds = segment_s or (ROW_S if restored else SEGMENT_S)
    batch = recipe.generator.batch(recipe.batch, recipe.device)
    return split(frames, rate, seconds, batch, PARSE_EVERY if restored else 1)


def ranges_of(run: DubRun, dub: DubState) -> list[tuple[int, int]]:
    """[start, stop) of a dub's rows, which cover all of its output frames."""
    assert dub.info is not None
    assert dub.speech is not None
    frames = output_frames(dub.info, dub.speech.duration_s, run.settings.length)
    return ranges(run.recipe, run.workers.segment_s, frames, dub.info.rate)


def marks_of(run: DubRun, dub: DubState) -> FrameMarks:
    """What a dub's frames get besides what is drawn."""
    return run.recipe.marks.on(dub.id, dub.fingerprint, dub.label)


def segments(run: DubRun, dub: DubState) -> list[Segment]:
    """The rows of a dub; who speaks may not be known yet, where they are only counted."""
    assert dub.info is not None
    assert dub.speech is not None
    settings = run.settings
    bounds = ranges_of(run, dub)
    dub.frames = bounds[-1][1]
    folder = run.url(previews.FOLDER)
    frames = previews.preview_frames(dub.frames) if settings.restore else ()
    shown = [(frame, previews.row_url(folder, dub.id, frame)) for frame in frames]
    marks = marks_of(run, dub)
    return [
        Segment(
            key=f"{dub.id}-{start}",
            dub=dub.id,
            start=start,
            stop=stop,
            video=dub.info if settings.decoder == "cpu" else replace(dub.info, decoder=settings.decoder),
            speech=dub.speech,
            loop=settings.loop,
            table=dub.table,
            method_input=dub.method_input,
            sight=dub.sight,
            chosen=dub.speaker.chosen if dub.speaker else (),
            box=run.recipe.method.box,
            pauses=run.recipe.pauses,
            blend=settings.blend or "feather",
            coding=settings.coding,
            url=run.url("parts", dub.id, f"{dub.fingerprint}-{start}-{stop}.mp4"),
            previews=tuple((frame, url) for frame, url in shown if start <= frame < stop),
            marks=marks,
        )
        for start, stop in bounds
    ]
