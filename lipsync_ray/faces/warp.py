"""Move a person's own lips: the pixels of the frame itself, at its own size, bent to where its landmarks are to be.

Two smooth fields (polyharmonic splines through the landmarks' displacements) move what lies above and below the line
between the lips; what comes to be seen between them is taken from a frame of the same person with the mouth open,
where the teeth stay with the skull.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

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
from lipsync_ray.media.picture import FULL_RANGE, Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# In eye distances around the middle of the lips: what may be moved.
_SIDE, _ABOVE, _BELOW = 0.95, 0.75, 1.15
_RIM = 0.15  # of the box, over which the movement fades
_NODES = 40  # of the grid that a field is computed on
_BELOW_CHIN = 1.45  # of the way from the nose to the outline of the jaw: still again
_EDGE = 1 / 160  # eye distances: softness of the lips' inner edge
_GAPING = 0.05  # eye distances: a mouth that never opens so far shows nothing of its inside
_SHADE = 0.55  # of the inside's brightness where the lips begin to part
_LIGHTER, _DARKER = 1.3, 0.75

_CORNERS = (0, RING // 2, RING, RING + RING // 2)
_LOWER_LIP = (*range(1, 10), *range(RING + 1, RING + 10))
_UPPER_LIP = (*range(11, RING), *range(RING + 11, 2 * RING))
_CHIN = tuple(range(len(LIPS), len(LIPS) + len(CHIN)))
_MOVING_ABOVE = (*_UPPER_LIP, *_CORNERS, *_CHIN)
_MOVING_BELOW = (*_LOWER_LIP, *_CORNERS, *_CHIN)
_STILL = tuple(PLACE[number] for number in STILL)
_OUTLINE = tuple(PLACE[number] for number in (152, 148, 176, 377, 400, *JAW))
_OUTER = tuple(range(RING))


@dataclass(frozen=True)
class LipBasis:
    """The few directions that lips and chin move in when people speak: principal components of many people's.

    Attributes
    ----------
    directions : (k, len(SPEAKING), 2) displacement of the landmarks for 1 of each, in eye distances
    readers : (k, len(SPEAKING), 2) what reads them off a displacement
    """

    directions: F32
    readers: F32

    def read(self, steps: F64) -> F64:
        """(n, k) of (n, len(SPEAKING), 2) displacements from where the landmarks rest."""
        return np.einsum("nsc,ksc->nk", steps, self.readers.astype(np.float64))

    def steps(self, lips: NDArray[np.floating]) -> F64:
        """(n, len(SPEAKING), 2) displacements of (n, k)."""
        return np.einsum("nk,ksc->nsc", np.asarray(lips, np.float64), self.directions.astype(np.float64))

    def shown(self, mouth: Mouth, points: NDArray[np.floating]) -> F64:
        """(n, k) that the mouth shows in frames of (n, len(KEPT), 2) landmarks."""
        return self.read(heads_of(points).inside(points[:, TALKING]) - mouth.rest_of(points))


@dataclass(frozen=True)
class _Inside:
    """The inside of a mouth: planes of the picture that shows it, what is not inside filled with what is.

    Attributes
    ----------
    y, u, v : float32, of the box
    box : where, in that picture
    heads : how its head lies
    gap : distance of the lips, in eye distances
    skin : mean luma of the lips' outline
    """

    y: F32
    u: F32
    v: F32
    box: Box
    heads: Heads
    gap: float
    skin: float


class LipWarp:
    """Redraws the mouths of one video.

    Parameters
    ----------
    basis : what the lips are told in
    open_frame : frame number → picture and (len(KEPT), 2) landmarks of a frame with the mouth open
    """

    def __init__(self, basis: LipBasis, open_frame: Callable[[int], tuple[YuvFrame, F32]]) -> None:
        self._basis, self._open_frame = basis, open_frame
        self._insides: dict[int, _Inside | None] = {}

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
        box = _box(at[0], eyes, picture)
        if box is None:
            return
        if silence:
            closed = self._basis.read(mouth.closed[None].astype(np.float64))[0]
            lips = lips + silence * (closed - lips)
        steps = self._basis.steps(lips[None] - self._basis.shown(mouth, at))
        own = at[0, TALKING]
        target = own + _uncrossed(own, heads.moved(steps)[0], heads)
        moved = target - own
        still = np.concatenate((at[0, list(_STILL)], _below_chin(at[0])))
        fields = [
            _field(np.concatenate((target[list(some)], still)), moved[list(some)], box)
            for some in (_MOVING_ABOVE, _MOVING_BELOW)
        ]
        above = _soft(_above_line(target, heads), box, eyes)
        field = np.asarray(fields[1] + above[..., None] * (fields[0] - fields[1]), np.float32)
        seen = _soft(target[[*UPPER_INNER, *LOWER_INNER[::-1]]], box, eyes)
        inside = self._inside(mouth)
        planes = _warped(picture, field, box)
        if inside is not None:
            _show_inside(planes, picture, inside, seen, box, heads, at[0], _gap(target, eyes))
        else:
            _darken(planes, seen)
        _put(picture, planes, box)

    def _inside(self, mouth: Mouth) -> _Inside | None:
        if mouth.track not in self._insides:
            found = None
            if mouth.open_gap >= _GAPING:
                picture, points = self._open_frame(mouth.open_frame)
                found = _inside_of(picture, points.astype(np.float64), mouth.open_gap)
            self._insides[mouth.track] = found
        return self._insides[mouth.track]


def _box(points: F64, eyes: float, picture: YuvFrame) -> Box | None:
    """What may be moved, as far as it lies in the picture; even, so that chroma can be moved along."""
    centre = points[: len(LIPS)].mean(0)
    low = np.floor(centre - eyes * np.array([_SIDE, _ABOVE])).astype(int)
    high = np.ceil(centre + eyes * np.array([_SIDE, _BELOW])).astype(int)
    box = Box(max(0, low[0]), max(0, low[1]), min(picture.width, high[0]), min(picture.height, high[1])).even()
    return box if min(box.width, box.height) >= 8 else None


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


def _soft(polygon: F64, box: Box, eyes: float) -> F32:
    """(h, w) float32 weight of a polygon's pixels, its edge softened."""
    mask = np.zeros((box.height, box.width), np.uint8)
    corners = np.round((polygon - (box.x0, box.y0) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(0.5, eyes * _EDGE)), np.float32)


def _gap(target: F64, eyes: float) -> float:
    return float(np.linalg.norm(target[SPEAKING.index(14)] - target[SPEAKING.index(13)])) / eyes


def _halved(plane: F32) -> F32:
    return np.asarray(
        cv2.resize(plane, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA), np.float32
    )


def _warped(picture: YuvFrame, field: F32, box: Box) -> list[F32]:
    """The three planes of the box, moved by the field; float32."""
    half = _halved(field) / 2
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


def _inside_of(picture: YuvFrame, points: F64, gap: float) -> _Inside | None:
    """The inside of an open mouth, and around it its own edge, further and further blurred."""
    heads = heads_of(points[None])
    eyes = float(heads.eyes[0])
    box = _box(points, eyes, picture)
    if box is None:
        return None
    polygon = points[TALKING][[*UPPER_INNER, *LOWER_INNER[::-1]]]
    middle = polygon.mean(0)
    mask = _soft(middle + 0.88 * (polygon - middle), box, eyes)
    planes = [picture.y[box.y0 : box.y1, box.x0 : box.x1]]
    planes += [p[box.y0 // 2 : box.y1 // 2, box.x0 // 2 : box.x1 // 2] for p in (picture.u, picture.v)]
    y = _spread(planes[0].astype(np.float32), mask, eyes)
    u, v = (_spread(plane.astype(np.float32), _halved(mask), eyes / 2) for plane in planes[1:])
    return _Inside(y, u, v, box, heads, gap, _skin(picture, points))


def _spread(plane: F32, mask: F32, eyes: float) -> F32:
    """`plane` where the mask is whole; elsewhere the mean of what is near and inside, of as near as there is."""
    out, done = plane * mask, mask.copy()
    for reach in (0.012, 0.03, 0.08, 0.2, 0.5):
        sigma = max(0.5, reach * eyes)
        weight = cv2.GaussianBlur(mask, (0, 0), sigma)
        mean = cv2.GaussianBlur(plane * mask, (0, 0), sigma) / np.maximum(weight, 1e-6)
        more = (1 - done) * np.clip(weight * 8, 0, 1)
        out, done = out + more * mean, done + more
    return np.asarray(out / np.maximum(done, 1e-6), np.float32)


def _skin(picture: YuvFrame, points: F64) -> float:
    """Mean luma on the outline of the lips."""
    at = np.floor(points[list(_OUTER)]).astype(int).clip(0, (picture.width - 1, picture.height - 1))
    return float(picture.y[at[:, 1], at[:, 0]].mean())


def _show_inside(
    planes: list[F32], picture: YuvFrame, inside: _Inside, seen: F32, box: Box, heads: Heads, points: F64, gap: float
) -> None:
    """Mix the inside of the mouth into the planes: moved with the skull, in this frame's light, darker in a slit."""
    light = np.clip(_skin(picture, points) / max(inside.skin, 1.0), _DARKER, _LIGHTER)
    shade = light * (_SHADE + (1 - _SHADE) * min(1.0, gap / inside.gap))
    turn = heads.turn[0] / inside.heads.turn[0]
    shift = (heads.shift[0] - inside.heads.shift[0]) / inside.heads.turn[0]
    black = 0.0 if picture.colour.range == FULL_RANGE else 16.0
    area = _extent(seen)
    if area is None:
        return
    seen = seen[area.y0 : area.y1, area.x0 : area.x1]
    for place, (plane, source) in enumerate(zip(planes, (inside.y, inside.u, inside.v), strict=True)):
        step = 1 if place == 0 else 2
        # z ↦ turn · z + shift, of the centres of this plane's pixels, to those of the other's.
        corner = complex(box.x0 + area.x0 + step / 2, box.y0 + area.y0 + step / 2)
        origin = (turn * corner + shift - complex(inside.box.x0, inside.box.y0)) / step - (0.5 + 0.5j)
        affine = np.array([[turn.real, -turn.imag, origin.real], [turn.imag, turn.real, origin.imag]])
        weight = seen if place == 0 else _halved(seen)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(source, affine, weight.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        if place == 0:
            moved = black + (moved - black) * shade
        part = plane[area.y0 // step : area.y1 // step, area.x0 // step : area.x1 // step]
        part += weight * (moved - part)


def _extent(seen: F32) -> Box | None:
    """The even box in which a weight is not zero."""
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1).even()


def _darken(planes: list[F32], seen: F32) -> None:
    """The inside of a mouth that nobody has seen open: the lips' own colour, dark."""
    for place, plane in enumerate(planes):
        weight = seen if place == 0 else _halved(seen)
        dark = 0.3 * plane if place == 0 else 128 + 0.6 * (plane - 128)
        plane += weight * (dark - plane)


def _put(picture: YuvFrame, planes: list[F32], box: Box) -> None:
    edges = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    half = (slice(box.y0 // 2, box.y1 // 2), slice(box.x0 // 2, box.x1 // 2))
    for target, where, plane in zip((picture.y, picture.u, picture.v), (edges, half, half), planes, strict=True):
        target[where] = np.clip(np.rint(plane), 0, 255).astype(np.uint8)


assert len(KEPT) == len(set(PLACE)), "a landmark is kept once"
