"""Cut a face out of a picture for a network."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8, Box, Picture

SMALLEST = 8  # pixels: a face narrower than this is passed through as if it were none


@dataclass(frozen=True)
class Pads:
    """How much of its own height a face box grows before it is cropped; negative values shrink it.

    The 5 % below bring the chin inside: Wav2Lip's ten pixels on its usual face, but for any resolution.
    """

    top: float = 0.0
    bottom: float = 0.05
    left: float = 0.0
    right: float = 0.0


def crop_box(box: NDArray[np.float32], pads: Pads, width: int, height: int) -> Box | None:
    """The pixels to crop for a face box (x0, y0, x1, y1), inside a picture of the given size.

    None where the box is NaN (no face) or too little of it is inside.
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


def crop_face(picture: Picture, box: Box, side: int) -> U8:
    """(side, side, 3) uint8 BGR of the box, copied out of its frame."""
    return np.asarray(cv2.resize(picture.bgr(box), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
