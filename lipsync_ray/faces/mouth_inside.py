"""The inside of a mouth: copied from a frame of the person with an open mouth, and drawn between parting lips."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import LIPS, LOWER_INNER, RING, TALKING, UPPER_INNER, Heads, heads_of
from lipsync_ray.media.picture import FULL_RANGE, Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Area that a mouth may move, in eye distances around the middle of the lips.
_SIDE, _ABOVE, _BELOW = 0.95, 0.75, 1.15
_EDGE = 1 / 160  # eye distances: softness of the lips' inner edge
_SHADE = 0.55  # brightness of the inside when the lips start to part
_LIGHTER, _DARKER = 1.3, 0.75
_WIDEST_BLUR = 16.0  # pixels of standard deviation; a wider blur is computed on a smaller picture
_OUTER = tuple(range(RING))
_GAPING = 0.05  # eye distances: a mouth that never opens this far has no usable inside


@dataclass(frozen=True)
class Inside:
    """The inside of a mouth: planes of its source picture, with the outside filled from the inside.

    Attributes
    ----------
    y, u, v : float32, of the box
    box : in the source picture
    heads : pose of its head
    gap : between the lips, in eye distances
    skin : mean luma of the lips' outline
    """

    y: F32
    u: F32
    v: F32
    box: Box
    heads: Heads
    gap: float
    skin: float


def mouth_box(points: F64, eyes: float, width: int, height: int) -> Box | None:
    """The movable area, clipped to a picture of (height, width); even, because of chroma."""
    centre = points[: len(LIPS)].mean(0)
    low = np.floor(centre - eyes * np.array([_SIDE, _ABOVE])).astype(int)
    high = np.ceil(centre + eyes * np.array([_SIDE, _BELOW])).astype(int)
    box = Box(max(0, low[0]), max(0, low[1]), min(width, high[0]), min(height, high[1])).even()
    return box if min(box.width, box.height) >= 8 else None


def soft(polygon: F64, box: Box, eyes: float) -> F32:
    """(h, w) float32 weight of a polygon's pixels, its edge softened."""
    mask = np.zeros((box.height, box.width), np.uint8)
    corners = np.round((polygon - (box.x0, box.y0) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.5, eyes * _EDGE)), np.float32)


def halved(plane: F32) -> F32:
    return np.asarray(
        cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA), np.float32
    )


def inside_of(picture: YuvFrame, points: F64, gap: float) -> Inside | None:
    """Extract the inside of an open mouth, surrounded by its increasingly blurred edge.

    Parameters
    ----------
    points : (len(KEPT), 2) landmarks, in pixels
    gap : between the lips, in eye distances; if it is too small, the result is None
    """
    if gap < _GAPING:
        return None
    heads = heads_of(points[None])
    eyes = float(heads.eyes[0])
    box = mouth_box(points, eyes, picture.width, picture.height)
    if box is None:
        return None
    polygon = points[TALKING][[*UPPER_INNER, *LOWER_INNER[::-1]]]
    middle = polygon.mean(0)
    mask = soft(middle + 0.88 * (polygon - middle), box, eyes)
    planes = [picture.y[box.y0 : box.y1, box.x0 : box.x1]]
    planes += [p[box.y0 // 2 : box.y1 // 2, box.x0 // 2 : box.x1 // 2] for p in (picture.u, picture.v)]
    y = spread_from(planes[0].astype(np.float32), mask, eyes)
    u, v = (spread_from(plane.astype(np.float32), halved(mask), eyes / 2) for plane in planes[1:])
    return Inside(y, u, v, box, heads, gap, _skin(picture, points))


def spread_from(plane: F32, mask: F32, eyes: float) -> F32:
    """`plane` where the mask is 1; elsewhere the mean of the nearest inside pixels."""
    out, done = plane * mask, mask.copy()
    for spread in (0.012, 0.03, 0.08, 0.2, 0.5):
        sigma = max(0.5, spread * eyes)
        weight = _blurred(mask, sigma)
        mean = _blurred(plane * mask, sigma) / np.maximum(weight, 1e-6)
        more = (1 - done) * np.clip(weight * 8, 0, 1)
        out, done = out + more * mean, done + more
    return np.asarray(out / np.maximum(done, 1e-6), np.float32)


def _blurred(plane: F32, sigma: float) -> F32:
    """Gaussian blur of `plane` at a cost independent of the blur's width."""
    factor = 1
    while sigma / factor > _WIDEST_BLUR:
        factor *= 2
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)
    height, width = plane.shape
    size = max(1, width // factor), max(1, height // factor)
    small = cv2.GaussianBlur(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / factor)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _skin(picture: YuvFrame, points: F64) -> float:
    """Mean luma on the outline of the lips."""
    at = np.floor(points[list(_OUTER)]).astype(int).clip(0, (picture.width - 1, picture.height - 1))
    return float(picture.y[at[:, 1], at[:, 0]].mean())


def draw_inside(
    planes: list[F32], picture: YuvFrame, inside: Inside, opening: F32, box: Box, heads: Heads, points: F64, gap: float
) -> None:
    """Mix the inside of the mouth into the planes: moved with the skull, relit to this frame, darker for a small gap."""
    light = np.clip(_skin(picture, points) / max(inside.skin, 1.0), _DARKER, _LIGHTER)
    shade = light * (_SHADE + (1 - _SHADE) * min(1.0, gap / inside.gap))
    turn = heads.turn[0] / inside.heads.turn[0]
    shift = (heads.shift[0] - inside.heads.shift[0]) / inside.heads.turn[0]
    black = 0.0 if picture.colour.range == FULL_RANGE else 16.0
    area = extent(opening)
    if area is None:
        return
    opening = opening[area.y0 : area.y1, area.x0 : area.x1]
    for channel, (plane, source) in enumerate(zip(planes, (inside.y, inside.u, inside.v), strict=True)):
        step = 1 if channel == 0 else 2
        # z ↦ turn · z + shift, of the centres of this plane's pixels, to those of the other's.
        corner = complex(box.x0 + area.x0 + step / 2, box.y0 + area.y0 + step / 2)
        origin = (turn * corner + shift - complex(inside.box.x0, inside.box.y0)) / step - (0.5 + 0.5j)
        affine = np.array([[turn.real, -turn.imag, origin.real], [turn.imag, turn.real, origin.imag]])
        weight = opening if channel == 0 else halved(opening)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(source, affine, weight.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        if channel == 0:
            moved = black + (moved - black) * shade
        part = plane[area.y0 // step : area.y1 // step, area.x0 // step : area.x1 // step]
        part += weight * (moved - part)


def extent(opening: F32) -> Box | None:
    """The even box around non-zero weights."""
    rows, columns = np.flatnonzero(opening.any(1)), np.flatnonzero(opening.any(0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1).even()


def darken(planes: list[F32], opening: F32) -> None:
    """Draw the inside of a mouth that is never open in the source: the lips' own colour, darkened."""
    for channel, plane in enumerate(planes):
        weight = opening if channel == 0 else halved(opening)
        dark = 0.3 * plane if channel == 0 else 128 + 0.6 * (plane - 128)
        plane += weight * (dark - plane)
