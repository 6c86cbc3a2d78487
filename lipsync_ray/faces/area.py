"""A picture at other sizes by the mean of what each pixel covers, out of one table of sums (Crow 1984).

Every window is whole pixels: row i of m rows of n covers ⌊i·n/m⌋ … ⌈(i + 1)·n/m⌉ − 1, as torch's "area" interpolation does, whose
means these equal. The sums are whole numbers, so nothing is rounded before the division.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

_LARGEST = 2**31 // 255 - 1  # pixels whose sum is sure to fit 32 bits


class AreaSums:
    """The sums of a picture.

    Parameters
    ----------
    picture : (h, w, 3) uint8
    """

    def __init__(self, picture: U8) -> None:
        self.height, self.width = picture.shape[:2]
        # Beyond what 32 bits hold the numbers are floats, which are exact to 2⁵³.
        depth = cv2.CV_32S if self.height * self.width <= _LARGEST else cv2.CV_64F
        self._sums = cv2.integral(np.ascontiguousarray(picture), sdepth=depth)

    def resized(self, height: int, width: int, rows: slice, columns: slice) -> F32:
        """(r, c, 3) float32 of a stretch of rows and columns of the picture at a size.

        Parameters
        ----------
        height, width : of the whole of it
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
        low, high : (n, 2) x, y of their first pixels, and of those after their last ones; inside the picture
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
    """First pixels of some of so many parts of a row, and the pixels after their last ones."""
    return numbers * whole // parts, -(-(numbers + 1) * whole // parts)
