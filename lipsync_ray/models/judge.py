"""Predicts mouth opening from sound, as an independent judge of lip sync (models/data/MODEL_CARD.md).

Trained on the correlation within a clip with face-mesh openings. It is part of no generator's loss and is evaluated on
people held out of both trainings. Its output has no unit; only its variation over time is meaningful.
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

COLUMNS = 40  # mel columns of a window, with the frame in the middle
RATE = 25  # predictions per second
_BATCH = 256


class OpeningNet(nn.Module):
    """60 k parameters. ``forward``: (n, 80, 40) mel in ±4 to (n, 2) opening and width of the lips, without unit."""

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
    """(n,) float32 mouth opening predicted from (c, 80) float32 mel, at 25 Hz, without unit."""
    network = bundled(OpeningNet(), "judge")
    with torch.inference_mode():
        answers = [network(torch.from_numpy(some))[:count, 0].numpy() for some, count in sound_batches(columns, _BATCH)]
    return np.concatenate([np.zeros(0, np.float32), *answers])


def sound_batches(columns: F32, batch: int) -> Iterator[tuple[F32, int]]:
    """Windows of a sound of (c, 80) mel at 25 Hz, centred on each frame.

    Yields
    ------
    (batch, 80, 40) float32, the last batch padded with zeros; number of valid windows
    """
    count = -(-len(columns) * RATE // mel.COLUMNS_PER_S)
    starts = np.arange(count) * mel.COLUMNS_PER_S // RATE - COLUMNS // 2
    for low in range(0, count, batch):
        some = starts[low : low + batch]
        yield filled(mel.windows(columns, some, 0, len(columns), COLUMNS, silent_end=True), batch), len(some)


def filled(items: NDArray[Any], batch: int) -> NDArray[Any]:
    """Pad items to a batch with zeros: results in other batch sizes differ in their last bits."""
    return np.concatenate((items, np.zeros((batch - len(items), *items.shape[1:]), items.dtype)))
