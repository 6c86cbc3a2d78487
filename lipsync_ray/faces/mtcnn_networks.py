"""MTCNN's three networks, with facenet-pytorch's weights.

The weights are read from the installed package without importing it: the import pulls in torchvision and takes nine
seconds per worker, ten times the rest of this stage's start. Tensors are channels-last: pooling takes a sixth of the
time.
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

from lipsync_ray.compute import device_of
from lipsync_ray.errors import ModelError
from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_MOST = 512  # candidates in one pass

# sha256 of the files in facenet-pytorch 2.5.3, whose boxes a test compares with ours.
WEIGHTS = {
    "pnet": "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
    "rnet": "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
    "onet": "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
}


def weights_of(name: str, device: torch.device) -> dict[str, Tensor]:
    """Read one network's parameters from the installed package.

    Raises
    ------
    ModelError : the package is missing, or its file is not the expected one
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
    return {k: t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for k, t in state.items()}


def normalised(pictures: F32 | U8, device: torch.device) -> Tensor:
    """(n, 3, h, w) float32 in about [−1, 1], channels last, from (n, h, w, 3) RGB levels 0–255."""
    return ((torch.from_numpy(pictures).to(device).float() - 127.5) * 0.0078125).permute(0, 3, 1, 2)


def _conv(w: dict[str, Tensor], number: int, x: Tensor) -> Tensor:
    x = F.conv2d(x, w[f"conv{number}.weight"], w[f"conv{number}.bias"])
    return F.prelu(x, w[f"prelu{number}.weight"])


def first(w: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """(4, h, w) box corrections and (h, w) probabilities of one picture."""
    x = F.max_pool2d(_conv(w, 1, x), 2, 2, ceil_mode=True)
    x = _conv(w, 3, _conv(w, 2, x))
    score = torch.softmax(F.conv2d(x, w["conv4_1.weight"], w["conv4_1.bias"]), 1)
    moves = F.conv2d(x, w["conv4_2.weight"], w["conv4_2.bias"])
    return moves[0], score[0, 1]


def later(w: dict[str, Tensor], x: Tensor, pools: tuple[int, ...], convolutions: int) -> list[F64]:
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
    return [torch.cat(part).cpu().numpy().astype(np.float64) for part in zip(*parts, strict=True)]


class LandmarkNet:
    """The third network, for faces whose boxes are known."""

    SIDE = 48

    def __init__(self, device: str) -> None:
        self._device = device_of(device)
        self._o = weights_of("onet", self._device)

    @torch.inference_mode()
    def __call__(self, crops: U8) -> F64:
        """(n, 48, 48, 3) uint8 RGB to (n, 5, 2) landmarks x, y, in units of the crop's sides."""
        points = later(self._o, normalised(np.ascontiguousarray(crops), self._device), (3, 3, 2), 4)[2]
        return np.asarray(points.reshape(-1, 2, 5).transpose(0, 2, 1), np.float64)
