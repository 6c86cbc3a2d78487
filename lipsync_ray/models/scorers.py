"""Sync scorers: embed face crops and the sound of the same frames, for comparison.

A new network needs an entry in :data:`SCORERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipsync_ray.models import mini_sync, syncnet, weights
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import compare, load_into, read_state
from lipsync_ray.models.mini_sync import MiniSync
from lipsync_ray.models.syncnet import FRAMES, SyncNet, Towers  # FRAMES: of one window, in both networks
from lipsync_ray.models.wav2lip import CROP, MEL_BANDS

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
CPU_BATCH = 20
GPU_BATCH = 100


@dataclass(frozen=True)
class Scorer:
    """Input of a scorer.

    Attributes
    ----------
    name : of the weights, and value of the option
    front_end : "mfcc" (100 columns/s, 13 rows) or "speech-mel" (80 columns/s, 80 rows)
    columns_per_s, columns, bands : rate and size of the sound features for a window of five frames
    side : pixels: side of the square crop
    context : use SyncNet's own crop, with the surroundings of the face, instead of Wav2Lip's crop of the face alone
    smallest_face : pixels: smaller tracks are not scored
    padded : at shifts beyond the clip use the distance to zero, as published, instead of leaving them out
    dimensions : size of an embedding
    """

    name: Literal["syncnet", "mini-sync"]
    front_end: Literal["mfcc", "speech-mel"]
    columns_per_s: int
    columns: int
    bands: int
    side: int
    context: bool
    smallest_face: int
    padded: bool
    dimensions: int


SCORERS = {
    "syncnet": Scorer(
        "syncnet", "mfcc", 100, syncnet.COLUMNS, 13, syncnet.CROP, True, 100, padded=True, dimensions=syncnet.DIMENSIONS
    ),
    "mini-sync": Scorer(
        "mini-sync",
        "speech-mel",
        80,
        mini_sync.COLUMNS,
        MEL_BANDS,
        CROP,
        False,
        40,
        padded=False,
        dimensions=mini_sync.DIMENSIONS,
    ),
}


def resolve(name: str, given: str | None = None, progress: weights.Progress | None = None) -> weights.Checkpoint:
    """Resolve a scorer's weights: a given file, or the registered ones, downloaded if missing.

    Raises
    ------
    WeightsError : not available, or damaged
    CheckpointError : the file is of another network
    """
    if given is None:
        return weights.by_name(name, progress)
    path = Path(given).expanduser().absolute()
    state = read_state(path)
    with torch.device("meta"):
        network = SyncNet() if name == "syncnet" else MiniSync()
    compare(network, state, str(path))
    return weights.Checkpoint.of(path)


class SyncEncoder(Batched):
    """A loaded scorer, in float32, because its distances are small differences of large numbers.

    Parameters
    ----------
    scorer : which network
    path : its checkpoint
    device : "cpu", "cuda", …
    batch : windows per batch; None for the device's default

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, scorer: Scorer, path: Path, device: str, batch: int | None = None) -> None:
        super().__init__(device, batch, CPU_BATCH, GPU_BATCH)
        self.scorer = scorer
        network: SyncNet | MiniSync = SyncNet() if scorer.name == "syncnet" else MiniSync()
        load_into(network, read_state(path), str(path))
        ready = Towers(network) if isinstance(network, SyncNet) else network.eval().requires_grad_(False)
        # All convolutions are two-dimensional, fastest with channels last.
        self.network = ready.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, faces: U8, sound: F32) -> tuple[F32, F32]:
        """Embed all windows of five frames in a run of consecutive frames.

        Parameters
        ----------
        faces : (n + 4, side, side, 3) uint8 BGR; window i is frames i … i + 4
        sound : (n, bands, columns) float32, the sound of each window

        Returns
        -------
        lips, sounds : (n, dimensions) float32
        """
        count = len(faces) - FRAMES + 1
        side = self.scorer.side
        if faces.shape[1:] != (side, side, 3) or sound.shape != (count, self.scorer.bands, self.scorer.columns):
            raise ValueError(
                f"expected crops of {side} and one window of sound for every five: {faces.shape=}, {sound.shape=}"
            )
        return self.with_oom_retry(lambda: self._run(faces, sound))

    def _run(self, faces: U8, sound: F32) -> tuple[F32, F32]:
        lips, sounds = [], []
        for chunk in self.chunks(len(sound)):
            windows = chunk.stop - chunk.start
            lip, sound_points = self._pass(faces[chunk.start : chunk.stop + FRAMES - 1], sound[chunk])
            lips.append(lip[:windows])
            sounds.append(sound_points[:windows])
        return tuple(np.concatenate([t.cpu().numpy() for t in parts]) for parts in (lips, sounds))  # type: ignore[return-value]

    @torch.inference_mode()
    def _pass(self, faces: U8, sound: F32) -> tuple[Tensor, Tensor]:
        frames = self.upload(faces, FRAMES - 1)
        lower = self.scorer.name == "mini-sync"
        if lower:
            frames = frames[:, mini_sync.LOWER]
        # (batch, h, w, 3, 5): five frames per window. Both networks take fifteen channels, in different orders.
        windows = frames.unfold(0, FRAMES, 1)
        order = (0, 4, 3, 1, 2) if lower else (0, 3, 4, 1, 2)
        stacked = windows.permute(order).flatten(1, 2).float()
        stacked = stacked / 255 if lower else stacked
        lip = self.network.encode_video(stacked.contiguous(memory_format=torch.channels_last))
        sound_points = self.network.encode_audio(self.upload(sound)[:, None])
        return lip, sound_points
