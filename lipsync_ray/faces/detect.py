"""Detects faces in single, downscaled frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]

SHORT_SIDE = 360  # pixels: frames are scaled down to this before detection
SMALLEST_FACE = 20  # pixels on the scaled frame: a face of 60 pixels at 1080p
_SMALLEST_FRAME = 48  # pixels: MTCNN's picture pyramid needs a few scales


@dataclass(frozen=True)
class Faces:
    """The faces of one frame, best first.

    Attributes
    ----------
    box : (n, 4) float32: x0, y0, x1, y1 in pixels; may reach outside the frame
    landmarks : (n, 5, 2) float32 x, y: left eye, right eye, nose, left and right mouth corner, left and right in the
        picture
    score : (n,) float32 probability
    """

    box: F32
    landmarks: F32
    score: F32

    def __len__(self) -> int:
        return len(self.score)


NO_FACES = Faces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))


class Detector(Protocol):
    """Finds the faces of one frame. The result does not depend on earlier frames."""

    def __call__(self, frame: U8, near: F32 | None = None, /) -> Faces:
        """Detect faces in (h, w, 3) uint8 RGB, in the whole frame or around (k, 4) boxes."""


def mtcnn_detector(device: str) -> Detector:
    """Load MTCNN."""
    from lipsync_ray.faces.mtcnn import Mtcnn  # imports torch, which readers of face tables do not need

    cascade = Mtcnn(device, SMALLEST_FACE)

    def detect(frame: U8, near: F32 | None = None, /) -> Faces:
        box, landmarks, score = cascade(frame, near)
        order = np.lexsort((np.arange(len(score)), -score))  # ties by index
        return Faces(*(values[order].astype(np.float32) for values in (box, landmarks, score)))

    return detect


def detection_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of a frame for detection: short side at most 360 pixels."""
    scale = min(1.0, SHORT_SIDE / min(width, height))
    if min(width, height) * scale < _SMALLEST_FRAME:
        scale = _SMALLEST_FRAME / min(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
