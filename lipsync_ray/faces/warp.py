"""Move a person's own lips: the pixels of the frame itself, at its own size, bent to where its landmarks are to be.

Two smooth fields (polyharmonic splines through the landmarks' displacements) move what lies above and below the line
between the lips; what comes to be seen between them is taken from a frame of the same person with the mouth open,
where the teeth stay with the skull.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.mesh import (
    CHIN,
    JAW,
    KEPT,
    LIPS,
    LOWER_INNER,
    NOSE,
    PLACE,
    RING,
    SPEAKING,
    STILL,
    TALKING,
    UPPER_INNER,
    Heads,
    heads_of,
)
from lipsync_ray.faces.mouth import Mouth
from lipsync_ray.faces.mouth_inside import Inside, darken, halved, mouth_box, show_inside, soft
from lipsync_ray.media.picture import Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_RIM = 0.15  # of the box, over which the movement fades
_NODES = 40  # of the grid that a field is computed on
_BELOW_CHIN = 1.45  # of the way from the nose to the outline of the jaw: still again

_CORNERS = (0, RING // 2, RING, RING + RING // 2)
_LOWER_LIP = (*range(1, 10), *range(RING + 1, RING + 10))
_UPPER_LIP = (*range(11, RING), *range(RING + 11, 2 * RING))
_CHIN = tuple(range(len(LIPS), len(LIPS) + len(CHIN)))
_MOVING_ABOVE = (*_UPPER_LIP, *_CORNERS, *_CHIN)
_MOVING_BELOW = (*_LOWER_LIP, *_CORNERS, *_CHIN)
_STILL = tuple(PLACE[number] for number in STILL)
_OUTLINE = tuple(PLACE[number] for number in (152, 148, 176, 377, 400, *JAW))


class LipWarp:
    """Redraws the mouths of one video.

    Parameters
    ----------
    basis : what the lips are told in
    inside : the inside of a mouth, as the video shows it where it is open; None where it never is
    """

    def __init__(self, basis: LipBasis, inside: Callable[[Mouth], Inside | None]) -> None:
        self._basis, self._inside = basis, inside

    def draw(self, picture: YuvFrame, points: F32, mouth: Mouth, lips: NDArray[np.floating], silence: float) -> None:
        """Make the mouth in `picture` show `lips`, in place.

        Parameters
        ----------
        points : (len(KEPT), 2) landmarks of the frame, in pixels; pixel (0, 0) reaches from 0 to 1
        mouth : of its track
        lips : (k,) in the basis
        silence : how far the mouth is closed besides, 0 to 1
        """
        at = points[None].astype(np.float64)
        heads = heads_of(at)
        eyes = float(heads.eyes[0])
        box = mouth_box(at[0], eyes, picture)
        if box is None:
            return
        if silence:
            closed = self._basis.read(mouth.closed[None].astype(np.float64))[0]
            lips = lips + silence * (closed - lips)
        steps = self._basis.steps(lips[None] - self._basis.shown(mouth, at, heads))
        own = at[0, TALKING]
        target = own + _uncrossed(own, heads.moved(steps)[0], heads)
        moved = target - own
        still = np.concatenate((at[0, list(_STILL)], _below_chin(at[0])))
        fields = [
            _field(np.concatenate((target[list(some)], still)), moved[list(some)], box)
            for some in (_MOVING_ABOVE, _MOVING_BELOW)
        ]
        above = soft(_above_line(target, heads), box, eyes)
        field = np.asarray(fields[1] + above[..., None] * (fields[0] - fields[1]), np.float32)
        seen = soft(target[[*UPPER_INNER, *LOWER_INNER[::-1]]], box, eyes)
        inside = self._inside(mouth)
        planes = _warped(picture, field, box)
        if inside is not None:
            show_inside(planes, picture, inside, seen, box, heads, at[0], _gap(target, eyes))
        else:
            darken(planes, seen)
        _put(picture, planes, box)


def _uncrossed(own: F64, moved: F64, heads: Heads) -> F64:
    """Displacements after which the lower lip's inner edge does not lie above the upper one's: they meet halfway."""
    down = np.array([(1j / heads.turn[0]).real, (1j / heads.turn[0]).imag])
    down /= np.linalg.norm(down)
    target = own + moved
    upper, lower = list(UPPER_INNER)[1:-1], list(LOWER_INNER)[1:-1]
    crossed = np.minimum(((target[lower] - target[upper]) * down).sum(-1), 0)[:, None] * down / 2
    moved = moved.copy()
    moved[upper] += crossed
    moved[lower] -= crossed
    return moved


def _below_chin(points: F64) -> F64:
    """Still points of the neck: the jaw's outline seen from the nose, further out."""
    nose = points[PLACE[NOSE]]
    return np.asarray(nose + _BELOW_CHIN * (points[list(_OUTLINE)] - nose), np.float64)


def _field(at: F64, moved: F64, box: Box) -> F32:
    """(h, w, 2) where each pixel's content comes from, as a displacement: −`moved` at the first of `at`, 0 at the rest.

    A polyharmonic spline of r³ with a linear part (Duchon 1977), through all of them, fading to 0 at the rim.
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
    rows = max(2, round(_NODES * box.height / box.width))
    x, y = (np.arange(_NODES) + 0.5) / _NODES, (np.arange(rows) + 0.5) / rows * box.height / scale
    nodes = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    coarse = _cubed(nodes, known) @ weights[:-3] + weights[-3] + nodes @ weights[-2:]
    coarse = coarse.reshape(rows, _NODES, 2) * _window(rows, _NODES)[..., None]
    return np.asarray(
        cv2.resize(coarse.astype(np.float32), (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32
    )


def _cubed(a: F64, b: F64) -> F64:
    squared = ((a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T).clip(0)
    return np.asarray(squared * np.sqrt(squared), np.float64)


def _window(rows: int, columns: int) -> F64:
    """1 inside, smoothly 0 at the rim."""
    v, u = ((np.arange(n) + 0.5) / n for n in (rows, columns))
    ramps = [np.clip(np.minimum(x, 1 - x) / _RIM, 0, 1) for x in (v, u)]
    down, across = (t * t * (3 - 2 * t) for t in ramps)
    return np.asarray(down[:, None] * across[None], np.float64)


def _above_line(target: F64, heads: Heads) -> F64:
    """The polygon above the line between the lips, which goes on to both sides."""
    line = (target[list(UPPER_INNER)] + target[list(LOWER_INNER)]) / 2
    side = line[-1] - line[0]
    up = np.array([(-1j / heads.turn[0]).real, (-1j / heads.turn[0]).imag]) * 4
    first, last = line[0] - 3 * side, line[-1] + 3 * side
    return np.concatenate(([first], line, [last], [last + up], [first + up]))


def _gap(target: F64, eyes: float) -> float:
    return float(np.linalg.norm(target[SPEAKING.index(14)] - target[SPEAKING.index(13)])) / eyes


def _warped(picture: YuvFrame, field: F32, box: Box) -> list[F32]:
    """The three planes of the box, moved by the field; float32."""
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


assert len(KEPT) == len(set(PLACE)), "a landmark is kept once"
