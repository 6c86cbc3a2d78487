"""Resizes a picture by area averages, from one summed-area table (Crow 1984).

Every window is whole pixels: row i of m rows of n covers ⌊i·n/m⌋ … ⌈(i + 1)·n/m⌉ − 1, as in torch's "area"
interpolation, with equal results. The sums are integers, so nothing is rounded before the division.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

_LARGEST = 2**31 // 255 - 1  # pixels whose sum always fits 32 bits


class AreaSums:
    """Summed-area table of a picture.

    Parameters
    ----------
    picture : (h, w, 3) uint8
    """

    def __init__(self, picture: U8) -> None:
        self.height, self.width = picture.shape[:2]
        # Larger sums are floats, which are exact up to 2⁵³.
        depth = cv2.CV_32S if self.height * self.width <= _LARGEST else cv2.CV_64F
        self._sums = cv2.integral(np.ascontiguousarray(picture), sdepth=depth)

    def resized(self, height: int, width: int, rows: slice, columns: slice) -> F32:
        """(r, c, 3) float32: a range of rows and columns of the resized picture.

        Parameters
        ----------
        height, width : of the whole resized picture
        rows, columns : with a start and a stop
        """
        top, bottom = _windows(np.arange(rows.start, rows.stop), self.height, height)
        left, right = _windows(np.arange(columns.start, columns.stop), self.width, width)
        low, high = int(left[0]), int(right[-1])
        bands = self._sums[bottom, low : high + 1] - self._sums[top, low : high + 1]
        sums = bands.take(right - low, axis=1) - bands.take(left - low, axis=1)
        share = (1 / ((bottom - top)[:, None] * (right - left)[None])).astype(np.float32)
        return np.asarray(sums * share[..., None], np.float32)

    def cut(self, low: I64, high: I64, side: int) -> F32:
        """(n, side, side, 3) float32 of some boxes.

        Parameters
        ----------
        low, high : (n, 2) x, y of their first pixels and one past their last; inside the picture
        """
        steps = np.arange(side)
        size = high - low
        left, right = (low[:, 0, None] + edge for edge in _windows(steps[None], size[:, 0, None], side))
        top, bottom = (low[:, 1, None] + edge for edge in _windows(steps[None], size[:, 1, None], side))
        flat = self._sums.reshape(-1, 3)

        def corner(y: I64, x: I64) -> NDArray[np.float64]:
            return np.asarray(flat.take((y[:, :, None] * (self.width + 1) + x[:, None]).ravel(), axis=0), np.float64)

        sums = corner(bottom, right) - corner(top, right) - corner(bottom, left) + corner(top, left)
        share = (1 / ((bottom - top)[:, :, None] * (right - left)[:, None])).astype(np.float32)
        return np.asarray(sums.reshape(-1, side, side, 3) * share[..., None], np.float32)


def _windows(numbers: I64, whole: int | I64, parts: int) -> tuple[I64, I64]:
    """(first pixel, one past the last) of the given parts of a row divided into `parts`."""
    return numbers * whole // parts, -(-(numbers + 1) * whole // parts)
