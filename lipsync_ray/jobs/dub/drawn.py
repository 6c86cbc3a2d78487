"""When and where a dub's pixels were drawn anew, found from its tables; nothing is decoded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from lipsync_ray.faces.align import extent, similarity
from lipsync_ray.faces.box_rules import boxes_by
from lipsync_ray.faces.table import landmarks_of, read_table, tracks_of
from lipsync_ray.io.results import Drawn
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.media.picture import Box
from lipsync_ray.provenance.drawn_ranges import around, drawn_ranges

Boxes = list[Box | None]
"""Of each source frame what may be drawn in it."""


def drawn_in(where: Callable[[Segment], tuple[Drawn, ...]], faces: tuple[Segment, ...]) -> tuple[Drawn, ...]:
    """When and where each face of a dub was drawn, by their beginnings."""
    return tuple(sorted((one for face in faces for one in where(face)), key=lambda one: one.start_s))


def drawn_faces(
    whole: Segment, restored: bool, narrow: Callable[[Segment, Boxes], Boxes] | None = None
) -> tuple[Drawn, ...]:
    """When and where a dub's faces were drawn into its source's frames.

    Parameters
    ----------
    whole : its rows as one, from its first frame to its last
    restored : whole faces were restored, too
    narrow : what of the boxes of faces the model draws; None for all of them
    """
    video = whole.video
    tracks = read_table(whole.table)
    known = boxes_by(whole.box, tracks, whole.chosen, 0, video.frames, video.width, video.height)
    if (spoken := whole.spoken) is not None:
        known = [box if speaks else None for box, speaks in zip(known, spoken.tolist(), strict=True)]
    if narrow is not None:
        known = narrow(whole, known)
    if restored:
        known = [a and b and around(a, b) for a, b in zip(known, _restored(whole), strict=True)]
    scenes = tracks_of(tracks, whole.chosen, 0, video.frames)
    shown = whole.source_frames().tolist()
    return drawn_ranges([known[frame] for frame in shown], scenes[shown].tolist(), Fraction(video.rate))


def _restored(whole: Segment) -> Boxes:
    """What a restored face may cover of each source frame."""
    video = whole.video
    points = landmarks_of(read_table(whole.table), whole.chosen, 0, video.frames)
    return [None if np.isnan(one).any() else extent(similarity(one), video.width, video.height) for one in points]
