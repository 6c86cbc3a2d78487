"""A second sync expert, in no training: mouths cut by landmarks, grey, and sound, each frame to two points that agree in sync.

It shares nothing with `mini-sync`: another architecture (whole stretches through convolutions over time, instead of windows of
five faces), another picture (the mouth upright and of one size, without colour), other people held out. Card:
models/data/MODEL_CARD.md.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.faces.patch import MOUTH
from lipsync_ray.media import mel

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

COLUMNS = 40  # of mel that a frame hears, itself in their middle
DIMENSIONS = 128
REACH = 4  # frames to either side that a frame's embedding sees
_FOLD = 4  # pixels that become channels
_WIDTHS = (40, 72, 96)  # at 16, 8 and 4 pixels


class SyncJudge(nn.Module):
    """0.8 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        first, *wider = _WIDTHS
        layers: list[nn.Module] = [nn.PixelUnshuffle(_FOLD), _conv(_FOLD**2, first, 1)]
        for into, out in zip(_WIDTHS, wider, strict=False):
            layers += [_conv(into, out, 2), _Residual(out)]
        side = MOUTH // _FOLD // 2 ** len(wider)
        self.eye = nn.Sequential(*layers, nn.Flatten(), nn.Linear(_WIDTHS[-1] * side * side, DIMENSIONS), nn.GELU())
        self.motion = nn.Sequential(
            nn.Conv1d(DIMENSIONS, DIMENSIONS, 5, padding=2), nn.GELU(), nn.Conv1d(DIMENSIONS, DIMENSIONS, 5, padding=2)
        )
        self.ear = nn.Sequential(
            nn.Conv1d(mel.BANDS, DIMENSIONS, 5, 1, 2),
            nn.GELU(),
            nn.Conv1d(DIMENSIONS, DIMENSIONS, 5, 2, 2),
            nn.GELU(),
            nn.Conv1d(DIMENSIONS, DIMENSIONS, 3, 2, 1),
            nn.GELU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(DIMENSIONS * COLUMNS // 4, DIMENSIONS),
        )
        self.scale = nn.Parameter(torch.tensor(2.3))  # of the training loss: the logarithm of what cosines are times

    def look(self, mouths: Tensor) -> Tensor:
        """(b, n, 64, 64) grey in 0–1, frame after frame, to (b, n, 128) of length one."""
        count = mouths.shape[:2]
        seen = self.eye(2 * mouths.flatten(0, 1)[:, None] - 1).reshape(*count, -1).transpose(1, 2)
        moved: Tensor = self.motion(seen)
        return F.normalize((seen + moved).transpose(1, 2), dim=-1)

    def hear(self, windows: Tensor) -> Tensor:
        """(b, n, 80, 40) mel in ±4 to (b, n, 128) of length one."""
        heard: Tensor = self.ear(windows.flatten(0, 1) / 4)
        return F.normalize(heard, dim=-1).reshape(*windows.shape[:2], -1)

    def forward(self, mouths: Tensor, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both, and what cosines are times in training, as a logarithm."""
        return self.look(mouths), self.hear(windows), self.scale


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


def _conv(into: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU())
