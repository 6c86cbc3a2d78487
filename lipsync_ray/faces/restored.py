"""Pastes a restored face into its frame: warped back from the template and blended by a mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.align import extent, inverse
from lipsync_ray.faces.blend import feather, mix
from lipsync_ray.media.picture import U8, Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


def paste_restored(
    picture: YuvFrame, restored: U8, matrix: F64, mask: F32, strength: float = 1.0, mouth_of: Box | None = None
) -> None:
    """Mix a restored face into ``picture``, in place; planes outside the mask keep the decoder's values.

    Parameters
    ----------
    picture : modified in place
    restored : (512, 512, 3) uint8 BGR
    matrix : (2, 3) frame → template
    mask : (512, 512) float32 weights on the template
    strength : 0 leaves the frame unchanged, 1 uses the restored face alone
    mouth_of : a face crop; only its lower face, which lip-sync redraws, is restored
    """
    box = extent(matrix, picture.width, picture.height)
    if box is None or strength == 0:
        return
    patch, weight = _warped(restored, matrix, mask, box)
    if mouth_of is not None:
        weight = weight * _lower_face(mouth_of, box)
    mix(picture, box, patch, weight * np.float32(strength))


def _warped(restored: U8, matrix: F64, mask: F32, box: Box) -> tuple[F32, F32]:
    """The face and its weights in the pixels of ``box``."""
    back = inverse(matrix)
    back[:, 2] -= (box.x0, box.y0)
    size = (box.width, box.height)
    patch = cv2.warpAffine(restored, back, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if np.linalg.norm(back[:, 0]) < 0.5:  # reduced to less than half: bilinear sampling would skip pixels and flicker
        smaller = cv2.GaussianBlur(restored, (0, 0), 0.4 / float(np.linalg.norm(back[:, 0])))
        patch = cv2.warpAffine(smaller, back, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(mask, back, size, flags=cv2.INTER_LINEAR)
    return np.asarray(patch, np.float32), np.asarray(weight, np.float32)


def _lower_face(crop: Box, box: Box) -> F32:
    """The feather of a face crop, in the pixels of ``box``; zero outside the crop."""
    out = np.zeros((box.height, box.width), np.float32)
    both = Box(max(crop.x0, box.x0), max(crop.y0, box.y0), min(crop.x1, box.x1), min(crop.y1, box.y1))
    if both.width > 0 and both.height > 0:
        soft = feather(crop.width, crop.height)
        out[both.y0 - box.y0 : both.y1 - box.y0, both.x0 - box.x0 : both.x1 - box.x0] = soft[
            both.y0 - crop.y0 : both.y1 - crop.y0, both.x0 - crop.x0 : both.x1 - crop.x0
        ]
    return out
