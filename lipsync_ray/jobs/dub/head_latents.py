"""The latents of a head's frames, as they are committed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.io import storage

F32 = NDArray[np.float32]

CHANNELS = 4  # of a latent
SHRINKS = 8  # pixels a side of a latent


@dataclass(frozen=True)
class HeadLatents:
    """The latents of a video's frames: raw little-endian float32 (frames, 4, side / 8, side / 8), so that a worker reads just those
    of its segment."""

    url: str
    frames: int
    side: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one frame's."""
        return CHANNELS, self.side // SHRINKS, self.side // SHRINKS

    def read(self, start: int, stop: int) -> F32:
        """(stop − start, 4, side / 8, side / 8) float32 of frames [start, stop)."""
        one = int(np.prod(self.shape)) * 4
        data = storage.read_bytes(self.url, start * one, (stop - start) * one)
        return np.frombuffer(bytearray(data), "<f4").reshape(stop - start, *self.shape)  # torch wants to write there
