"""MTCNN (Zhang et al. 2016) through facenet-pytorch, whose three small networks ship inside the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]

SHORT_SIDE = 360  # pixels: frames are scaled down to this before detection
SMALLEST_FACE = 20  # pixels on the scaled frame, MTCNN's own default: a face of 60 pixels at 1080p
_SMALLEST_FRAME = 48  # MTCNN's picture pyramid needs a few scales


@dataclass(frozen=True)
class Faces:
    """The faces of one frame, best first.

    Attributes
    ----------
    box : (n, 4) float32: x0, y0, x1, y1 in pixels; may reach outside the frame
    landmarks : (n, 5, 2) float32 x, y: left eye, right eye, nose, left and right mouth corner, as seen in the picture
    score : (n,) float32 probability
    """

    box: F32
    landmarks: F32
    score: F32

    def __len__(self) -> int:
        return len(self.score)


NO_FACES = Faces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))


class Detector(Protocol):
    """What :func:`lipsync_ray.faces.scan.scan` needs of a detector."""

    independent: bool
    """Whether a frame's result does not depend, to the bit, on the frames in the same call."""

    def __call__(self, frames: Sequence[U8]) -> list[Faces]:
        """Faces of frames of one size, (h, w, 3) uint8 RGB."""
        ...


class MtcnnDetector:
    """MTCNN on frames of any one size.

    On a CPU frames are looked at one by one: a batch is no faster there (0.11 s alone, 0.95 s for eight at 720p), and
    alone a frame's result cannot depend on its neighbours. On a GPU a call is one batch.
    """

    def __init__(self, device: str) -> None:
        from facenet_pytorch import MTCNN  # torchvision's import takes seconds

        self.independent = device == "cpu"
        self._mtcnn: Any = MTCNN(keep_all=True, device=device, min_face_size=SMALLEST_FACE, post_process=False)

    def __call__(self, frames: Sequence[U8]) -> list[Faces]:
        if self.independent:
            return [_faces(*self._mtcnn.detect(frame, landmarks=True)) for frame in frames]
        return [_faces(*found) for found in zip(*self._mtcnn.detect(list(frames), landmarks=True), strict=True)]


def _faces(boxes: Any, scores: Any, points: Any) -> Faces:
    if boxes is None:
        return NO_FACES
    box, score, landmarks = (np.asarray(a).astype(np.float32) for a in (boxes, scores, points))
    order = np.lexsort((np.arange(len(score)), -score))  # ties by index
    return Faces(box[order], landmarks[order], score[order])


def detection_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) at which a frame is looked at: the short side 360 pixels, or less where it has less."""
    scale = min(1.0, SHORT_SIDE / min(width, height))
    if min(width, height) * scale < _SMALLEST_FRAME:
        scale = _SMALLEST_FRAME / min(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))
