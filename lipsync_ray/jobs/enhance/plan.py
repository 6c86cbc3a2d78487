"""From a video to its rows of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.choices import Pads
from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.media.choices import Loop, VideoCoding
from lipsync_ray.media.codecs import part_name
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import source_frames, split
from lipsync_ray.provenance.frame_marks import NO_MARKS, FrameMarks
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.faces import PARSE_EVERY, ROW_S

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.jobs.enhance.inputs import EnhanceRun, EnhanceState


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
    previews : frames that are shown before and after, and where their tiles go
    source : the video of which a dub's table is, shown beside it
    marks : what frames get besides what is drawn
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
    previews: tuple[tuple[int, str], ...] = ()
    source: VideoInfo | None = None
    marks: FrameMarks = NO_MARKS

    @property
    def sets_id(self) -> int:
        """Id of its part's H.264 parameter sets."""
        return 0

    def table_rows(self) -> NDArray[np.int64]:
        """(stop − start,) frame of the table for each frame."""
        frames = np.arange(self.start, self.stop)
        return frames if self.table_frames is None else source_frames(frames, *self.table_frames)


def rows_of(run: EnhanceRun, state: EnhanceState) -> list[EnhanceRow]:
    """The rows of one video; whose faces may not be known yet, where they are only counted."""
    info, item, source = state.info, state.item, state.source
    assert info is not None
    loop = None if source is None or item.loop is None else (source.frames, item.loop)
    size = (info.width, info.height) if source is None else (source.width, source.height)
    scale = (info.width / (size[0] + size[0] % 2), info.height / (size[1] + size[1] % 2)) if source else (1.0, 1.0)
    folder, coding = run.url(previews.FOLDER), run.settings.coding

    def name(start: int, stop: int) -> str:
        key = f"{key_of_pictures(state.fingerprint, info)}-{start}-{stop}"
        return f"{key}.png" if info.picture else part_name(key, coding)

    shown = [(frame, previews.row_url(folder, item.id, frame)) for frame in previews.preview_frames(info.frames)]
    kept = info if info.picture else keeping(info, coding)
    return [
        EnhanceRow(
            f"{item.id}-{start}", item.id, start, stop, kept, state.table, state.chosen, loop, scale, item.pads,
            coding, run.settings.upscale, run.url("parts", item.id, name(start, stop)),
            tuple((frame, url) for frame, url in shown if start <= frame < stop), source, run.marks_of(state),
        )
        for start, stop in split(info.frames, info.rate, run.workers.segment_s or ROW_S, multiple=PARSE_EVERY)
    ]  # fmt: skip
