"""Patches of a face that networks are taught by and judge by, cut by landmarks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import Heads, heads_of
from lipsync_ray.media.picture import U8

F64 = NDArray[np.float64]

MOUTH = 64  # pixels: side of a mouth's patch
_LEFT, _TOP, _SIDE = -0.5, 0.35, 1.0  # of it, in a head's own frame: nose's tip to below the chin


def cut_mouth(square: U8, points: NDArray[np.floating]) -> U8:
    """A mouth as (64, 64) uint8 grey, upright and of one size whatever the head does.

    Parameters
    ----------
    square : (192, 192, 3) uint8 RGB, :func:`~lipsync_ray.faces.mesh.cut_square`
    points : (len(KEPT), 2) landmarks in its pixels
    """
    heads = heads_of(points[None])
    scale = _SIDE / MOUTH / heads.turn[0]  # z ↦ place · z + corner takes the patch to the square
    corner = (complex(_LEFT, _TOP) - heads.shift[0]) / heads.turn[0]
    corner += (scale - 1) * complex(0.5, 0.5)  # from edges of pixels to their centres, as OpenCV counts
    affine = np.array([[scale.real, -scale.imag, corner.real], [scale.imag, scale.real, corner.imag]])
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(grey, affine, (MOUTH, MOUTH), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def boxes_with_heads(box: F64, base: NDArray[np.floating], points: NDArray[np.floating]) -> F64:
    """(n, 4) a detector's box as it goes with a head, by the landmarks of the frame that it is of and of others.

    Parameters
    ----------
    box : (4,) x0, y0, x1, y1
    base : (len(KEPT), 2) landmarks where it was found
    points : (n, len(KEPT), 2) landmarks where it is asked for
    """
    then, now = heads_of(base[None]), heads_of(points)
    steps = (box.reshape(2, 2) - _middle(then)) / then.eyes[0]
    boxes: F64 = _middle(now)[:, None] + steps * now.eyes[:, None, None]
    return boxes.reshape(-1, 4)


def _middle(heads: Heads) -> F64:
    z = -heads.shift / heads.turn  # where the head's own origin lies
    return np.stack((z.real, z.imag), axis=-1)
