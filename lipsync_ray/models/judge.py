"""A judge that taught no generator: a small network that hears how far open a mouth should be (models/data/MODEL_CARD.md).

It was trained by the correlation inside a clip, on face-mesh openings; it takes part in no generator's loss, and people held
out of both are measured. What it says has no unit, only its course means something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.media import mel
from lipsync_ray.models.checkpoint import bundled

F32 = NDArray[np.float32]

COLUMNS = 40  # of mel, the frame in their middle
RATE = 25  # answers a second
_BATCH = 256


class OpeningNet(nn.Module):
    """60 thousand parameters. ``forward``: (n, 80, 40) mel in ±4 to (n, 2): opening and width of the lips, without unit."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(mel.BANDS // 2, 64, 3, 1, 1),
            nn.GELU(),
            nn.Conv1d(64, 64, 4, 2, 1),
            nn.GELU(),
            nn.Conv1d(64, 48, 4, 2, 1),
            nn.GELU(),
        )
        self.fc = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.4), nn.Linear(48 * COLUMNS // 4, 64), nn.GELU(), nn.Linear(64, 2)
        )

    def forward(self, windows: Tensor) -> Tensor:
        halved = F.avg_pool2d(windows[:, None], (2, 1))[:, 0]
        out: Tensor = self.fc(self.conv(halved / 4))
        return out


def expected_openings(columns: F32) -> F32:
    """(n,) float32 course of the opening that goes with a sound of (c, 80) float32 mel, 25 a second."""
    network = bundled(OpeningNet(), "judge")
    with torch.inference_mode():
        answers = [network(torch.from_numpy(some))[:count, 0].numpy() for some, count in sound_batches(columns, _BATCH)]
    return np.concatenate([np.zeros(0, np.float32), *answers])


def sound_batches(columns: F32, batch: int) -> Iterator[tuple[F32, int]]:
    """(batch, 80, 40) windows of a sound of (c, 80) mel, 25 a second, each frame in their middle, and how many are the sound's."""
    count = -(-len(columns) * RATE // mel.COLUMNS_PER_S)
    starts = np.arange(count) * mel.COLUMNS_PER_S // RATE - COLUMNS // 2
    for low in range(0, count, batch):
        some = starts[low : low + batch]
        yield filled(mel.windows(columns, some, 0, len(columns), COLUMNS, silent_end=True), batch), len(some)


def filled(items: NDArray[Any], batch: int) -> NDArray[Any]:
    """So many items, zeros at the end: arithmetic in a batch of another size differs in last bits."""
    return np.concatenate((items, np.zeros((batch - len(items), *items.shape[1:]), items.dtype)))
