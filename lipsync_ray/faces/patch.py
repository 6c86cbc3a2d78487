"""Crops patches of mouths by landmarks, for training networks and judging sync."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import Heads, cut_square, heads_of
from lipsync_ray.media.picture import FULL_RANGE, U8, YuvFrame

F64 = NDArray[np.float64]

MOUTH = 64  # pixels: side of a mouth patch
# Of the patch, in the head's own frame: from the tip of the nose to below the chin
_LEFT, _TOP, _SIDE = -0.5, 0.35, 1.0
INSIDE = 40  # pixels: side of a patch of an inner mouth
_INSIDE_LEFT, _INSIDE_TOP, _INSIDE_SIDE = -0.4, 0.35, 0.8
# Maps a patch of an inner mouth to the head's own frame.
INSIDE_HEADS = Heads(
    np.array([_INSIDE_SIDE / INSIDE], np.complex128), np.array([complex(_INSIDE_LEFT, _INSIDE_TOP)], np.complex128)
)


def cut_mouth(square: U8, points: NDArray[np.floating]) -> U8:
    """(64, 64) uint8 grey patch of a mouth, upright and of constant size whatever the head's pose.

    Parameters
    ----------
    square : (192, 192, 3) uint8 RGB of :func:`~lipsync_ray.faces.mesh.cut_square`
    points : (len(KEPT), 2) landmarks in pixels of the square
    """
    heads = heads_of(points[None])
    scale = _SIDE / MOUTH / heads.turn[0]  # z ↦ scale · z + corner maps the patch to the square
    corner = (complex(_LEFT, _TOP) - heads.shift[0]) / heads.turn[0]
    corner += (scale - 1) * complex(0.5, 0.5)  # from pixel edges to pixel centres, OpenCV's convention
    affine = np.array([[scale.real, -scale.imag, corner.real], [scale.imag, scale.real, corner.imag]])
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(grey, affine, (MOUTH, MOUTH), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def cut_inside(picture: YuvFrame, points: NDArray[np.floating]) -> U8 | None:
    """(40, 40, 3) uint8 Y above black, U and V, in the picture's own colour, of a mouth, upright; None if it is outside.

    Parameters
    ----------
    points : (len(KEPT), 2) landmarks in pixels
    """
    heads = heads_of(points[None])
    scale = INSIDE_HEADS.turn[0] / heads.turn[0]
    corner = (INSIDE_HEADS.shift[0] - heads.shift[0]) / heads.turn[0]
    square = np.array([[scale.real, -scale.imag, corner.real], [scale.imag, scale.real, corner.imag]])
    cut = cut_square(picture, square, INSIDE)
    if cut is None:
        return None
    planes = picture.planes_of(cut[..., ::-1].astype(np.float32))
    planes[..., 0] -= 0 if picture.colour.range == FULL_RANGE else 16
    return np.asarray(np.clip(np.rint(planes), 0, 255), np.uint8)


def boxes_with_heads(box: F64, base: NDArray[np.floating], points: NDArray[np.floating]) -> F64:
    """(n, 4) boxes: a detected box moved with the head from its own frame to other frames.

    Parameters
    ----------
    box : (4,) x0, y0, x1, y1
    base : (len(KEPT), 2) landmarks of the frame of the box
    points : (n, len(KEPT), 2) landmarks of the other frames
    """
    then, now = heads_of(base[None]), heads_of(points)
    steps = (box.reshape(2, 2) - _middle(then)) / then.eyes[0]
    boxes: F64 = _middle(now)[:, None] + steps * now.eyes[:, None, None]
    return boxes.reshape(-1, 4)


def _middle(heads: Heads) -> F64:
    z = -heads.shift / heads.turn  # origin of the head's own frame, in pixels
    return np.stack((z.real, z.imag), axis=-1)
