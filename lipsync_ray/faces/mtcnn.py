"""MTCNN (Zhang et al. 2016, arXiv:1604.02878): three small networks in a cascade, with facenet-pytorch's weights.

The weights are read out of the installed package without importing it: its import pulls in torchvision and takes nine
seconds a worker, ten times as long as the rest of this stage's start. Boxes, landmarks and scores equal those of
``facenet_pytorch.MTCNN.detect`` (a test compares them).
"""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lipsync_ray.devices import device_of
from lipsync_ray.errors import ModelError
from lipsync_ray.media.picture import U8

F64 = NDArray[np.float64]

THRESHOLDS = (0.6, 0.7, 0.7)  # of the three networks' probabilities
PYRAMID = 0.709  # each picture of the pyramid is so much smaller than the one before
CELL = 12  # pixels: what the first network sees at once
STRIDE = 2
_MOST = 512  # candidates in one pass


class Mtcnn:
    """The cascade, for one frame at a time, so that a frame's faces cannot depend on its neighbours.

    Parameters
    ----------
    device : "cpu", "cuda", …
    smallest : pixels: side of the smallest face looked for
    """

    def __init__(self, device: str, smallest: int) -> None:
        self._device = device_of(device)
        self._smallest = smallest
        self._p, self._r, self._o = (_weights(name, self._device) for name in ("pnet", "rnet", "onet"))

    @torch.inference_mode()
    def __call__(self, frame: U8) -> tuple[F64, F64, F64]:
        """Find faces.

        Parameters
        ----------
        frame : (h, w, 3) uint8 RGB

        Returns
        -------
        boxes (n, 4) x0, y0, x1, y1, which may reach outside; landmarks (n, 5, 2) x, y: eyes, nose, mouth corners;
        probabilities (n,). Pixels of the frame; in no particular order.
        """
        picture = torch.from_numpy(np.ascontiguousarray(frame)).to(self._device).permute(2, 0, 1)[None].float()
        boxes = self._propose(picture)
        if len(boxes):
            boxes = self._refine(picture, boxes)
        if not len(boxes):
            return np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0)
        return self._settle(picture, boxes)

    def _propose(self, picture: Tensor) -> F64:
        """First network, over a pyramid of pictures: (n, 4) square candidates."""
        height, width = picture.shape[2:]
        scale = CELL / self._smallest
        found = []
        while min(height, width) * scale >= CELL:
            small = _norm(F.interpolate(picture, (int(height * scale + 1), int(width * scale + 1)), mode="area"))
            moves, score = _first(self._p, small)
            rows, columns = torch.nonzero(score >= THRESHOLDS[0], as_tuple=True)
            if len(rows):
                corner = torch.stack((columns, rows), 1).float()
                low = torch.floor((STRIDE * corner + 1) / scale)
                high = torch.floor((STRIDE * corner + CELL) / scale)
                values = torch.cat((low, high, score[rows, columns][:, None], moves[:, rows, columns].T), 1)
                candidates = values.cpu().numpy().astype(np.float64)
                found.append(candidates[nms(candidates[:, :4], candidates[:, 4], 0.5)])
            scale *= PYRAMID
        if not found:
            return np.zeros((0, 4))
        all_found = np.concatenate(found)
        all_found = all_found[nms(all_found[:, :4], all_found[:, 4], 0.7)]
        sides = np.tile(all_found[:, 2:4] - all_found[:, :2], 2)
        return _squared(all_found[:, :4] + all_found[:, 5:] * sides)

    def _refine(self, picture: Tensor, boxes: F64) -> F64:
        """Second network: (n, 4) square candidates that remain."""
        boxes, cut = _cut(picture, boxes, 24)
        if not len(boxes):
            return boxes
        moves, score = (t.cpu().numpy().astype(np.float64) for t in _later(self._r, cut, (3, 3), 3))
        good = score > THRESHOLDS[1]
        boxes, score, moves = boxes[good], score[good], moves[good]
        keep = nms(boxes, score, 0.7)
        return _squared(_moved(boxes[keep], moves[keep]))

    def _settle(self, picture: Tensor, boxes: F64) -> tuple[F64, F64, F64]:
        """Third network: boxes, landmarks, probabilities."""
        boxes, cut = _cut(picture, boxes, 48)
        if not len(boxes):
            return np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0)
        moves, score, points = (t.cpu().numpy().astype(np.float64) for t in _later(self._o, cut, (3, 3, 2), 4))
        good = score > THRESHOLDS[2]
        boxes, score, moves, points = boxes[good], score[good], moves[good], points[good]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, moves)
        keep = nms(boxes, score, 0.7, inner=True)
        return boxes[keep], landmarks[keep], score[keep]


class LandmarkNet:
    """The third network on faces that are known already."""

    SIDE = 48

    def __init__(self, device: str) -> None:
        self._device = device_of(device)
        self._o = _weights("onet", self._device)

    @torch.inference_mode()
    def __call__(self, crops: U8) -> F64:
        """(n, 48, 48, 3) uint8 RGB to (n, 5, 2) landmarks x, y, in units of the crop's sides."""
        picture = torch.from_numpy(np.ascontiguousarray(crops)).to(self._device).permute(0, 3, 1, 2).float()
        points = _later(self._o, _norm(picture), (3, 3, 2), 4)[2].cpu().numpy().astype(np.float64)
        return np.asarray(points.reshape(-1, 2, 5).transpose(0, 2, 1), np.float64)


# sha256 of the files in facenet-pytorch 2.5.3, whose boxes a test compares with ours.
WEIGHTS = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}


def _weights(name: str, device: torch.device) -> dict[str, Tensor]:
    """One network's parameters, out of the installed package.

    Raises
    ------
    ModelError : the package is not there, or its file is not the one that is known
    """
    package = find_spec("facenet_pytorch")
    if package is None or package.origin is None:
        raise ModelError("facenet-pytorch is not installed; its package holds MTCNN's weights. Run: uv sync")
    path = Path(package.origin).parent / "data" / f"{name}.pt"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: MTCNN's weights cannot be read ({error}). Run: uv sync --reinstall") from error
    if (found := hashlib.sha256(content).hexdigest()) != WEIGHTS[name]:
        raise ModelError(
            f"{path}: sha256 {found} is not that of MTCNN's {name} ({WEIGHTS[name]}): cut off, or another version of "
            "facenet-pytorch. Run: uv sync --reinstall"
        )
    state: dict[str, Tensor] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return state


def _norm(picture: Tensor) -> Tensor:
    return (picture - 127.5) * 0.0078125


def _conv(w: dict[str, Tensor], number: int, x: Tensor) -> Tensor:
    x = F.conv2d(x, w[f"conv{number}.weight"], w[f"conv{number}.bias"])
    return F.prelu(x, w[f"prelu{number}.weight"])


def _first(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """(4, h, w) box corrections and (h, w) probabilities of one picture."""
    x = F.max_pool2d(_conv(w, 1, x), 2, 2, ceil_mode=True)
    x = _conv(w, 3, _conv(w, 2, x))
    score = torch.softmax(F.conv2d(x, w["conv4_1.weight"], w["conv4_1.bias"]), 1)
    moves = F.conv2d(x, w["conv4_2.weight"], w["conv4_2.bias"])
    return moves[0], score[0, 1]


def _later(w: dict[str, Tensor], x: Tensor, pools: tuple[int, ...], convolutions: int) -> tuple[Tensor, ...]:
    """(n, 4) corrections, (n,) probabilities and, from the third network, (n, 10) landmarks."""
    parts = []
    for piece in torch.split(x, _MOST):
        for number in range(1, convolutions + 1):
            piece = _conv(w, number, piece)
            if number <= len(pools):
                piece = F.max_pool2d(piece, pools[number - 1], 2, ceil_mode=True)
        dense = convolutions + 1
        piece = piece.permute(0, 3, 2, 1).flatten(1)
        piece = F.linear(piece, w[f"dense{dense}.weight"], w[f"dense{dense}.bias"])
        piece = F.prelu(piece, w[f"prelu{dense}.weight"])
        heads = [
            F.linear(piece, w[f"dense{dense + 1}_{head}.weight"], w[f"dense{dense + 1}_{head}.bias"])
            for head in (2, 1, 3)
            if f"dense{dense + 1}_{head}.weight" in w
        ]
        heads[1] = torch.softmax(heads[1], 1)[:, 1]
        parts.append(heads)
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def _squared(boxes: F64) -> F64:
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides / 2 - side / 2
    return np.concatenate((corner, corner + side), axis=1)


def _moved(boxes: F64, moves: F64) -> F64:
    return boxes + moves * np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _cut(picture: Tensor, boxes: F64, side: int) -> tuple[F64, Tensor]:
    """The candidates that touch the picture, and their pixels as (n, 3, side, side)."""
    height, width = picture.shape[2:]
    edges = np.trunc(boxes).astype(int)
    low = np.maximum(edges[:, :2], 1) - 1
    high = np.minimum(edges[:, 2:], (width, height))
    inside = np.flatnonzero((high > low).all(axis=1))
    cut = [
        F.interpolate(picture[:, :, low[i, 1] : high[i, 1], low[i, 0] : high[i, 0]], (side, side), mode="area")
        for i in inside.tolist()
    ]
    return boxes[inside], _norm(torch.cat(cut)) if cut else picture.new_zeros((0, 3, side, side))


def nms(boxes: F64, scores: F64, threshold: float, inner: bool = False) -> NDArray[np.intp]:
    """Non-maximum suppression; kept indices, best first, ties by index.

    Parameters
    ----------
    boxes : (n, 4)
    threshold : overlap from which the weaker of two boxes goes: intersection over union, or, with `inner`, over the
        smaller area (in which boxes include their last pixel)
    """
    one = 1.0 if inner else 0.0
    area = np.prod(boxes[:, 2:] - boxes[:, :2] + one, axis=1)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        both = np.prod(np.maximum(high - low + one, 0), axis=1)
        whole = np.minimum(area[best], area[order]) if inner else area[best] + area[order] - both
        order = order[both <= threshold * whole]
    return np.array(kept, np.intp)
