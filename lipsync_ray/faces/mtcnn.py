"""MTCNN (Zhang et al. 2016, arXiv:1604.02878): three small networks in a cascade, over a whole frame or around known
faces.

Boxes, landmarks and scores equal those of ``facenet_pytorch.MTCNN.detect`` (a test compares them). Around a known face,
the same networks process the same pixels at the same positions, only at the scales at which such a face is found.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from lipsync_ray.compute import device_of
from lipsync_ray.faces.area import AreaSums
from lipsync_ray.faces.mtcnn_networks import first, later, normalised, weights_of
from lipsync_ray.media.picture import U8

F64 = NDArray[np.float64]

THRESHOLDS = (0.6, 0.7, 0.7)  # of the three networks' probabilities
PYRAMID = 0.709  # scale between two levels of the pyramid
CELL = 12  # pixels: receptive field of the first network
STRIDE = 2
# Search around a face, in units of its larger side: margin beyond its box, and range of cell sizes that find it.
MARGIN = 0.75
CELLS = (0.35, 2.2)


class Mtcnn:
    """The cascade, for one frame at a time, so that a frame's faces do not depend on other frames.

    Parameters
    ----------
    device : "cpu", "cuda", …
    smallest : pixels: side of the smallest face to find
    """

    def __init__(self, device: str, smallest: int) -> None:
        self._device = device_of(device)
        self._smallest = smallest
        self._p, self._r, self._o = (weights_of(name, self._device) for name in ("pnet", "rnet", "onet"))

    @torch.inference_mode()
    def __call__(self, frame: U8, near: NDArray[np.floating] | None = None) -> tuple[F64, F64, F64]:
        """Find faces.

        Parameters
        ----------
        frame : (h, w, 3) uint8 RGB
        near : (k, 4) boxes to search around; None for the whole frame

        Returns
        -------
        boxes (n, 4) x0, y0, x1, y1, which may reach outside; landmarks (n, 5, 2) x, y: eyes, nose, mouth corners;
        probabilities (n,). Pixels of the frame; in no particular order.
        """
        picture = AreaSums(frame)
        boxes = self._propose(picture, near)
        if len(boxes):
            boxes = self._refine(picture, boxes)
        if not len(boxes):
            return np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0)
        return self._settle(picture, boxes)

    def _propose(self, picture: AreaSums, near: NDArray[np.floating] | None) -> F64:
        """First network, over a pyramid of pictures: (n, 4) square candidates."""
        scale = CELL / self._smallest
        found = []
        while min(picture.height, picture.width) * scale >= CELL:
            height, width = int(picture.height * scale + 1), int(picture.width * scale + 1)
            areas = [(slice(0, height), slice(0, width))]
            if near is not None:
                areas = list(_around(near, scale, height, width))
            candidates_at = [self._proposals(picture.resized(height, width, *area), area, scale) for area in areas]
            if any(len(some) for some in candidates_at):
                candidates = np.concatenate(candidates_at)
                found.append(candidates[nms(candidates[:, :4], candidates[:, 4], 0.5)])
            scale *= PYRAMID
        if not found:
            return np.zeros((0, 4))
        all_found = np.concatenate(found)
        all_found = all_found[nms(all_found[:, :4], all_found[:, 4], 0.7)]
        sides = np.tile(all_found[:, 2:4] - all_found[:, :2], 2)
        return _squared(all_found[:, :4] + all_found[:, 5:] * sides)

    def _proposals(self, small: NDArray[np.float32], area: tuple[slice, slice], scale: float) -> F64:
        """(n, 9) box, probability and corrections of candidates in a part of one pyramid level."""
        moves, score = first(self._p, normalised(small[None], self._device))
        rows, columns = torch.nonzero(score >= THRESHOLDS[0], as_tuple=True)
        if not len(rows):
            return np.zeros((0, 9))
        # Positions are computed in float32, as in facenet-pytorch: its rounding decides a corner's pixel.
        corner = torch.stack((columns + area[1].start // STRIDE, rows + area[0].start // STRIDE), 1).float()
        low = torch.floor((STRIDE * corner + 1) / scale)
        high = torch.floor((STRIDE * corner + CELL) / scale)
        values = torch.cat((low, high, score[rows, columns][:, None], moves[:, rows, columns].T), 1)
        return np.asarray(values.cpu().numpy(), np.float64)

    def _refine(self, picture: AreaSums, boxes: F64) -> F64:
        """Second network: (n, 4) square candidates that remain."""
        boxes, cut = _cut(picture, boxes, 24)
        if not len(boxes):
            return boxes
        moves, score = later(self._r, normalised(cut, self._device), (3, 3), 3)
        good = score > THRESHOLDS[1]
        boxes, score, moves = boxes[good], score[good], moves[good]
        keep = nms(boxes, score, 0.7)
        return _squared(_moved(boxes[keep], moves[keep]))

    def _settle(self, picture: AreaSums, boxes: F64) -> tuple[F64, F64, F64]:
        """Third network: boxes, landmarks, probabilities."""
        boxes, cut = _cut(picture, boxes, 48)
        if not len(boxes):
            return np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0)
        moves, score, points = later(self._o, normalised(cut, self._device), (3, 3, 2), 4)
        good = score > THRESHOLDS[2]
        boxes, score, moves, points = boxes[good], score[good], moves[good], points[good]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, moves)
        keep = nms(boxes, score, 0.7, inner=True)
        return boxes[keep], landmarks[keep], score[keep]


def _around(near: NDArray[np.floating], scale: float, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of a pyramid level to search for known faces, without faces that do not fit its scale.

    They start at even positions and are even in number, so that pooled pixels are the same as in the whole picture.
    """
    for box in near.astype(np.float64):
        side = float((box[2:] - box[:2]).max())
        if not CELLS[0] * side <= CELL / scale <= CELLS[1] * side:
            continue
        low = np.floor((box[:2] - MARGIN * side) * scale / 2).astype(int) * 2
        high = np.ceil((box[2:] + MARGIN * side) * scale / 2).astype(int) * 2
        x0, y0 = np.maximum(low, 0).tolist()
        x1, y1 = np.minimum(high, (width, height)).tolist()
        if x1 - x0 >= CELL and y1 - y0 >= CELL:
            yield slice(y0, y1), slice(x0, x1)


def _squared(boxes: F64) -> F64:
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides / 2 - side / 2
    return np.concatenate((corner, corner + side), axis=1)


def _moved(boxes: F64, moves: F64) -> F64:
    return boxes + moves * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _cut(picture: AreaSums, boxes: F64, side: int) -> tuple[F64, NDArray[np.float32]]:
    """The candidates that touch the picture, and their pixels as (n, side, side, 3)."""
    edges = np.trunc(boxes).astype(np.int64)
    low = np.maximum(edges[:, :2], 1) - 1
    high = np.minimum(edges[:, 2:], (picture.width, picture.height))
    inside = (high > low).all(axis=1)
    return boxes[inside], picture.cut(low[inside], high[inside], side)


def nms(boxes: F64, scores: F64, threshold: float, inner: bool = False) -> NDArray[np.intp]:
    """Non-maximum suppression; kept indices, best first, ties by index.

    Parameters
    ----------
    boxes : (n, 4)
    threshold : overlap from which the weaker of two boxes goes: intersection over union, or, with `inner`, over the
        smaller area (in which boxes include their last pixel)
    """
    one = 1.0 if inner else 0.0
    order = np.argsort(-scores, kind="stable")
    x0, y0, x1, y1 = boxes[order].T
    area = (x1 - x0 + one) * (y1 - y0 + one)
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for best in range(len(order)):
        if not alive[best]:
            continue
        kept.append(int(order[best]))
        rest = slice(best + 1, None)
        wide = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest]) + one
        tall = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest]) + one
        both = np.maximum(wide, 0) * np.maximum(tall, 0)
        whole = np.minimum(area[best], area[rest]) if inner else area[best] + area[rest] - both
        alive[rest] &= both <= threshold * whole
    return np.array(kept, np.intp)
