"""Predicts whether a mouth is visible or covered.

Trained for this project on faces covered with synthetic hands, microphones, cups, cloth, paper and titles
(``benchmarks/hidden.py``; models/data/MODEL_CARD.md).
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.media.picture import U8
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import bundled

F32 = NDArray[np.float32]

SIDE = 64  # pixels: side of the network's input
_ROWS, _COLUMNS = slice(76, 172), slice(48, 144)  # of a face's square: from nose to chin, from cheek to cheek


class MouthVisibility(nn.Module):
    """0.17 M parameters, 10 MMAC.

    ``forward``: (n, 3, 64, 64) RGB in 0–1 to (n,) logits of a visible mouth, and (n, 8, 8) logits of each cell being
    covered, for training only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            _layer(3, 16, 2), _layer(16, 32, 2), _layer(32, 32), _layer(32, 64, 2), _layer(64, 64), _layer(64, 64)
        )
        self.covered = nn.Conv2d(64, 1, 1)
        self.visible = nn.Sequential(
            nn.Conv2d(64, 16, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(16 * 64, 64),
            nn.ReLU(),
            nn.Linear(64, 1),
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(pictures * 2 - 1)
        return self.visible(features)[:, 0], self.covered(features)[:, 0]


def _layer(into: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())


def mouth_crop(square: U8) -> U8:
    """(64, 64, 3) uint8 RGB input of the network, cut from a face's (192, 192, 3) square."""
    part = cv2.resize(square[_ROWS, _COLUMNS], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(part, np.uint8)


class Visibility(Batched):
    """The loaded network.

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, device: str, batch: int | None = None) -> None:
        super().__init__(device, batch, cpu_batch=16, gpu_batch=256)
        self._network = bundled(MouthVisibility(), "visibility").to(self.device)

    def __call__(self, squares: list[U8]) -> F32:
        """(n,) float32 probability of a visible mouth, from (192, 192, 3) uint8 RGB squares of faces.

        Squares are those of :func:`lipsync_ray.faces.mesh.square_of`.
        """
        pixels = (
            np.stack([mouth_crop(square) for square in squares]) if squares else np.zeros((0, SIDE, SIDE, 3), np.uint8)
        )
        return self.passes(self._pass, pixels, none=np.zeros(0, np.float32))

    @torch.inference_mode()
    def _pass(self, pixels: U8) -> Tensor:
        pictures = self.upload(pixels).permute(0, 3, 1, 2).float() / 255
        visible: Tensor = self._network(pictures)[0][: len(pixels)].sigmoid().float()
        return visible
