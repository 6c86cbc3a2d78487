"""Warps a person's own lips to target landmarks, at the frame's full resolution.

Two smooth displacement fields (polyharmonic splines through the landmarks) move the parts above and below the line
between the lips. The inside of the mouth comes from a frame of the same person with an open mouth; its teeth move with
the skull. Where the video has none, a :class:`~lipsync_ray.faces.mouth_painter.MouthPainter` paints it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.closed_lips import PARTED, gap_between, join, line_box, meeting, parting, uncrossed
from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.mesh import (
    CHIN_INDICES,
    INDEX_OF,
    JAW,
    KEPT,
    LOWER_INNER,
    NOSE,
    RING,
    STILL,
    TALKING,
    UPPER_INNER,
    Heads,
    heads_of,
)
from lipsync_ray.faces.mouth import Mouth
from lipsync_ray.faces.mouth_inside import Inside, darken, draw_inside, halved, mouth_box, soft
from lipsync_ray.faces.mouth_painter import LipEdges, MouthPainter, tone_of
from lipsync_ray.faces.outline import moving_edge, outline_weight, within
from lipsync_ray.media.picture import Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_RIM = 0.15  # of the box: height over which the movement fades at its upper edge
_NODES = 40  # columns of the grid on which a field is computed
_BLEND_WIDTH = 0.12  # eye distances beside the corners of the mouth over which the two fields merge
_BELOW_CHIN = 1.45  # of the way from the nose to the outline of the jaw: points of the neck that do not move

_CORNERS = (0, RING // 2, RING, RING + RING // 2)
_LOWER_LIP = (*range(1, 10), *range(RING + 1, RING + 10))
_UPPER_LIP = (*range(11, RING), *range(RING + 11, 2 * RING))
_MOVING_ABOVE = (*_UPPER_LIP, *_CORNERS, *CHIN_INDICES)
_MOVING_BELOW = (*_LOWER_LIP, *_CORNERS, *CHIN_INDICES)
_STILL = tuple(INDEX_OF[number] for number in STILL)
_OUTLINE = tuple(INDEX_OF[number] for number in (152, 148, 176, 377, 400, *JAW))


class LipWarp:
    """Redraws the mouths of one video.

    Parameters
    ----------
    basis : basis of the lip poses
    inside : returns the inside of a mouth from a frame where it is open; None if the video has none
    painter : paints it then; without one it is the lips' own colour, darkened
    """

    def __init__(
        self, basis: LipBasis, inside: Callable[[Mouth], Inside | None], painter: MouthPainter | None = None
    ) -> None:
        self._basis, self._inside, self._painter = basis, inside, painter

    def draw(
        self,
        picture: YuvFrame,
        points: F32,
        mouth: Mouth,
        lips: NDArray[np.floating],
        silence: float,
        strength: float = 1.0,
        closure: float = 0.0,
    ) -> None:
        """Move the mouth in `picture` to the pose `lips`, in place.

        Parameters
        ----------
        points : (len(KEPT), 2) landmarks in pixels; pixel (0, 0) covers 0 to 1
        mouth : of the face's track
        lips : (k,) coefficients in the basis
        silence : additional closing of the mouth, 0 (none) to 1 (closed)
        strength : share of the movement to apply, 0 to 1; 0 leaves the picture unchanged
        closure : how far the lips are to meet, whatever their pose, 0 to 1, or to be kept apart, to −1
        """
        at = points[None].astype(np.float64)
        heads = heads_of(at)
        eyes = float(heads.eyes[0])
        box, edge = mouth_box(at[0], eyes, picture.width, picture.height), moving_edge(at[0])
        if box is None or (box := within(box, edge)) is None:
            return
        if silence:
            closed = self._basis.read(mouth.closed[None].astype(np.float64))[0]
            lips = lips + silence * (closed - lips)
        steps = self._basis.steps(lips[None] - self._basis.displayed(mouth, at, heads))
        own = at[0, TALKING]
        moved = uncrossed(own, heads.moved(steps)[0], heads)
        # Opened lips that the source has rolled in would be skin with a rim of red.
        opens = 1 - float(mouth.rolled_in(at, heads)[0]) * (1 - silence)
        moved = moved * opens
        if closure < 0:
            moved = parting(own, moved, heads, -closure * (1 - silence) * opens)
        if (together := max(silence, closure)) > 0:
            moved = meeting(own, moved, heads, together)
        target = own + strength * moved
        moved = target - own
        still = np.concatenate((at[0, list(_STILL)], _below_chin(at[0])))
        up, down = (
            _field(np.concatenate((target[list(some)], still)), moved[list(some)], box)
            for some in (_MOVING_ABOVE, _MOVING_BELOW)
        )
        apart = (up - down) * _between_corners(target, eyes, box)
        above = soft(_above_line(target, heads), box, eyes)
        field, apart, free = (
            _whole((up + down) / 2, box),
            _whole(apart, box),
            outline_weight(edge, eyes, box)[..., None],
        )
        planes = _warped(picture, (field + (above - 0.5)[..., None] * apart) * free, box)
        gap = gap_between(target, heads)
        if (parted := strength * float(np.clip(gap / PARTED, 0, 1))) > 0:  # nothing is visible between closed lips
            opening = parted * soft(target[[*UPPER_INNER, *LOWER_INNER[::-1]]], box, eyes)
            inside = self._inside(mouth)
            if inside is not None:
                draw_inside(planes, picture, inside, opening, box, heads, at[0], gap)
            elif self._painter is not None:
                edges = LipEdges.of(heads.inside(target[None])[0], mouth.closed_of(at, heads)[0])
                self._painter.paint(planes, picture, opening, box, heads, edges, tone_of(picture, at[0], eyes))
            else:
                darken(planes, opening)
        strip = line_box(target, eyes, box)
        if gap < PARTED and min(strip.width, strip.height) >= 2:
            here = slice(strip.y0 - box.y0, strip.y1 - box.y0), slice(strip.x0 - box.x0, strip.x1 - box.x0)
            two = [_warped(picture, (field[here] + side * apart[here]) * free[here], strip) for side in (0.5, -0.5)]
            part, corners = strength * float(1 - np.clip(gap / PARTED, 0, 1)), target[[RING, RING + RING // 2]]
            join(planes, two, above[here], strip, box, part, gap_between(own, heads), corners)
        _put(picture, planes, box)


def _below_chin(points: F64) -> F64:
    """Fixed points on the neck: the jaw's outline, extended away from the nose."""
    nose = points[INDEX_OF[NOSE]]
    return np.asarray(nose + _BELOW_CHIN * (points[list(_OUTLINE)] - nose), np.float64)


def _field(at: F64, moved: F64, box: Box) -> F32:
    """(rows, _NODES, 2) displacement from each grid node of a box to the position that its content comes from.

    It is −`moved` at the first points of `at` and 0 at the rest: a polyharmonic spline r³ with a linear part (Duchon
    1977), faded to 0 at the upper edge.
    """
    scale = float(box.width)
    known = (at - (box.x0, box.y0)) / scale
    values = np.zeros((len(at) + 3, 2))
    values[: len(moved)] = -moved
    linear = np.column_stack((np.ones(len(at)), known))
    system = np.zeros((len(at) + 3, len(at) + 3))
    system[:-3, :-3] = _cubed(known, known) + 1e-6 * np.eye(len(at))
    system[:-3, -3:], system[-3:, :-3] = linear, linear.T
    weights = np.linalg.solve(system, values)
    nodes = _nodes(box) / scale
    rows = len(nodes) // _NODES
    coarse = _cubed(nodes, known) @ weights[:-3] + weights[-3] + nodes @ weights[-2:]
    coarse = coarse.reshape(rows, _NODES, 2) * _window(rows)
    return np.asarray(coarse, np.float32)


def _nodes(box: Box) -> F64:
    """(rows · _NODES, 2) positions of the grid nodes, in pixels of the box."""
    rows = max(2, round(_NODES * box.height / box.width))
    x, y = (np.arange(_NODES) + 0.5) / _NODES * box.width, (np.arange(rows) + 0.5) / rows * box.height
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def _whole(coarse: NDArray[np.floating], box: Box) -> F32:
    """Upsample a field from the grid to the box's pixels, (h, w, 2)."""
    return np.asarray(cv2.resize(coarse, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32)


def _between_corners(target: F64, eyes: float, box: Box) -> F32:
    """(rows, _NODES, 1) weight of the difference between the two fields: 1 between the corners of the mouth, 0 soon
    outside.
    """
    left, right = target[0], target[RING // 2]
    along = (right - left) / max(1e-6, float(np.linalg.norm(right - left)))
    half = float(np.linalg.norm(right - left)) / 2
    middle = (left + right) / 2 - (box.x0, box.y0)
    far = np.abs((_nodes(box) - middle) @ along) - half
    return np.asarray(smoothstep(1 - far / (_BLEND_WIDTH * eyes)).reshape(-1, _NODES, 1), np.float32)


def _cubed(a: F64, b: F64) -> F64:
    squared = ((a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T).clip(0)
    return np.asarray(squared * np.sqrt(squared), np.float64)


def _window(rows: int) -> F64:
    """(rows, 1, 1) smooth weight from 0 at the upper edge to 1."""
    return np.asarray(smoothstep((np.arange(rows) + 0.5) / rows / _RIM)[:, None, None], np.float64)


def _above_line(target: F64, heads: Heads) -> F64:
    """Polygon of the area above the line between the lips, extended to both sides."""
    line = (target[list(UPPER_INNER)] + target[list(LOWER_INNER)]) / 2
    side = line[-1] - line[0]
    up = np.array([(-1j / heads.turn[0]).real, (-1j / heads.turn[0]).imag]) * 4
    first, last = line[0] - 3 * side, line[-1] + 3 * side
    return np.concatenate(([first], line, [last], [last + up], [first + up]))


def _warped(picture: YuvFrame, field: F32, box: Box) -> list[F32]:
    """The box's three planes, float32, sampled at the displaced positions."""
    half = halved(field) / 2
    planes = []
    for plane, shifts, left, top, kind in (
        (picture.y, field, box.x0, box.y0, cv2.INTER_CUBIC),
        (picture.u, half, box.x0 // 2, box.y0 // 2, cv2.INTER_LINEAR),
        (picture.v, half, box.x0 // 2, box.y0 // 2, cv2.INTER_LINEAR),
    ):
        height, width = shifts.shape[:2]
        at_x = shifts[..., 0] + np.arange(left, left + width, dtype=np.float32)
        at_y = shifts[..., 1] + np.arange(top, top + height, dtype=np.float32)[:, None]
        moved = cv2.remap(plane, at_x, at_y, kind, borderMode=cv2.BORDER_REPLICATE)
        planes.append(np.asarray(moved, np.float32))
    return planes


def _put(picture: YuvFrame, planes: list[F32], box: Box) -> None:
    edges = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    half = (slice(box.y0 // 2, box.y1 // 2), slice(box.x0 // 2, box.x1 // 2))
    for target, where, plane in zip((picture.y, picture.u, picture.v), (edges, half, half), planes, strict=True):
        target[where] = np.clip(np.rint(plane), 0, 255).astype(np.uint8)


assert len(KEPT) == len(set(INDEX_OF)), "a landmark is kept once"
