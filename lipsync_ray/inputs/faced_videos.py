"""Source videos whose speaking faces are known, and their stretches: what a pass between faces and lips goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.inputs.segments import VideoSegment
from lipsync_ray.io import storage
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import split


@dataclass(frozen=True)
class FacedPerson:
    """A person of a video: its tracks in the face table, and the URL of what is made of its face."""

    chosen: tuple[int, ...]
    url: str


@dataclass
class FacedVideo(VideoState):
    """A video of which something is made, one table a person. `table` (of its faces) and the persons' tracks are known later."""

    key: str
    video: VideoInfo
    persons: tuple[FacedPerson, ...]
    table: str = ""

    @property
    def id(self) -> str:
        return self.key


@dataclass(frozen=True)
class FacedRow(VideoSegment):
    """A range of a video. What is made of each person's face is committed at that person's URL; `url` is the last one's."""

    table: str
    persons: tuple[FacedPerson, ...]

    @property
    def chosen(self) -> tuple[int, ...]:
        """Tracks of the only person of the row; see :meth:`each`."""
        (person,) = self.persons
        return person.chosen

    def each(self) -> Iterator[FacedRow]:
        """The row for each person alone."""
        return (replace(self, persons=(person,), url=person.url) for person in self.persons)


def faced_rows(
    video: FacedVideo, folder_of: Callable[[FacedPerson], str], suffix: str, seconds: float, batch: int = 1
) -> list[FacedRow]:
    """The rows of a video, of about `seconds` each, in whole batches where possible.

    Parameters
    ----------
    folder_of : a person of the video ↦ folder of the rows' files, which are named by their frames
    """
    rows = []
    for start, stop in split(video.video.frames, video.video.rate, seconds, batch):
        name = f"{start}-{stop}{suffix}"
        persons = tuple(FacedPerson(one.chosen, storage.join(folder_of(one), name)) for one in video.persons)
        rows.append(FacedRow(f"{video.key}-{start}", start, stop, persons[-1].url, video.video, video.table, persons))
    return rows
