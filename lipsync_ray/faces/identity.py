"""Crops of faces for the descriptor network, and distances between descriptors."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.align import fitted
from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SIDE = 150  # pixels of an aligned face
SIZE = 128  # numbers that describe it
SAME, DIFFERENT = (
    0.45,
    0.6,
)  # distances below which two faces are the same person, above which they are not (benchmarks/identity.py)
# Eyes and mouth corners in dlib's aligned faces (its mean shape, a quarter of it as margin), in parts of the side.
_TEMPLATE = np.array([[0.318, 0.314], [0.668, 0.314], [0.347, 0.685], [0.653, 0.685]]) * SIDE
_POINTS = [0, 1, 3, 4]  # without the nose tip, which moves most as a head turns


class FaceDescriber(Protocol):
    """Describes faces of one frame. A descriptor does not depend on other faces."""

    def __call__(self, frame: U8, landmarks: F32, /) -> F32:
        """(n, SIZE) float32 of the faces with (n, 5, 2) landmarks in (h, w, 3) uint8 RGB."""


def to_aligned(landmarks: F32) -> F64:
    """(2, 3) map from a frame to the aligned face with these (5, 2) landmarks."""
    return fitted(landmarks[_POINTS], _TEMPLATE)


def aligned_face(frame: U8, landmarks: F32) -> U8:
    """(SIDE, SIDE, 3) uint8 RGB: the face with these (5, 2) landmarks, upright and of one size."""
    return np.asarray(
        cv2.warpAffine(frame, to_aligned(landmarks), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
