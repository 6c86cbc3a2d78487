"""Limits mouth movement to the face: pixels outside its outline (hair, ears, background) do not move."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.faces.mesh import INDEX_OF, NOSE, OUTLINE
from lipsync_ray.media.picture import Box

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_SOFT = 0.14  # eye distances inside the outline over which the movement fades
_INSIDE = 0.03  # eye distances inside the outline at which it reaches 0, because landmarks are inexact
_FINE = 128  # columns of the grid on which the weight is computed
# Limit of movement on the neck, from the chin's tip outwards: multiples of the distance from the nose to the outline.
_WIDENING = (1.3, 1.28, 1.24, 1.16, 1.08, 1.03)
_INDICES = [INDEX_OF[number] for number in OUTLINE]
_FACTORS = np.ones(len(OUTLINE))
for _step, _factor in enumerate(_WIDENING):
    _FACTORS[[len(OUTLINE) // 2 - _step, len(OUTLINE) // 2 + _step]] = _factor


def moving_edge(points: F64) -> F64:
    """(len(OUTLINE), 2) polygon beyond which nothing moves: the face's outline, extended onto the neck below the chin.

    Parameters
    ----------
    points : (len(KEPT), 2) landmarks in pixels
    """
    nose = points[INDEX_OF[NOSE]]
    return np.asarray(nose + _FACTORS[:, None] * (points[_INDICES] - nose), np.float64)


def within(box: Box, edge: F64) -> Box | None:
    """Clip a box to the sides and bottom of a :func:`moving_edge`, with even edges; None if too little remains."""
    low, high = np.floor(edge.min(0)).astype(int).tolist(), np.ceil(edge.max(0)).astype(int).tolist()
    part = Box(max(box.x0, low[0]), box.y0, min(box.x1, high[0]), min(box.y1, high[1]))
    return part.even() if min(part.width, part.height) >= 8 else None


def outline_weight(edge: F64, eyes: float, box: Box) -> F32:
    """(h, w) float32 weight of movement for a box's pixels: 1 inside the :func:`moving_edge`, 0 from it outwards.

    Parameters
    ----------
    eyes : distance of the outer eye corners in pixels
    """
    up = edge[[0, -1]].mean(0) - edge[len(edge) // 2]
    polygon = np.concatenate((edge, edge[[-1, 0]] + up))  # extended upwards: the forehead is no limit
    scale = _FINE / box.width
    size = _FINE, max(2, round(box.height * scale))
    # With a border of one cell outside, so that distances are also right at the box's edges.
    mask = np.zeros((size[1] + 2, size[0] + 2), np.uint8)
    corners = np.round(((polygon - (box.x0, box.y0)) * scale + 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 1, shift=4)
    far = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[1:-1, 1:-1] / (scale * eyes)
    weight = np.asarray(smoothstep((far - _INSIDE) / _SOFT), np.float32)
    return np.asarray(cv2.resize(weight, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32)
