"""What a dub did to the picture: how much the rest of it suffered, how sharp the mouth is, how much the face shakes.

All on luma, of one frame and its reference at a time; means over frames are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8, Box

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

Landmarker = Callable[[list[U8 | None], list[Box | None]], F64]
"""Finds the landmarks of a run of cut-out faces (:class:`lipsync_ray.faces.landmarks.Landmarks`)."""

PEAK = 255.0
IDENTICAL_DB = 100.0  # PSNR of equal pictures, instead of infinity, so that a mean stays a number
MOUTH_TOP = 0.45  # of the crop's height: lip-sync draws what is below
ALIKE_SIDE, ALIKE_BLOCK = 96, 12  # pixels: of the pictures whose blocks are compared, and of a block
ALIKE_R = 0.75  # correlation of two blocks that show the same
_STRUCTURE = 3.0  # levels: standard deviation of a block in which there is something to compare
_FEWEST = 6  # blocks
MARGIN = 0.04  # of the crop's height around it that a blend and the codec's own filter reach


@dataclass(frozen=True)
class Outside:
    """The picture outside the mouth regions against the reference.

    Attributes
    ----------
    mse : mean squared difference of luma
    ssim : structural similarity, mean over the region (Wang et al. 2004; scikit-image, 7 × 7 windows)
    """

    mse: float
    ssim: float


def psnr(mse: float) -> float:
    """10 · log10(255² / mse) in dB; 100 where the pictures are equal."""
    return IDENTICAL_DB if mse <= 0 else min(IDENTICAL_DB, 10 * float(np.log10(PEAK**2 / mse)))


def mouth_region(box: Box) -> Box:
    """The part of a face crop that lip-sync draws anew."""
    return Box(box.x0, box.y0 + round(MOUTH_TOP * box.height), box.x1, box.y1)


def compare_outside(luma: U8, reference: U8, crops: Sequence[Box]) -> Outside | None:
    """Compare two frames outside the mouth regions of these crops; None where nothing of the frame is left.

    Parameters
    ----------
    luma, reference : (h, w) uint8
    """
    from skimage.metrics import structural_similarity

    outside = np.ones(luma.shape, np.bool_)
    for crop in crops:
        mouth, margin = mouth_region(crop), round(MARGIN * crop.height)
        rows = slice(max(0, mouth.y0 - margin), mouth.y1 + margin)
        outside[rows, max(0, mouth.x0 - margin) : mouth.x1 + margin] = False
    if not outside.any() or min(luma.shape) < 7:
        return None
    squares = cv2.absdiff(luma, reference).astype(np.float32) ** 2
    _, local = structural_similarity(luma, reference, data_range=PEAK, full=True)
    return Outside(float(squares[outside].mean(dtype=np.float64)), float(local[outside].mean(dtype=np.float64)))


def alike(luma: U8, reference: U8) -> float | None:
    """Part of two pictures that shows the same thing, 0 to 1, whatever their sizes, coding, brightness and contrast.

    Both are scaled to 96 × 96, and those of their 64 blocks in which both show structure are correlated.

    Parameters
    ----------
    luma, reference : (h, w) uint8

    Returns
    -------
    The share of blocks that correlate by more than 0.75. Where fewer than six can be compared: 0 if most of one picture has
    structure that the other lacks, else None, as of two that are blank.
    """
    size, count = (ALIKE_SIDE, ALIKE_SIDE), ALIKE_SIDE // ALIKE_BLOCK
    blocks = [
        cv2.resize(one, size, interpolation=cv2.INTER_AREA)
        .astype(np.float64)
        .reshape(count, ALIKE_BLOCK, count, ALIKE_BLOCK)
        .transpose(0, 2, 1, 3)
        .reshape(count**2, -1)
        for one in (luma, reference)
    ]
    ours, theirs = (block - block.mean(axis=1, keepdims=True) for block in blocks)
    deviations = ours.std(axis=1), theirs.std(axis=1)
    structured = [deviation > _STRUCTURE for deviation in deviations]
    there = structured[0] & structured[1]
    if there.sum() < _FEWEST:
        return 0.0 if max(one.sum() for one in structured) > count**2 / 2 else None
    r = (ours * theirs).mean(axis=1)[there] / (deviations[0] * deviations[1])[there]
    return float((r > ALIKE_R).mean())


def sharpness(luma: U8, crop: Box) -> float:
    """Variance of the Laplacian in a crop's mouth region (Pech-Pacheco et al. 2000), in squared levels."""
    mouth = mouth_region(crop)
    region = luma[max(0, mouth.y0) : mouth.y1, max(0, mouth.x0) : mouth.x1]
    return float(cv2.Laplacian(region, cv2.CV_32F).var(dtype=np.float64))


def jitter(landmarks: F64 | F32) -> F64:
    """How much a face shakes: the mean length of its landmarks' second differences, in parts of the eyes' distance.

    A steady motion has none. Speech moves the mouth corners on either side of the comparison.

    Parameters
    ----------
    landmarks : (n, 5, 2) x, y of neighbouring frames, eyes first; NaN where there is no face

    Returns
    -------
    (n − 2,) one number for each three frames; NaN where one of them has no face
    """
    points = np.asarray(landmarks, np.float64)
    if len(points) < 3:
        return np.zeros(0)
    second = points[2:] - 2 * points[1:-1] + points[:-2]
    eyes = np.linalg.norm(points[1:-1, 0] - points[1:-1, 1], axis=1)
    return np.asarray(np.linalg.norm(second, axis=2).mean(axis=1) / np.maximum(eyes, 1e-6), np.float64)
