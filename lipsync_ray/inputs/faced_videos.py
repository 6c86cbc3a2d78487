"""Source videos whose speaking face is known, and their stretches: what a pass between faces and lips goes through."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.inputs.segments import VideoSegment
from lipsync_ray.io import storage
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import split


@dataclass
class FacedVideo(VideoState):
    """A video of which something is to be made, to `url`: by the face of the `chosen` tracks of `table`, known later."""

    key: str
    video: VideoInfo
    url: str
    table: str = ""
    chosen: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        return self.key


@dataclass(frozen=True)
class FacedRow(VideoSegment):
    """A range of a video, of which the face of the `chosen` tracks of `table` is used."""

    table: str
    chosen: tuple[int, ...]


def faced_rows(video: FacedVideo, folder: str, suffix: str, seconds: float, batch: int = 1) -> list[FacedRow]:
    """The rows of a video, of about so many seconds, in whole batches where that is near; named by their frames."""
    return [
        FacedRow(
            f"{video.key}-{start}",
            start,
            stop,
            storage.join(folder, f"{start}-{stop}{suffix}"),
            video.video,
            video.table,
            video.chosen,
        )
        for start, stop in split(video.video.frames, video.video.rate, seconds, batch)
    ]
