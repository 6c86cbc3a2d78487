"""Landmarks of faces with known boxes, by MTCNN's third network only."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mtcnn_networks import LandmarkNet
from lipsync_ray.media.picture import U8, Box, YuvFrame

F64 = NDArray[np.float64]

BATCH = 32


class Landmarks:
    """The loaded network; processes crops in batches of fixed shape."""

    def __init__(self, device: str) -> None:
        self._network = LandmarkNet(device)

    def __call__(self, crops: list[U8 | None], boxes: list[Box | None]) -> F64:
        """Landmarks of a run of frames.

        Parameters
        ----------
        crops : (48, 48, 3) uint8 RGB of each frame's face (:func:`face_square`); None without a face
        boxes : of the crops

        Returns
        -------
        (n, 5, 2) x, y in pixels of the frame: eyes, nose, mouth corners; NaN without a face
        """
        out = np.full((len(crops), 5, 2), np.nan)
        found = enumerate(zip(crops, boxes, strict=True))
        there = [(i, crop, box) for i, (crop, box) in found if crop is not None and box is not None]
        for low in range(0, len(there), BATCH):
            some = there[low : low + BATCH]
            filled = np.zeros((BATCH, LandmarkNet.SIDE, LandmarkNet.SIDE, 3), np.uint8)
            filled[: len(some)] = np.stack([crop for _, crop, _ in some])
            for (i, _, box), points in zip(some, self._network(filled), strict=False):
                out[i] = points * (box.width, box.height) + (box.x0, box.y0)
        return out


def face_square(box: NDArray[np.float32], width: int, height: int) -> Box | None:
    """The square around a face box, clipped to the frame; None if too little remains."""
    centre, half = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) / 2
    edges = np.rint(np.concatenate((centre - half, centre + half))).astype(int)
    inside = Box(max(0, edges[0]), max(0, edges[1]), min(width, edges[2]), min(height, edges[3]))
    return inside if min(inside.width, inside.height) >= half else None


def cut(picture: YuvFrame, box: Box) -> U8:
    """(48, 48, 3) uint8 RGB of a face's square."""
    side = LandmarkNet.SIDE
    small = cv2.resize(picture.bgr(box), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
