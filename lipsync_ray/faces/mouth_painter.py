"""Paints the inside of a mouth that is never open in its video, from the lips' shape and the light on the face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.inner_mouth import MOMENTARY, PERSONAL, Spots, brighter, inner_mouth, lit
from lipsync_ray.faces.mesh import INDEX_OF, LOWER_INNER, UPPER_INNER, Heads
from lipsync_ray.faces.mouth_inside import extent, halved
from lipsync_ray.media.picture import FULL_RANGE, Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# The lips' shape: gap, width, height of the upper and the lower lip's middle and of the corners, below the line between
# the closed lips. Usual values and their spread, over training clips.
USUAL_SHAPE, SPREAD_SHAPE = (0.10, 0.44, -0.02, 0.08, 0.0), (0.06, 0.05, 0.02, 0.05, 0.02)
FARTHEST = 3.0  # spreads
_MIDDLE = len(UPPER_INNER) // 2
# Beside the nose and on the cheeks, where no lips move and no beard grows: at the picture's left, and at its right
_CHEEKS = tuple([INDEX_OF[number] for number in side] for side in ((50, 205, 129, 98), (280, 425, 358, 327)))
_PATCH = 0.02  # eye distances around each
_SIDES = 0.35  # largest difference of the cheeks' brightness that counts, relative to their sum
_DIMMEST = 20.0  # luma of cheeks
_LEAST_U, _LEAST_V = -3.0, 5.0  # of skin, from grey
_BRIGHTEST = 230.0


@dataclass(frozen=True)
class Tone:
    """Light and colour of a face.

    Attributes
    ----------
    skin : luma of the cheeks above black
    side : how much brighter the cheek at the picture's right is, relative to their sum
    u, v : colour of the cheeks, from grey
    """

    skin: float
    side: float
    u: float
    v: float


@dataclass(frozen=True)
class MouthPainter:
    """A small network that sets the dials of :func:`~lipsync_ray.faces.inner_mouth.inner_mouth`.

    Attributes
    ----------
    personal : (len(PERSONAL),) float32 log odds of the dials of the teeth
    first, first_bias : (h, 5), (h,) float32 from the lips' shape to a hidden layer with tanh
    second, second_bias : (len(MOMENTARY), h), (len(MOMENTARY),) float32 from there to log odds of the other dials
    """

    personal: F32
    first: F32
    first_bias: F32
    second: F32
    second_bias: F32

    def dials(self, shape: F64, skin: float) -> dict[str, float]:
        """The dials for a (5,) shape of the lips and a luma of the skin."""
        scaled = np.clip((shape - USUAL_SHAPE) / SPREAD_SHAPE, -FARTHEST, FARTHEST)
        hidden = np.tanh((self.first * scaled).sum(1) + self.first_bias)
        odds = (self.second * hidden).sum(1) + self.second_bias
        found = _in_range(self.personal, PERSONAL) | _in_range(odds, MOMENTARY)
        return found | {name: found[name] * brighter(skin) for name in ("upper_luma", "lower_luma")}

    def paint(
        self, planes: list[F32], picture: YuvFrame, opening: F32, box: Box, heads: Heads, lips: LipEdges, tone: Tone
    ) -> None:
        """Mix the inside of the mouth into a box's planes.

        Parameters
        ----------
        opening : (h, w) weight of it
        """
        area = extent(opening)
        if area is None:
            return
        opening = opening[area.y0 : area.y1, area.x0 : area.x1]
        at = lips.spots(Box(box.x0 + area.x0, box.y0 + area.y0, box.x0 + area.x1, box.y0 + area.y1), heads)
        luma, u, v = inner_mouth(at, self.dials(lips.shape, tone.skin))
        light = tone.skin * lit(at.x, tone.side)
        black = 0.0 if picture.colour.range == FULL_RANGE else 16.0
        painted = (
            np.minimum(black + light * luma, _BRIGHTEST),
            128 + tone.u * halved(u),
            128 + tone.v * halved(v),
        )
        for channel, (plane, paint) in enumerate(zip(planes, painted, strict=True)):
            step = 1 if channel == 0 else 2
            part = plane[area.y0 // step : area.y1 // step, area.x0 // step : area.x1 // step]
            part += (opening if channel == 0 else halved(opening)) * (paint - part)


def _in_range(odds: NDArray[np.floating], ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    parts = (1 / (1 + np.exp(-odds.astype(np.float64)))).tolist()
    return {name: low + part * (high - low) for part, (name, (low, high)) in zip(parts, ranges.items(), strict=True)}


@dataclass(frozen=True)
class LipEdges:
    """The inner edges of lips in the head's own frame.

    Attributes
    ----------
    upper, lower : (11, 2) from left to right, both corners included
    middle, line : x of the mouth's middle, and y of the line between its lips, when it is closed
    """

    upper: F64
    lower: F64
    middle: float
    line: float

    @classmethod
    def of(cls, lips: F64, closed: F64) -> LipEdges:
        """From (len(SPEAKING), 2) landmarks in the head's own frame, as they are and closed."""
        upper, lower = lips[list(UPPER_INNER)], lips[list(LOWER_INNER)]
        edge = closed[list(UPPER_INNER)]
        return cls(upper, lower, float(edge[[0, -1], 0].mean()), float(edge[_MIDDLE, 1]))

    @property
    def shape(self) -> F64:
        """(5,) as of :data:`USUAL_SHAPE`."""
        upper, lower = self.upper[:, 1] - self.line, self.lower[:, 1] - self.line
        width = self.upper[-1, 0] - self.upper[0, 0]
        return np.array([lower[_MIDDLE] - upper[_MIDDLE], width, upper[_MIDDLE], lower[_MIDDLE], upper[[0, -1]].mean()])

    def spots(self, box: Box, heads: Heads) -> Spots:
        """Places of a box's pixels in the mouth, (h, w) float32 each."""
        x, y = np.arange(box.x0, box.x1) + 0.5, np.arange(box.y0, box.y1) + 0.5
        z = heads.turn[0] * (x + 1j * y[:, None]) + heads.shift[0]
        above = z.imag - np.interp(z.real, *self.upper.T)
        below = np.interp(z.real, *self.lower.T) - z.imag
        left, right = self.upper[[0, -1], 0]
        across = (z.real - (left + right) / 2) / max(1e-3, (right - left) / 2)
        places = (z.real - self.middle, z.imag - self.line, above, below, across)
        return Spots._make((*(place.astype(np.float32) for place in places), float(abs(heads.turn[0]))))


def tone_of(picture: YuvFrame, points: F64, eyes: float) -> Tone:
    """Light and colour of a face with (len(KEPT), 2) landmarks in pixels."""
    black = 0.0 if picture.colour.range == FULL_RANGE else 16.0
    sides = [_median_of([_mean(picture, at, eyes) for at in points[cheek].tolist()]) for cheek in _CHEEKS]
    left, right = (max(float(side[0]) - black, _DIMMEST / 2) for side in sides)
    u, v = ((sides[0] + sides[1]) / 2 - 128)[1:].tolist()
    side = float(np.clip((right - left) / (left + right), -_SIDES, _SIDES))
    return Tone(max((left + right) / 2, _DIMMEST), side, min(u, _LEAST_U), max(v, _LEAST_V))


def _median_of(four: list[tuple[float, float, float]]) -> F64:
    return np.asarray(np.sort(four, axis=0)[1:3].mean(0), np.float64)


def _mean(picture: YuvFrame, at: list[float], eyes: float) -> tuple[float, float, float]:
    """Mean Y, U, V around a point, which may lie outside the picture."""
    reach = max(1, round(_PATCH * eyes / 2))  # chroma samples
    x, y = (
        int(min(max(place // 2, 0), size // 2 - 1))
        for place, size in zip(at, (picture.width, picture.height), strict=True)
    )
    rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    twice = (slice(2 * rows.start, 2 * rows.stop), slice(2 * columns.start, 2 * columns.stop))
    return cv2.mean(picture.y[twice])[0], cv2.mean(picture.u[rows, columns])[0], cv2.mean(picture.v[rows, columns])[0]
