"""When and where a dub's pixels were drawn anew, found from its tables; nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lipsync_ray.errors import LipsyncError
from lipsync_ray.faces.align import extent, similarity
from lipsync_ray.faces.box_rules import boxes_by
from lipsync_ray.faces.mesh import heads_of
from lipsync_ray.faces.mouth_inside import mouth_box
from lipsync_ray.faces.table import landmarks_of, read_table, tracks_of
from lipsync_ray.io.results import Drawn
from lipsync_ray.jobs.dub.animate import shown_head
from lipsync_ray.jobs.dub.plan import Segment
from lipsync_ray.media.picture import Box
from lipsync_ray.provenance.drawn_ranges import around, drawn_ranges
from lipsync_ray.settings import HeadSettings, RestoreSettings


@dataclass(frozen=True)
class Drawing:
    """What is known of how a dub is drawn.

    Attributes
    ----------
    whole : its rows as one, from its first frame to its last
    lips : its model moves lips, rather than drawing a face anew
    head, restore : how a head is animated, and how faces are restored, where that is done
    """

    whole: Segment
    lips: bool
    head: HeadSettings | None
    restore: RestoreSettings | None

    def drawn(self) -> tuple[Drawn, ...] | None:
        """When and where; None where its tables are gone."""
        try:
            if self.head is not None:
                return _head(self.whole, self.head)
            whole_faces = self.restore is not None and self.restore.region == "face"
            return _faces(self.whole, self.lips, _restored(self.whole) if whole_faces else None)
        except (OSError, LipsyncError):
            return None


def _head(whole: Segment, head: HeadSettings) -> tuple[Drawn, ...]:
    _, shown = shown_head(whole.table, whole.chosen, whole.video)
    box = shown.square if head.paste_back else Box(0, 0, head.side, head.side)
    frames = whole.stop - whole.start
    return drawn_ranges([box] * frames, [0] * frames, whole.video.rate)


def _faces(whole: Segment, lips: bool, restored: list[Box | None] | None) -> tuple[Drawn, ...]:
    video = whole.video
    tracks = read_table(whole.table)
    known = boxes_by(whole.box, tracks, whole.chosen, 0, video.frames, video.width, video.height)
    if lips:
        known = _mouths(whole, known)
    if restored is not None:
        known = [a and b and around(a, b) for a, b in zip(known, restored, strict=True)]
    scenes = tracks_of(tracks, whole.chosen, 0, video.frames)
    shown = whole.source_frames().tolist()
    return drawn_ranges([known[frame] for frame in shown], scenes[shown].tolist(), Fraction(video.rate))


def _mouths(whole: Segment, known: list[Box | None]) -> list[Box | None]:
    """What a model that moves lips may change of each source frame."""
    assert whole.mesh is not None
    video = whole.video
    points = whole.mesh.read(0, video.frames).astype(np.float64)
    there = whole.mesh.mouths().tracks >= 0
    width, height = video.width + video.width % 2, video.height + video.height % 2  # pictures have even sides
    out: list[Box | None] = [None] * len(known)
    for frame in np.flatnonzero(there).tolist():
        if known[frame] is not None:
            out[frame] = mouth_box(points[frame], float(heads_of(points[frame][None]).eyes[0]), width, height)
    return out


def _restored(whole: Segment) -> list[Box | None]:
    """What a restored face may cover of each source frame."""
    video = whole.video
    points = landmarks_of(read_table(whole.table), whole.chosen, 0, video.frames)
    return [None if np.isnan(one).any() else extent(similarity(one), video.width, video.height) for one in points]
