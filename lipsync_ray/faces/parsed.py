"""How a face that was drawn whole goes back into its frame: by what BiSeNet says is skin and mouth (MuseTalk's three ways)."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.blend import mix
from lipsync_ray.media.picture import U8, Box, YuvFrame

F32 = NDArray[np.float32]
ParsedBlend = Literal["jaw", "raw", "neck"]
PARSED_BLENDS: tuple[str, ...] = get_args(ParsedBlend)

SIDE = 512  # pixels of the square that BiSeNet parses
EXPANDED = 1.5  # times the face's box: what is parsed
KEPT_FROM = 0.5  # of its height: nothing above is drawn
BLUR = 0.05  # of its width
LEAST = 0.1  # of the box's lower half: less than this is no face that a parser has seen
_SKIN, _NOSE, _MOUTH, _NECK = 1, 10, (11, 12, 13), 14  # mouth, upper and lower lip
_CHEEK = 90  # pixels of SIDE from the middle, from where on the jaw's mask is narrowed


def expanded(box: Box) -> Box:
    """The square about a face that is parsed; it may reach beyond the frame."""
    x, y = (box.x0 + box.x1) // 2, (box.y0 + box.y1) // 2
    half = int(max(box.width, box.height) // 2 * EXPANDED)
    return Box(x - half, y - half, x + half, y + half)


def cut_expanded(picture: YuvFrame, box: Box) -> U8:
    """(512, 512, 3) uint8 BGR of a face with its surroundings; black beyond the frame."""
    around = expanded(box)
    inside = Box(max(0, around.x0), max(0, around.y0), min(picture.width, around.x1), min(picture.height, around.y1))
    out = np.zeros((around.height, around.width, 3), np.uint8)
    rows, columns = (
        slice(inside.y0 - around.y0, inside.y1 - around.y0),
        slice(inside.x0 - around.x0, inside.x1 - around.x0),
    )
    out[rows, columns] = picture.bgr(inside)
    way = cv2.INTER_AREA if around.width > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(out, (SIDE, SIDE), interpolation=way), np.uint8)


def mask_of(labels: U8, blend: ParsedBlend) -> U8:
    """What of a parsed face may be drawn anew.

    Parameters
    ----------
    labels : (512, 512) uint8 classes of BiSeNet
    blend : "raw" skin and mouth, as MuseTalk 1.0; "neck" these and the neck; "jaw" the skin grown a little, so that a jaw that
        drops stays inside, narrowed at the cheeks, without the nose, as MuseTalk 1.5

    Returns
    -------
    (512, 512) uint8, 0 or 255
    """
    mouth = np.isin(labels, _MOUTH)
    if blend != "jaw":
        chosen = mouth | (labels == _SKIN) | ((labels == _NECK) if blend == "neck" else False)
        return np.where(chosen, 255, 0).astype(np.uint8)
    grown = cv2.dilate(np.where(labels == _SKIN, 255, 0).astype(np.uint8), _cone())
    narrow = cv2.erode(grown, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (35, 3)), iterations=2)
    cheeks = np.abs(np.arange(SIDE) - SIDE // 2) >= _CHEEK
    skin = np.where(cheeks[None], narrow, grown) > 0
    return np.where((skin & (labels != _NOSE)) | mouth, 255, 0).astype(np.uint8)


@lru_cache(maxsize=1)
def _cone() -> U8:
    """(33, 33) uint8: a triangle of eleven rows under ten empty ones, then twelve rows of its base."""
    kernel = np.zeros((33, 33), np.uint8)
    for row in range(10, 33):
        half = min(row - 10, 10)
        kernel[row, 16 - half : 17 + half] = 1
    return kernel


def covers(mask: U8, box: Box) -> bool:
    """Whether a mask lets enough of a face's lower half be drawn for it to be one."""
    return bool(weights_in(mask, box).mean() >= LEAST / 2)


def weights_in(mask: U8, box: Box) -> F32:
    """(h, w) float32 weights in [0, 1] of a box's pixels: the mask below the middle of what was parsed, its edge blurred.

    Parameters
    ----------
    mask : (512, 512) uint8 of :func:`mask_of`
    """
    around = expanded(box)
    large = cv2.resize(mask, (around.width, around.height), interpolation=cv2.INTER_LINEAR)
    rows = slice(max(box.y0 - around.y0, int(around.height * KEPT_FROM)), box.y1 - around.y0)
    columns = slice(box.x0 - around.x0, box.x1 - around.x0)
    kept = np.zeros_like(large)
    kept[rows, columns] = large[rows, columns]
    size = int(BLUR * around.width // 2 * 2) + 1
    soft = cv2.GaussianBlur(kept, (size, size), 0)
    inside = soft[box.y0 - around.y0 : box.y1 - around.y0, columns]
    return np.asarray(inside / np.float32(255), np.float32)


def paste_parsed(picture: YuvFrame, box: Box, face: U8, mask: U8) -> None:
    """Draw a generated face into ``picture``, in place, through the mask of its frame.

    Parameters
    ----------
    box : where the face was cropped
    face : (side, side, 3) uint8 BGR
    mask : (512, 512) uint8 of :func:`mask_of`
    """
    way = cv2.INTER_AREA if box.width < face.shape[1] else cv2.INTER_CUBIC
    drawn = cv2.resize(face, (box.width, box.height), interpolation=way)
    mix(picture, box, np.asarray(drawn, np.float32), weights_in(mask, box))
