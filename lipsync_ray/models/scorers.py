"""Scorers as the evaluation calls them: a run of face crops and of sound windows in, two rows of embeddings out.

A network joins by an entry in :data:`SCORERS`.
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
from lipsync_ray.models.syncnet import FRAMES, SyncNet, Towers  # of one window, in either network
from lipsync_ray.models.wav2lip import CROP, MEL_BANDS

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
CPU_BATCH = 20
GPU_BATCH = 100


@dataclass(frozen=True)
class Scorer:
    """What a scorer sees and hears.

    Attributes
    ----------
    name : of the weights and of the option
    front_end : "mfcc" (100 columns/s, 13 rows) or "speech-mel" (80 columns/s, 80 rows)
    columns_per_s, columns, bands : rate and size of the sound that goes with five frames
    side : pixels of the square crop
    context : SyncNet's own crop, with the surroundings of the face; else Wav2Lip's crop, the face alone
    smallest_face : pixels: of a track that is scored
    padded : shifts that reach beyond the clip count as a distance to zero, as published; else they are left out
    dimensions : of an embedding
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
    """The weights of a scorer: a file that was given, or the registered one, fetched where it must be.

    Raises
    ------
    WeightsError : not here and not to be had, or damaged
    CheckpointError : a given file holds another network
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
    """A loaded scorer. Runs in float32: its distances are differences of large numbers.

    Parameters
    ----------
    scorer : which network
    path : its checkpoint
    device : "cpu", "cuda", …
    batch : windows a pass; None for the device's default

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
        # Two dimensions throughout; channels last is what their kernels are fastest in.
        self.network = ready.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, faces: U8, sound: F32) -> tuple[F32, F32]:
        """Embed the windows of a run of neighbouring frames.

        Parameters
        ----------
        faces : (n + 4, side, side, 3) uint8 BGR; window i is frames i … i + 4
        sound : (n, bands, columns) float32, that window's sound

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
        # (batch, h, w, 3, 5): five neighbours a window. Both networks take them as fifteen channels, in another order.
        windows = frames.unfold(0, FRAMES, 1)
        order = (0, 4, 3, 1, 2) if lower else (0, 3, 4, 1, 2)
        stacked = windows.permute(order).flatten(1, 2).float()
        stacked = stacked / 255 if lower else stacked
        lip = self.network.encode_video(stacked.contiguous(memory_format=torch.channels_last))
        sound_points = self.network.encode_audio(self.upload(sound)[:, None])
        return lip, sound_points
