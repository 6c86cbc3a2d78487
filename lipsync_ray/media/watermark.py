"""Adds the watermark to a frame: a faint pattern on its luma, stronger in textured areas.

The pattern depends only on the frame's own pixels, the key and the id. So frames are the same however the work is
split, and the mark survives dropped frames.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.mark_code import pattern_of
from lipsync_ray.media.picture import YuvFrame

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

VERSION = 1  # raise if the same frame, key and id give other pixels
LEAST_SIDE = 192  # pixels: in smaller pictures coding destroys the mark
# Strength in grey levels: in flat areas relative to the allowed mean; its range; maximum; gain per level of local contrast.
_CALM, _CALM_RANGE, _BUSY, _GAIN = 0.42, (0.65, 0.82), 3.0, 0.2
# Luma levels: below the first the strength is halved, because changes in the dark are more visible
_DARK, _LIGHT = 16.0, 64.0
# Allowed RMS change: 42.2 dB PSNR up to this many pixels, decreasing to the second value in larger pictures.
_MOST, _ENOUGH, _MOST_PIXELS = 1.95, 1.4, 300 * 300
_QUARTER = 4


def most_added(width: int, height: int) -> float:
    """Largest RMS change of a picture's luma in grey levels, before rounding."""
    return float(np.clip(_MOST * (_MOST_PIXELS / (width * height)) ** 0.25, _ENOUGH, _MOST))


def strength(luma: U8) -> F32:
    """Strength of the mark at each pixel of a picture.

    Parameters
    ----------
    luma : (h, w) uint8

    Returns
    -------
    (⌈h/4⌉, ⌈w/4⌉) float32 standard deviation in grey levels
    """
    height, width = luma.shape
    size = -(-width // _QUARTER), -(-height // _QUARTER)
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    grain = cv2.resize(cv2.absdiff(luma, cv2.blur(luma, (3, 3))), size, interpolation=cv2.INTER_AREA)
    mean = cv2.blur(small, (5, 5))
    spread = np.sqrt(np.maximum(cv2.blur(small * small, (5, 5)) - mean * mean, 0))
    # The minimum of a neighbourhood: an edge is not texture, and the area beside it may be flat.
    busy = cv2.erode(spread + 2 * grain, np.ones((5, 5), np.uint8))
    calm = np.clip(_CALM * most_added(width, height), *_CALM_RANGE)
    levels = np.clip(calm + _GAIN * busy, calm, _BUSY)
    levels *= 0.5 + 0.5 * np.clip((mean - _DARK) / (_LIGHT - _DARK), 0, 1)
    levels = cv2.blur(levels, (3, 3))
    added = float(np.sqrt(np.mean(levels * levels)))
    return np.asarray(levels * min(1.0, most_added(width, height) / added), np.float32)


def marked(picture: YuvFrame, secret: bytes, ident: int) -> YuvFrame:
    """A copy of a frame with the mark in its luma.

    Parameters
    ----------
    secret : the key
    ident : the id, of :data:`~lipsync_ray.media.mark_code.ID_BITS` bits
    """
    size = picture.width, picture.height
    levels = cv2.resize(strength(picture.y), size, interpolation=cv2.INTER_LINEAR)
    added = cv2.multiply(levels, _pattern(secret, ident, *size))
    return replace(picture, y=np.asarray(cv2.add(picture.y, added, dtype=cv2.CV_8U), np.uint8))


@lru_cache(maxsize=4)
def _pattern(secret: bytes, ident: int, width: int, height: int) -> F32:
    return pattern_of(secret, ident, width, height)
