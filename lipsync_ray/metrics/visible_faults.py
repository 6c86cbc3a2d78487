"""What a viewer sees at once in a dub: a seam, flicker, a colour cast, a picture of something else.

`light_of`, `change` and `edges` compare one frame with its reference; `flicker`, `seam` and `seconds` combine frames.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8, Box, YuvFrame
from lipsync_ray.metrics.image import mouth_region

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

FEWEST = 5  # frames of which a median tells a seam from moving lips
SECOND = 25  # frames of the grid
_SAMPLES = 32  # of a side of the lower face: its medians
_COARSE = 64  # of a side of the picture: how far it is from the reference
_AROUND = 0.25  # of a face crop's sides, beyond it: a blend's rectangle may be larger
# In pixels
_SIDE = 192  # of a crop with its surroundings in which a seam is looked for
_STEP = 2  # between both sides of an edge
_TALL = _SIDE // 4  # of an edge: a third of the crop, longer than a lip's or a corner's
_EVERY = 12  # between two places
ROWS, COLUMNS = -(-(_SIDE - _TALL) // _EVERY), _SIDE - _STEP


def light_of(ours: YuvFrame, theirs: YuvFrame, crop: Box) -> tuple[float, float, float]:
    """By how many levels Y, U and V of the lower face differ from the reference's: medians, which an open mouth hardly moves.

    Parameters
    ----------
    ours, theirs : of one size
    crop : of the face
    """
    mouth = mouth_region(crop)
    step = max(1, mouth.width // _SAMPLES, mouth.height // _SAMPLES)
    full = slice(max(0, mouth.y0), mouth.y1, step), slice(max(0, mouth.x0), mouth.x1, step)
    half = tuple(slice(one.start // 2, (one.stop + 1) // 2, max(1, step // 2)) for one in full)
    pairs = (ours.y[full], theirs.y[full]), (ours.u[half], theirs.u[half]), (ours.v[half], theirs.v[half])
    y, u, v = (float(np.median(a.astype(np.int16) - b.astype(np.int16))) if a.size else np.nan for a, b in pairs)
    return y, u, v


def change(luma: U8, reference: U8) -> float:
    """Mean difference of two pictures in levels, on a grid of some 64 × 64 pixels."""
    rows, columns = (max(1, side // _COARSE) for side in luma.shape)
    ours, theirs = (one[::rows, ::columns].astype(np.int16) for one in (luma, reference))
    return float(np.abs(ours - theirs).mean())


def flicker(light: F64) -> F64:
    """(n − 2,) second differences of (n,) levels of neighbouring frames, absolute; NaN where one is unknown."""
    return np.asarray(np.abs(np.diff(light, 2)), np.float64)


def edges(luma: U8, reference: U8, crop: Box) -> F32:
    """Straight vertical edges in and around a face crop that the reference does not have.

    Parameters
    ----------
    luma, reference : (h, w) uint8

    Returns
    -------
    (ROWS, COLUMNS) float32 steps in levels, of places of the crop: each the mean of a third of its height
    """
    margins = round(_AROUND * crop.width), round(_AROUND * crop.height)
    (left, right), (top, bottom) = (
        (max(0, low - margin), min(side, high + margin))
        for low, high, margin, side in zip(crop[:2], crop[2:], margins, luma.shape[::-1], strict=True)
    )
    added = luma[top:bottom, left:right].astype(np.float32) - reference[top:bottom, left:right]
    whole = crop.width + 2 * margins[0], crop.height + 2 * margins[1]
    before = crop.x0 - margins[0], crop.y0 - margins[1]
    beyond = (top - before[1], whole[1] + before[1] - bottom), (left - before[0], whole[0] + before[0] - right)
    filled = np.pad(added, beyond, mode="edge")
    square = cv2.resize(filled, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA if whole[0] > _SIDE else cv2.INTER_LINEAR)
    steps = np.cumsum(square[:, _STEP:] - square[:, :-_STEP], axis=0, dtype=np.float64)
    return np.asarray((steps[_TALL:] - steps[:-_TALL])[::_EVERY] / _TALL, np.float32)


def seam(found: NDArray[np.floating]) -> float | None:
    """The strongest edge in levels of (n, ROWS, COLUMNS) edges of n frames; None of fewer than five.

    Of each place the median counts: a seam stays where it is, the edges of lips and chins come and go.
    """
    return float(np.abs(np.median(found.astype(np.float32), axis=0)).max()) if len(found) >= FEWEST else None


def seconds(values: F64) -> F64:
    """Means of (n,) numbers over each second of the grid; NaN where less than half of it is known.

    What is left at the end belongs to the last whole second.
    """
    ends = list(range(0, len(values), SECOND))[: max(1, len(values) // SECOND)]
    parts = np.split(np.asarray(values, np.float64), ends[1:])
    known = [part[~np.isnan(part)] for part in parts]
    return np.array(
        [
            one.mean() if len(one) and 2 * len(one) >= len(part) else np.nan
            for one, part in zip(known, parts, strict=True)
        ]
    )
