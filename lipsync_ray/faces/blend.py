"""Blends a generated face into its frame, plane by plane.

Generated pixels are converted to the frame's Y, U, V and mixed there. Weighted means are equal in both spaces, and
every pixel with weight zero keeps the decoder's value.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.choices import Blend
from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.media.picture import U8, Box, YuvFrame

F32 = NDArray[np.float32]

# The lower face in units of the crop's sides: Wav2Lip generates from the middle down. Each pair is where the weight
# starts to rise and where it reaches 1; sides and bottom mirror it.
UPPER_EDGE = (0.48, 0.62)
LOWER_EDGE = (0.99, 0.90)
SIDES = (0.02, 0.16)
LARGEST_SHIFT = 20.0  # levels: a larger colour difference is content, not lighting


def paste(picture: YuvFrame, box: Box, face: U8, blend: Blend) -> None:
    """Draw a generated face into ``picture``, in place.

    Parameters
    ----------
    picture : modified within ``box`` only (chroma: within the next even box)
    box : where the face was cropped
    face : (side, side, 3) uint8 BGR
    blend : "feather" mixes the lower face in, its colour matched to the skin around it; "hard" replaces the
        rectangle, as the original does
    """
    soft = blend == "feather"
    size = (box.width, box.height)
    drawn = cv2.resize(face, size, interpolation=cv2.INTER_CUBIC if soft else cv2.INTER_LINEAR)
    weight = feather(*size) if soft else np.ones(size[::-1], np.float32)
    mix(picture, box, np.asarray(drawn, np.float32), weight, match=soft)


def mix(picture: YuvFrame, box: Box, bgr: F32, weight: F32, match: bool = False) -> None:
    """Mix pixels into ``picture``, in place, plane by plane; values with weight zero are unchanged.

    Parameters
    ----------
    box : where
    bgr : (h, w, 3) float32 in 0–255
    weight : (h, w) float32 in [0, 1]
    match : shift the new pixels' colour to that of the old ones in the transition
    """
    new = picture.planes_of(bgr)
    around = box.even()
    inset = (box.y0 - around.y0, around.y1 - box.y1, box.x0 - around.x0, around.x1 - box.x1)
    if any(inset):
        new = np.asarray(cv2.copyMakeBorder(new, *inset, cv2.BORDER_REPLICATE), np.float32)
        weight = np.asarray(cv2.copyMakeBorder(weight, *inset, cv2.BORDER_CONSTANT, value=0), np.float32)
    _mix(picture.y[around.y0 : around.y1, around.x0 : around.x1], new[..., 0], weight, match)
    half = (around.width // 2, around.height // 2)
    weight = np.asarray(cv2.resize(weight, half, interpolation=cv2.INTER_AREA), np.float32)
    for plane, channel in ((picture.u, 1), (picture.v, 2)):
        chroma = cv2.resize(new[..., channel], half, interpolation=cv2.INTER_AREA)
        target = plane[around.y0 // 2 : around.y1 // 2, around.x0 // 2 : around.x1 // 2]
        _mix(target, np.asarray(chroma, np.float32), weight, match)


def _mix(target: U8, new: F32, weight: F32, match: bool) -> None:
    old = target.astype(np.float32)
    if match:
        # Both pictures show skin in the transition: their mean difference there is the colour shift.
        rim = weight * (1 - weight)
        total = float(rim.sum())
        shift = float((rim * (old - new)).sum()) / total if total else 0.0
        new = new + np.float32(np.clip(shift, -LARGEST_SHIFT, LARGEST_SHIFT))
    mixed = np.clip(np.rint(old + weight * (new - old)), 0, 255).astype(np.uint8)
    np.copyto(target, mixed, where=weight > 0)


def fade(picture: YuvFrame, before: YuvFrame, strength: float) -> None:
    """Blend a drawn picture back towards the original, in place; strength 1 leaves it as drawn."""
    for plane, old in ((picture.y, before.y), (picture.u, before.u), (picture.v, before.v)):
        cv2.addWeighted(plane, strength, old, 1 - strength, 0, dst=plane)


@lru_cache(maxsize=64)
def feather(width: int, height: int) -> F32:
    """(height, width) float32 weights in [0, 1]."""
    v, u = (((np.arange(side) + 0.5) / side).astype(np.float32) for side in (height, width))
    rows = _ramp(v, *UPPER_EDGE) * _ramp(v, *LOWER_EDGE)
    columns = _ramp(u, *SIDES) * _ramp(u[::-1], *SIDES)
    return np.asarray(rows[:, None] * columns[None, :], np.float32)


def _ramp(x: F32, begin: float, whole: float) -> F32:
    """Smoothstep from 0 at ``begin`` to 1 at ``whole``, in either direction."""
    return smoothstep((x - begin) / (whole - begin))
