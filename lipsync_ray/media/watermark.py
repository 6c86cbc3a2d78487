"""Put the mark into a frame: a faint pattern on its luminance, stronger where the picture itself is busy.

What is added depends on the frame's own pixels, the key and the id, and on nothing else: not on when it is shown, nor on what is
beside it. So frames stay the same however the work is split, and a video may lose frames.
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

VERSION = 1  # raise when the same frame, key and id would give other pixels
LEAST_SIDE = 192  # pixels: what smaller pictures say is lost in coding
# Levels where the picture is plain, by the most that is added to it; least and most of these; at most; a level of its own contrast.
_CALM, _CALM_RANGE, _BUSY, _GAIN = 0.42, (0.65, 0.82), 3.0, 0.2
_DARK, _LIGHT = 16.0, 64.0  # levels of luminance: in the dark the same step is seen better, and is halved
# Root mean square of what is added: 42.2 dB of PSNR in pictures of so many pixels or less, and less of it in larger ones.
_MOST, _ENOUGH, _MOST_PIXELS = 1.95, 1.4, 300 * 300
_QUARTER = 4


def most_added(width: int, height: int) -> float:
    """Levels, root mean square, that a picture's luminance is changed by at most, before it is rounded to whole ones."""
    return float(np.clip(_MOST * (_MOST_PIXELS / (width * height)) ** 0.25, _ENOUGH, _MOST))


def strength(luma: U8) -> F32:
    """By how much each pixel of a picture may change.

    Parameters
    ----------
    luma : (h, w) uint8

    Returns
    -------
    (⌈h/4⌉, ⌈w/4⌉) float32 levels, standard deviation
    """
    height, width = luma.shape
    size = -(-width // _QUARTER), -(-height // _QUARTER)
    small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    grain = cv2.resize(cv2.absdiff(luma, cv2.blur(luma, (3, 3))), size, interpolation=cv2.INTER_AREA)
    mean = cv2.blur(small, (5, 5))
    spread = np.sqrt(np.maximum(cv2.blur(small * small, (5, 5)) - mean * mean, 0))
    # Of the calmest place near by: an edge is no busy place, and beside it there may be a plain wall.
    busy = cv2.erode(spread + 2 * grain, np.ones((5, 5), np.uint8))
    calm = np.clip(_CALM * most_added(width, height), *_CALM_RANGE)
    levels = np.clip(calm + _GAIN * busy, calm, _BUSY)
    levels *= 0.5 + 0.5 * np.clip((mean - _DARK) / (_LIGHT - _DARK), 0, 1)
    levels = cv2.blur(levels, (3, 3))
    added = float(np.sqrt(np.mean(levels * levels)))
    return np.asarray(levels * min(1.0, most_added(width, height) / added), np.float32)


def marked(picture: YuvFrame, secret: bytes, ident: int) -> YuvFrame:
    """A frame with the mark in its luminance; the frame that is given stays as it is.

    Parameters
    ----------
    secret : the key
    ident : of :data:`~lipsync_ray.media.mark_code.ID_BITS` bits
    """
    size = picture.width, picture.height
    levels = cv2.resize(strength(picture.y), size, interpolation=cv2.INTER_LINEAR)
    added = cv2.multiply(levels, _pattern(secret, ident, *size))
    return replace(picture, y=np.asarray(cv2.add(picture.y, added, dtype=cv2.CV_8U), np.uint8))


@lru_cache(maxsize=4)
def _pattern(secret: bytes, ident: int, width: int, height: int) -> F32:
    return pattern_of(secret, ident, width, height)
