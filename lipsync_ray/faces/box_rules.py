"""Crop box of a generator's input: from the detector's box, or by the half-face rule."""

from __future__ import annotations

from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.crop import crop_box
from lipsync_ray.faces.half_face import HalfFace, half_face_box
from lipsync_ray.faces.table import boxes_of, landmarks_of
from lipsync_ray.faces.track import Tracks
from lipsync_ray.media.picture import Box

BoxRule = Pads | HalfFace


def boxes_by(
    rule: BoxRule, tracks: Tracks, chosen: tuple[int, ...], start: int, stop: int, width: int, height: int
) -> list[Box | None]:
    """The crop box of the chosen tracks' face in each frame [start, stop); None without a face."""
    if isinstance(rule, Pads):
        return [crop_box(box, rule, width, height) for box in boxes_of(tracks, chosen, start, stop)]
    return [half_face_box(points, rule, width, height) for points in landmarks_of(tracks, chosen, start, stop)]
