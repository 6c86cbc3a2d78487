"""Aligns faces to GFPGAN's 512 × 512 template, and maps them back.

The similarity is the least-squares one (Umeyama 1991) of five landmarks that are smoothed over time: the original's fit
on single-frame landmarks (least median of squares) leaps from frame to frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8, Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SIDE = 512  # pixels of an aligned face, in the training of GFPGAN and ParseNet
LEAST_EYE_DISTANCE = 5.0  # pixels: GFPGANer skips faces with a smaller eye distance
TEMPLATE = np.array(  # eyes, nose, mouth corners (facexlib's FFHQ template)
    [
        [192.98138, 239.94708],
        [318.90277, 240.19360],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
BEYOND = (135, 133, 132)  # BGR outside the frame, in the network's input
MARGIN = 2  # pixels around the area that a warp reads, so that interpolation meets no edge


def similarity(landmarks: F32 | F64) -> F64:
    """(2, 3) map from a frame to the template, the least-squares similarity of five points.

    Parameters
    ----------
    landmarks : (5, 2) x, y in pixels: eyes, nose, mouth corners
    """
    return fitted(landmarks, TEMPLATE)


def fitted(landmarks: F32 | F64, template: F64) -> F64:
    """(2, 3) least-squares similarity of (n, 2) points to (n, 2) others."""
    source = np.asarray(landmarks, np.float64)
    mean_s, mean_t = source.mean(axis=0), template.mean(axis=0)
    s, t = source - mean_s, template - mean_t
    # In the plane: the complex factor a + ib that minimises Σ |t − (a + ib) s|².
    norm = max(float((s * s).sum()), 1e-12)
    a = float((s * t).sum()) / norm
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / norm
    linear = np.array([[a, -b], [b, a]])
    return np.concatenate((linear, (mean_t - linear @ mean_s)[:, None]), axis=1)


def inverse(matrix: F64) -> F64:
    """(2, 3) map from the template to the frame."""
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64)


def extent(matrix: F64, width: int, height: int) -> Box | None:
    """The part of a frame that an aligned face covers; None if it is outside the frame.

    Parameters
    ----------
    matrix : frame → template
    width, height : of the frame
    """
    corners = np.array([[0, 0], [SIDE, 0], [0, SIDE], [SIDE, SIDE]], np.float64)
    back = inverse(matrix)
    points = corners @ back[:, :2].T + back[:, 2]
    low, high = np.floor(points.min(axis=0)).astype(int) - MARGIN, np.ceil(points.max(axis=0)).astype(int) + MARGIN
    box = Box(max(0, low[0]), max(0, low[1]), min(width, high[0]), min(height, high[1]))
    return box if box.width > 0 and box.height > 0 else None


def aligned(picture: YuvFrame, matrix: F64) -> U8:
    """(512, 512, 3) uint8 BGR face, cut out of its frame; :data:`BEYOND` outside it."""
    box = extent(matrix, picture.width, picture.height)
    if box is None:
        return np.full((SIDE, SIDE, 3), BEYOND, np.uint8)
    return aligned_bgr(picture.bgr(box), matrix, box)


def aligned_bgr(bgr: U8, matrix: F64, box: Box | None = None) -> U8:
    """The same of (h, w, 3) uint8 BGR pixels, which are `box` of their frame (by default the whole of it)."""
    own = matrix.copy()
    if box is not None:
        own[:, 2] += own[:, :2] @ (box.x0, box.y0)
    out = cv2.warpAffine(bgr, own, (SIDE, SIDE), borderMode=cv2.BORDER_CONSTANT, borderValue=BEYOND)
    return np.asarray(out, np.uint8)


def eye_distance(landmarks: F32 | F64) -> float:
    """Pixels between the eyes."""
    return float(np.linalg.norm(np.asarray(landmarks[0], np.float64) - np.asarray(landmarks[1], np.float64)))
