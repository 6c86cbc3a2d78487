"""Rows of work that are a range of a video: for a job that needs no more, and as a base for those that do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import split
from lipsync_ray.settings import SEGMENT_S

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.engine.job import JobRun
    from lipsync_ray.engine.video_pass import VideoState


@dataclass(frozen=True)
class VideoSegment:
    """Frames [start, stop) of a video; what is made of them is committed at `url`.

    Attributes
    ----------
    key : unique in the run
    """

    key: str
    start: int
    stop: int
    url: str
    video: VideoInfo


def video_segments(run: JobRun[Any, Any], state: VideoState, video: VideoInfo) -> list[VideoSegment]:
    """The segments of a video, as long as ``--segment`` says; their names carry the state's fingerprint."""
    return [
        VideoSegment(
            f"{state.id}-{start}", start, stop, run.url("parts", state.id, f"{state.fingerprint}-{start}-{stop}"), video
        )
        for start, stop in split(video.frames, video.rate, run.workers.segment_s or SEGMENT_S)
    ]
