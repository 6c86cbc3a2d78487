"""From a video to its rows of work."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.crop import Pads
from lipsync_ray.io import storage
from lipsync_ray.media.encode import VideoCoding
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import Loop, source_frames
from lipsync_ray.restoration.faces import PARSE_EVERY


@dataclass(frozen=True)
class EnhanceRow:
    """One contiguous range of a video's frames.

    Attributes
    ----------
    key : unique in the run
    item : id of the video
    start, stop : frames [start, stop)
    video : what is enhanced
    table : face table; None where every frame is looked at anew
    chosen : tracks of the table whose faces are restored
    table_frames : frames of the video that the table is of, and how its frames follow from the video's; None where
        they are the same
    scale : size of the video over that of the table's, across and down
    pads, coding : see :class:`~lipsync_ray.settings.DubSettings`
    upscale : 1, or 2 for twice the size
    url : where its part is committed
    moments : frames that are shown before and after, and where their tiles go
    source : the video of which a dub's table is, shown beside it
    """

    key: str
    item: str
    start: int
    stop: int
    video: VideoInfo
    table: str | None
    chosen: tuple[int, ...]
    table_frames: tuple[int, Loop] | None
    scale: tuple[float, float]
    pads: Pads
    coding: VideoCoding
    upscale: int
    url: str
    moments: tuple[tuple[int, str], ...] = ()
    source: VideoInfo | None = None

    def seen(self) -> NDArray[np.int64]:
        """(stop − start,) frame of the table for each frame."""
        frames = np.arange(self.start, self.stop)
        return frames if self.table_frames is None else source_frames(frames, *self.table_frames)


def bounds(frames: int, rate: Fraction, seconds: float) -> list[tuple[int, int]]:
    """[start, stop) of rows of about ``seconds``, each beginning where a new parsed mask does."""
    length = max(1, round(seconds * float(rate) / PARSE_EVERY)) * PARSE_EVERY
    return [(start, min(frames, start + length)) for start in range(0, frames, length)]


def part_name(folder: str, fingerprint: str, start: int, stop: int, kind: str) -> str:
    """Where a row's part is committed; kind is its file's ending."""
    return storage.join(folder, f"{fingerprint}-{start}-{stop}.{kind}")
