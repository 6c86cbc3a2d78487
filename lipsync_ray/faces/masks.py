"""Blend weights of a restored face, in [0, 1] on the 512 × 512 template."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.align import SIDE, TEMPLATE
from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]

# The template's face: from the hairline to below the chin, from ear to ear.
_CENTRE = (256.0, 300.0)
_AXES = (158.0, 212.0)
_SOFT = 0.22  # of the axes, over which the ellipse fades
_BLUR, _SIGMA, _BORDER = 101, 11, 10  # pixels: as GFPGAN's helper shapes a parsed mask


@lru_cache(maxsize=1)
def ellipse_mask() -> F32:
    """(512, 512) float32: an ellipse that fades outwards. Constant, so it costs nothing and never flickers."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    radius = np.hypot((x - _CENTRE[0]) / _AXES[0], (y - _CENTRE[1]) / _AXES[1])
    mask = smoothstep((1 - radius) / _SOFT)
    assert mask[tuple(TEMPLATE.round().astype(int)[:, ::-1].T)].min() == 1  # eyes, nose and mouth have full weight
    return mask


def parsing_mask(labels: U8, outside: Sequence[int]) -> F32:
    """(512, 512) float32 from the class of each pixel, smoothed as in GFPGAN's helper.

    Parameters
    ----------
    labels : (512, 512) uint8
    outside : classes that are not face
    """
    mask = np.where(np.isin(labels, outside), 0.0, 255.0)
    for _ in range(2):
        mask = cv2.GaussianBlur(mask, (_BLUR, _BLUR), _SIGMA)
    mask[:_BORDER], mask[-_BORDER:], mask[:, :_BORDER], mask[:, -_BORDER:] = 0, 0, 0, 0
    return np.asarray(mask / 255, np.float32)
