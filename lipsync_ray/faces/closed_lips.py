"""Closes lips: displacements that make them meet or keep them apart, and rendering of the line between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.faces.mesh import CHIN_INDICES, LIPS, LOWER_INNER, RING, SPEAKING, UPPER_INNER, Heads
from lipsync_ray.faces.mouth_inside import halved
from lipsync_ray.media.picture import Box

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

LEAST_OPEN = 0.05  # lip gap in eye distances of a mouth that sounds open, at least
PARTED = 0.012  # lip gap in eye distances, from which the inside of the mouth is fully visible
_LOWER_PART, _CHIN_PART = 0.7, 0.35  # share of the closing movement by the lower lip, and by the chin
_LINE = 0.05  # eye distances around the line between closed lips
_CREASE = 0.35  # brightness that the line loses if the lips were apart
_MIDDLE = np.sin(np.linspace(0, np.pi, 11)) ** 0.5  # of the mouth's corners, 0, and its middle, 1
_OVERLAP, _APART = 0.12, 0.1  # overlap as a part of the gap, and largest gap, in eye distances, that counts
# Log odds of closed lips: from the first of a pair to the second, lips are kept apart more and more, or brought together.
_UNSURE, _OPEN = 0.6, -0.2
_TOUCHING, _SHUT = 0.4, 1.0


def closings(odds: F32) -> F32:
    """(n,) float32 how far lips are to meet, 0 to 1, or to be kept apart, to −1, for (n,) log odds that they are closed."""
    apart, together = (
        smoothstep((odds - begin) / np.float32(end - begin)) for begin, end in ((_UNSURE, _OPEN), (_TOUCHING, _SHUT))
    )
    return np.asarray(together - apart, np.float32)


def uncrossed(own: F64, moved: F64, heads: Heads) -> F64:
    """Correct displacements so that the lower lip's inner edge is not above the upper one's: they meet halfway."""
    down = _down(heads)
    target = own + moved
    upper, lower = list(UPPER_INNER)[1:-1], list(LOWER_INNER)[1:-1]
    crossed = np.minimum(((target[lower] - target[upper]) * down).sum(-1), 0)[:, None] * down / 2
    moved = moved.copy()
    moved[upper] += crossed
    moved[lower] -= crossed
    return moved


def meeting(own: F64, moved: F64, heads: Heads, silence: float) -> F64:
    """Add displacements that bring the lips' inner edges together in proportion to `silence`; at 1 they meet.

    The lower lip and the chin move most, as with a jaw. Lips that were apart overlap slightly at the end, because
    landmarks are inexact and no teeth should remain visible.
    """
    down, eyes = _down(heads), float(heads.eyes[0])
    target = own + moved
    gaps = ((target[list(LOWER_INNER)] - target[list(UPPER_INNER)]) * down).sum(-1)
    was = ((own[list(LOWER_INNER)] - own[list(UPPER_INNER)]) * down).sum(-1)
    moved = moved.copy()
    steps = silence * (np.maximum(gaps, 0) + _OVERLAP * np.clip(was, 0, eyes * _APART) * _MIDDLE)
    for ring in range(len(LIPS) // RING):
        moved[ring * RING + 1 : ring * RING + 10] -= _LOWER_PART * steps[1:-1, None] * down
        moved[ring * RING + 11 : (ring + 1) * RING] += (1 - _LOWER_PART) * steps[1:-1, None] * down
    moved[list(CHIN_INDICES)] -= _CHIN_PART * silence * max(0.0, float(gaps[len(gaps) // 2])) * down
    return moved


def parting(own: F64, moved: F64, heads: Heads, openness: float) -> F64:
    """Add displacements that keep the lips' inner edges apart, by :data:`LEAST_OPEN` × `openness` at their middle.

    Lips that are as far apart already are unchanged.
    """
    target = own + moved
    lacking = openness * LEAST_OPEN - gap_between(target, heads)
    if lacking <= 0:
        return moved
    steps = float(heads.eyes[0]) * lacking * _MIDDLE[1:-1, None] * _down(heads)
    moved = moved.copy()
    for ring in range(len(LIPS) // RING):
        moved[ring * RING + 1 : ring * RING + 10] += _LOWER_PART * steps
        moved[ring * RING + 11 : (ring + 1) * RING] -= (1 - _LOWER_PART) * steps
    moved[list(CHIN_INDICES)] += _CHIN_PART * float(heads.eyes[0]) * lacking * _down(heads)
    return moved


def gap_between(target: F64, heads: Heads) -> float:
    """Gap between the lips at their middle, in eye distances; negative if they overlap."""
    apart = target[SPEAKING.index(14)] - target[SPEAKING.index(13)]
    return float(apart @ _down(heads)) / float(heads.eyes[0])


def _down(heads: Heads) -> F64:
    """(2,) unit vector towards the chin, in the picture."""
    down = np.array([(1j / heads.turn[0]).real, (1j / heads.turn[0]).imag])
    return np.asarray(down / np.linalg.norm(down), np.float64)


def line_box(target: F64, eyes: float, box: Box) -> Box:
    """Even box around the line between the lips, inside `box`."""
    line = target[[*UPPER_INNER, *LOWER_INNER]]
    low, high = np.floor(line.min(0) - _LINE * eyes).astype(int), np.ceil(line.max(0) + _LINE * eyes).astype(int)
    return Box(max(box.x0, low[0]), max(box.y0, low[1]), min(box.x1, high[0]), min(box.y1, high[1])).even()


def _between(corners: F64, box: Box) -> F32:
    """(h, w) 1 in the middle between two corners, 0 at them and beyond."""
    along = (corners[1] - corners[0]) / max(1e-6, float(((corners[1] - corners[0]) ** 2).sum()))
    x, y = np.arange(box.x0, box.x1) + 0.5, np.arange(box.y0, box.y1) + 0.5
    position = (x - corners[0, 0]) * along[0] + ((y - corners[0, 1]) * along[1])[:, None]
    return np.asarray(np.clip(6 * np.minimum(position, 1 - position), 0, 1), np.float32)


def join(
    planes: list[F32], two: list[list[F32]], above: F32, strip: Box, box: Box, part: float, was: float, corners: F64
) -> None:
    """Join the upper and lower lip in a strip of the planes: each side's own pixels up to the line, nothing of the
    inside.

    Parameters
    ----------
    two : the strip's planes warped by the field above the line, and by the one below
    above : (h, w) weight of the first
    part : strength of the effect
    was : previous gap between the lips, in eye distances; the line is darkened accordingly
    corners : (2, 2) current inner corners of the mouth
    """
    crease = float(np.clip(was / _APART, 0, 1)) * _between(corners, strip)
    line = 1 - crease * _CREASE * 4 * above * (1 - above)
    for position, (plane, up, down) in enumerate(zip(planes, *two, strict=True)):
        step = 1 if position == 0 else 2
        rows = slice((strip.y0 - box.y0) // step, (strip.y1 - box.y0) // step)
        target = plane[rows, (strip.x0 - box.x0) // step : (strip.x1 - box.x0) // step]
        weight = above if position == 0 else halved(above)
        joined = down + weight * (up - down)
        target += part * ((joined * line if position == 0 else joined) - target)
