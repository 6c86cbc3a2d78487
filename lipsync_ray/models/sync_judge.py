"""A second sync expert that is used in no training: embeds mouths and sound, frame by frame, close to each other if in
sync.

It differs from `mini-sync` in architecture (convolutions over time on whole sequences instead of windows of five
faces), input (grey, upright mouths of constant size, cut by landmarks) and the people held out of training. See
models/data/MODEL_CARD.md.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.faces.patch import MOUTH
from lipsync_ray.media import mel
from lipsync_ray.models.checkpoint import bundled
from lipsync_ray.models.judge import COLUMNS, filled, sound_batches

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

DIMENSIONS = 128
CONTEXT = 4  # neighbouring frames on either side that an embedding depends on
_BATCH = 64
_FOLD = 4  # pixels per side that are folded into channels
_WIDTHS = (40, 72, 96)  # channels at 16, 8 and 4 pixels


class SyncJudge(nn.Module):
    """1.06 M parameters."""

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
        self.scale = nn.Parameter(torch.tensor(2.3))  # log scale of the cosines in the training loss

    def encode_mouths(self, mouths: Tensor) -> Tensor:
        """(n, 64, 64) grey in 0–1 to (n, 128) features, each frame independently."""
        out: Tensor = self.eye(2 * mouths[:, None] - 1)
        return out

    def follow(self, mouth_points: Tensor) -> Tensor:
        """(b, n, 128) features of consecutive frames to (b, n, 128) unit vectors, from :data:`CONTEXT` frames on either
        side.
        """
        series = mouth_points.transpose(1, 2)
        return F.normalize((series + self.motion(series)).transpose(1, 2), dim=-1)

    def embed_mouths(self, mouths: Tensor) -> Tensor:
        """(b, n, 64, 64) consecutive frames, grey in 0–1, to (b, n, 128) unit vectors."""
        return self.follow(self.encode_mouths(mouths.flatten(0, 1)).reshape(*mouths.shape[:2], -1))

    def encode_sound(self, windows: Tensor) -> Tensor:
        """(b, n, 80, 40) mel in ±4 to (b, n, 128) unit vectors."""
        embedded: Tensor = self.ear(windows.flatten(0, 1) / 4)
        return F.normalize(embedded, dim=-1).reshape(*windows.shape[:2], -1)

    def forward(self, mouths: Tensor, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both embeddings, and the log scale of the cosines for training."""
        return self.embed_mouths(mouths), self.encode_sound(windows), self.scale


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


@lru_cache(maxsize=1)
def _loaded() -> SyncJudge:
    return bundled(SyncJudge(), "sync-judge")


@torch.inference_mode()
def encode_mouths(mouths: U8) -> F32:
    """(n, 128) float32 features of (n, 64, 64) uint8 grey mouths, each independent of the others."""
    out = [np.zeros((0, DIMENSIONS), np.float32)]
    for low in range(0, len(mouths), _BATCH):
        some = mouths[low : low + _BATCH]
        pixels = torch.from_numpy(filled(some, _BATCH)).float() / 255
        out.append(_loaded().encode_mouths(pixels)[: len(some)].numpy())
    return np.concatenate(out)


@torch.inference_mode()
def follow(mouth_points: F32) -> F32:
    """(n, 128) float32 unit vectors from features of :func:`encode_mouths`, NaN without a face.

    The result is NaN, too, if a frame within :data:`CONTEXT` is NaN.
    """
    if not len(mouth_points):
        return mouth_points
    known = ~np.isnan(mouth_points[:, 0])
    points = _loaded().follow(torch.from_numpy(np.where(known[:, None], mouth_points, np.float32(0)))[None])[0].numpy()
    whole = np.lib.stride_tricks.sliding_window_view(np.pad(known, CONTEXT), 2 * CONTEXT + 1).min(axis=1)
    return np.where(whole[:, None], points, np.float32(np.nan))


@torch.inference_mode()
def encode_sound(columns: F32) -> F32:
    """(n, 128) float32 unit vectors of (c, 80) float32 mel, at 25 Hz."""
    answers = [
        _loaded().encode_sound(torch.from_numpy(some)[None])[0, :count].numpy()
        for some, count in sound_batches(columns, _BATCH)
    ]
    return np.concatenate([np.zeros((0, DIMENSIONS), np.float32), *answers])
