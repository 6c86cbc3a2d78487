"""Crops faces for networks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.choices import Pads
from lipsync_ray.media.picture import U8, Box, YuvFrame

CONTEXT = 0.4  # of the face's half side: SyncNet's crop_scale
OUTSIDE = 110  # grey level outside the frame, for SyncNet
SMALLEST = 8  # pixels: a narrower face is treated as no face


def crop_box(box: NDArray[np.float32], pads: Pads, width: int, height: int) -> Box | None:
    """The pixels to crop for a face box (x0, y0, x1, y1), inside a picture of the given size.

    None if the box is NaN (no face) or too little of it is inside.
    """
    if np.isnan(box).any():
        return None
    x0, y0, x1, y1 = (float(edge) for edge in box)
    tall = y1 - y0
    grown = (x0 - pads.left * tall, y0 - pads.top * tall, x1 + pads.right * tall, y1 + pads.bottom * tall)
    left, top = (max(0, int(np.floor(edge + 0.5))) for edge in grown[:2])
    right, bottom = min(width, int(np.floor(grown[2] + 0.5))), min(height, int(np.floor(grown[3] + 0.5)))
    if right - left < SMALLEST or bottom - top < SMALLEST:
        return None
    return Box(left, top, right, bottom)


def crop_context(picture: YuvFrame, square: NDArray[np.float64], side: int) -> U8:
    """SyncNet's crop: s above, 1.8 s below and 1.4 s to either side of the face's centre.

    As the published ``run_pipeline.py`` cuts it: grey 110 beyond the frame, the same rounding, bilinear.

    Parameters
    ----------
    square : (3,) centre x, y and half side s of the face box, in pixels

    Returns
    -------
    (side, side, 3) uint8 BGR
    """
    x, y, s = (float(value) for value in square)
    beyond = int(s * (1 + 2 * CONTEXT))
    top, bottom = int(y + beyond - s) - beyond, int(y + beyond + s * (1 + 2 * CONTEXT)) - beyond
    left = int(x + beyond - s * (1 + CONTEXT)) - beyond
    right = int(x + beyond + s * (1 + CONTEXT)) - beyond
    out = np.full((max(1, bottom - top), max(1, right - left), 3), OUTSIDE, np.uint8)
    inside = Box(max(0, left), max(0, top), min(picture.width, right), min(picture.height, bottom))
    if inside.width > 0 and inside.height > 0:
        out[inside.y0 - top : inside.y1 - top, inside.x0 - left : inside.x1 - left] = picture.bgr(inside)
    return np.asarray(cv2.resize(out, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def crop_face(picture: YuvFrame, box: Box, side: int) -> U8:
    """(side, side, 3) uint8 BGR of the box, copied out of its frame."""
    return np.asarray(cv2.resize(picture.bgr(box), (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def square_around(box: NDArray[np.floating], times: float, width: int, height: int) -> Box:
    """A square ``times`` as large as a face box, about its centre, moved and shrunk to lie inside the frame; for
    previews.
    """
    centre = (box[:2] + box[2:]) / 2
    side = int(max(8, min(float((box[2:] - box[:2]).max()) * times, width, height)))
    left, top = (int(np.clip(c - side / 2, 0, limit - side)) for c, limit in zip(centre, (width, height), strict=True))
    return Box(left, top, left + side, top + side)
