"""Blends a generated face into its frame by BiSeNet's face parsing, in MuseTalk's three modes."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.blend import mix
from lipsync_ray.faces.choices import ParsedBlend
from lipsync_ray.media.picture import U8, Box, YuvFrame

F32 = NDArray[np.float32]

SIDE = 512  # pixels of the square that BiSeNet parses
EXPANDED = 1.5  # size of the parsed square, relative to the face's box
KEPT_FROM = 0.5  # share of the square's height above which nothing is drawn
BLUR = 0.05  # kernel size, relative to the square's width
LEAST = 0.1  # share of the box's lower half that the mask must cover; with less, the parser saw no face
_SKIN, _NOSE, _MOUTH, _NECK = 1, 10, (11, 12, 13), 14  # classes; mouth: its inside, upper and lower lip
_CHEEK = 90  # pixels of SIDE from the middle, beyond which the "jaw" mask is narrowed


def expanded(box: Box) -> Box:
    """The square around a face to parse; may extend beyond the frame."""
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
    """Mask of the pixels that may be replaced.

    Parameters
    ----------
    labels : (512, 512) uint8 BiSeNet classes
    blend : "raw" is skin and mouth, as in MuseTalk 1.0; "neck" adds the neck; "jaw" is the skin dilated so that a
        dropping jaw stays inside, narrowed at the cheeks, without the nose, as in MuseTalk 1.5

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
    """(33, 33) uint8 dilation kernel: ten empty rows, a triangle of eleven rows, twelve rows of its base."""
    kernel = np.zeros((33, 33), np.uint8)
    for row in range(10, 33):
        half = min(row - 10, 10)
        kernel[row, 16 - half : 17 + half] = 1
    return kernel


def covers(mask: U8, box: Box) -> bool:
    """Whether a mask covers enough of the box's lower half to be that of a face."""
    return bool(weights_in(mask, box).mean() >= LEAST / 2)


def weights_in(mask: U8, box: Box) -> F32:
    """(h, w) float32 blend weights of a box's pixels in [0, 1]: the mask below the parsed square's middle, with a
    blurred edge.

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
