"""Frames as 8-bit 4:2:0 planes, and the colour conversion between them and BGR.

Frames stay planar from decoder to encoder, so pixels outside faces reach the encoder unchanged. Only a face's rectangle
is converted to BGR for a network, and back for the paste.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # which imports this module
    from lipsync_ray.media.native import NativePicture

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

# ITU-T H.273 matrix coefficients: code -> (Kr, Kb)
_KR_KB = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
UNSPECIFIED = 2
FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
HD_LINES = 720  # untagged pictures of at least this height are treated as BT.709, as players do


@dataclass(frozen=True)
class Colour:
    """A stream's colour tags (ITU-T H.273 codes; 2 = unspecified) and its range (0 unknown, 1 limited, 2 full)."""

    matrix: int = UNSPECIFIED
    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED

    def coefficients(self, height: int) -> tuple[float, float, bool]:
        """(Kr, Kb, full range?) for conversion; an untagged matrix is BT.709 or BT.601, depending on ``height``."""
        matrix = self.matrix if self.matrix in _KR_KB else (1 if height >= HD_LINES else 6)
        return (*_KR_KB[matrix], self.range == FULL_RANGE)


RGB_AS = Colour(matrix=1, range=1, primaries=1, transfer=1)
"""Colour of planes converted from RGB, palettes and similar formats: BT.709, limited range."""


def known_matrix(code: int) -> bool:
    """Whether pictures with this matrix code can be converted to RGB: it is known or unspecified."""
    return code in _KR_KB or code in (0, UNSPECIFIED, 3)


class Box(NamedTuple):
    """A rectangle in pixels: columns x0 … x1−1, rows y0 … y1−1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    def even(self) -> Box:
        """The smallest surrounding box with even edges, which fall between chroma samples."""
        return Box(self.x0 & ~1, self.y0 & ~1, (self.x1 + 1) & ~1, (self.y1 + 1) & ~1)


@dataclass(frozen=True)
class YuvFrame:
    """One 8-bit 4:2:0 frame.

    Attributes
    ----------
    y : (H, W) uint8; H and W even
    u, v : (H/2, W/2) uint8
    colour : matrix and range of the planes
    native : the decoder's own samples, where they have more and the output keeps it
    """

    y: U8
    u: U8
    v: U8
    colour: Colour
    native: NativePicture | None = None

    @property
    def height(self) -> int:
        return int(self.y.shape[0])

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    def copy(self) -> YuvFrame:
        return YuvFrame(self.y.copy(), self.u.copy(), self.v.copy(), self.colour, self.native)

    @property
    def nbytes(self) -> int:
        """Bytes of its samples."""
        return self.y.size + self.u.size + self.v.size + (self.native.nbytes if self.native is not None else 0)

    def bgr(self, box: Box | None = None) -> U8:
        """The pixels of ``box`` (all, by default) as (h, w, 3) uint8 BGR.

        Raises
        ------
        ValueError : the box is empty or not inside the picture
        """
        box = box or Box(0, 0, self.width, self.height)
        if not (0 <= box.x0 < box.x1 <= self.width and 0 <= box.y0 < box.y1 <= self.height):
            raise ValueError(f"{box} is not inside a picture of {self.width}×{self.height}")
        r = box.even()
        y = self.y[r.y0 : r.y1, r.x0 : r.x1]
        u, v = (
            cv2.resize(
                plane[r.y0 // 2 : r.y1 // 2, r.x0 // 2 : r.x1 // 2], (r.width, r.height), interpolation=cv2.INTER_LINEAR
            )
            for plane in (self.u, self.v)
        )
        out = cv2.transform(cv2.merge((y, u, v)), _to_bgr(*self.colour.coefficients(self.height)))
        return np.ascontiguousarray(out[box.y0 - r.y0 : box.y1 - r.y0, box.x0 - r.x0 : box.x1 - r.x0], dtype=np.uint8)

    def planes_of(self, bgr: F32) -> F32:
        """(h, w, 3) float BGR in 0–255 as (h, w, 3) float Y, U, V at full resolution, in this picture's colour."""
        return from_bgr(bgr, self.colour, self.height)


def from_bgr(bgr: F32, colour: Colour, height: int) -> F32:
    """(h, w, 3) float BGR in 0–255 as (h, w, 3) float Y, U, V of 8 bits.

    Parameters
    ----------
    height : of the whole picture
    """
    return np.asarray(cv2.transform(bgr, _from_bgr(*colour.coefficients(height))), np.float32)


def to_bgr(yuv: F32, colour: Colour, height: int) -> F32:
    """The inverse of :func:`from_bgr`."""
    return np.asarray(cv2.transform(yuv, _to_bgr(*colour.coefficients(height))), np.float32)


@lru_cache(maxsize=16)
def _from_bgr(kr: float, kb: float, full: bool) -> NDArray[np.float64]:
    """(3, 4): Y, U, V = M · (B, G, R, 1), ITU-T H.273 equations for 8 bits."""
    kg = 1 - kr - kb
    luma = np.array([kb, kg, kr])
    rows = [luma, (np.array([1.0, 0, 0]) - luma) / (2 * (1 - kb)), (np.array([0, 0, 1.0]) - luma) / (2 * (1 - kr))]
    scale_y, scale_c, offset = (1.0, 1.0, 0.0) if full else (219 / 255, 224 / 255, 16.0)
    matrix = np.zeros((3, 4))
    matrix[0, :3], matrix[0, 3] = rows[0] * scale_y, offset
    for i in (1, 2):
        matrix[i, :3], matrix[i, 3] = rows[i] * scale_c, 128.0
    return matrix


@lru_cache(maxsize=16)
def _to_bgr(kr: float, kb: float, full: bool) -> NDArray[np.float64]:
    """(3, 4): B, G, R = M · (Y, U, V, 1), the inverse of :func:`_from_bgr`."""
    forward = _from_bgr(kr, kb, full)
    inverse = np.linalg.inv(forward[:, :3])
    return np.hstack((inverse, -inverse @ forward[:, 3:]))
