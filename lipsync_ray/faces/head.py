"""Selects a portrait for a network that animates heads: the frame, its square, and the face in it.

The geometry is that of antgroup/echomimic: half a box of surroundings on every side, the largest square within them, a
mask a tenth larger than the box. A mask that would start outside the picture starts at its edge (in the original it was
empty).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.track import Tracks
from lipsync_ray.media.picture import U8, Box, YuvFrame

SURROUNDINGS = 0.5  # of the face's box, on every side
BEYOND = 0.1  # of the box, added to the mask
SURE = 0.8  # detector score required of a portrait, if any frame has it
NEAR_LARGEST = 0.8  # of the area of the large faces: smaller ones are not used as portraits


@dataclass(frozen=True)
class HeadCrop:
    """The part of a picture to animate.

    Attributes
    ----------
    square : pixels to crop: a square on the screen
    face : pixels of the mask
    """

    square: Box
    face: Box

    def cut(self, picture: U8, side: int) -> U8:
        """(side, side, 3) uint8 BGR of a whole picture (h, w, 3)."""
        box = self.square
        return np.asarray(cv2.resize(picture[box.y0 : box.y1, box.x0 : box.x1], (side, side)), np.uint8)

    def cut_frame(self, picture: YuvFrame, side: int) -> U8:
        """The same of a frame."""
        return np.asarray(cv2.resize(picture.bgr(self.square), (side, side)), np.uint8)

    def mask(self, width: int, height: int, side: int) -> U8:
        """(side, side) uint8: 255 in the face, grey at its border.

        Parameters
        ----------
        width, height : of the picture
        """
        whole = np.zeros((height, width), np.uint8)
        whole[self.face.y0 : self.face.y1, self.face.x0 : self.face.x1] = 255
        box = self.square
        return np.asarray(cv2.resize(whole[box.y0 : box.y1, box.x0 : box.x1], (side, side)), np.uint8)


def surroundings(box: NDArray[np.floating], width: int, height: int) -> Box:
    """The pixels around a face's box (x0, y0, x1, y1), inside the picture."""
    x0, y0, x1, y1 = _rounded(box)
    across, down = int(SURROUNDINGS * (x1 - x0)), int(SURROUNDINGS * (y1 - y0))
    return Box(max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down))


def head_of(box: NDArray[np.floating], width: int, height: int, pixel_aspect: Fraction = Fraction(1)) -> HeadCrop:
    """The head of a face's box (x0, y0, x1, y1) in a picture of the given size; the box may extend beyond it.

    Parameters
    ----------
    pixel_aspect : width of a pixel over its height; the crop is a square on the screen, not in pixels
    """
    if pixel_aspect == 1:
        return _head(box, width, height)
    wide = float(pixel_aspect)
    square_head = _head(np.asarray(box) * (wide, 1, wide, 1), max(1, round(width * wide)), height)

    def stored(on_screen: Box) -> Box:
        left, right = (round(edge / wide) for edge in (on_screen.x0, on_screen.x1))
        return Box(left, on_screen.y0, min(width, max(left + 1, right)), on_screen.y1)

    return HeadCrop(stored(square_head.square), stored(square_head.face))


def _head(box: NDArray[np.floating], width: int, height: int) -> HeadCrop:
    x0, y0, x1, y1 = _rounded(box)
    around = surroundings(box, width, height)
    side = min(around.width, around.height)
    left = max(0, (around.x0 + around.x1) // 2 - side // 2)
    top = max(0, (around.y0 + around.y1) // 2 - side // 2)
    side = min(min(width, left + side) - left, min(height, top + side) - top)
    across, down = int(BEYOND * (x1 - x0)), int(BEYOND * (y1 - y0))
    face = Box(max(0, x0 - across), max(0, y0 - down), min(width, x1 + across), min(height, y1 + down))
    return HeadCrop(Box(left, top, left + side, top + side), face)


def portrait_of(tracks: Tracks, chosen: tuple[int, ...]) -> int | None:
    """Row of the chosen face that suits best as a portrait: large, sure and frontal; the first of equals.

    None if the face is in no frame.
    """
    rows = np.flatnonzero(np.isin(tracks.track, chosen) & ~np.isnan(tracks.box).any(axis=1))
    if not len(rows):
        return None
    sure = rows[tracks.detected[rows] & (tracks.score[rows] > SURE)]
    rows = sure if len(sure) else rows
    box, points = tracks.box[rows], tracks.landmarks[rows].astype(np.float64)
    area = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1])
    large = area >= NEAR_LARGEST * np.quantile(area, 0.9)
    eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    middle = points[:, [0, 1, 3, 4], 0].mean(axis=1)
    turned = np.where(large, np.abs(points[:, 2, 0] - middle) / np.maximum(eyes, 1e-6), np.inf)
    return int(rows[int(np.nan_to_num(turned, nan=np.inf).argmin())])


def _rounded(box: NDArray[np.floating]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (int(edge) for edge in np.round(np.asarray(box, np.float32)))
    return x0, y0, x1, y1
