"""The Inception network of FID as in pytorch-fid, with weights from the project's registry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipsync_ray.errors import CheckpointError
from lipsync_ray.models import weights
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import read_state

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

CPU_BATCH = 16
GPU_BATCH = 128


def resolve(given: str, progress: weights.Progress | None = None) -> weights.Checkpoint:
    """Resolve ``--fid``: the registered weights, downloaded if missing, or a path.

    Raises
    ------
    WeightsError : not available
    CheckpointError : the file is of another network
    """
    checkpoint = weights.named_or_path("--fid", given, "fid", progress)
    if checkpoint.registered is None:
        path = checkpoint.here()
        _network(read_state(path), 64, str(path))
    return checkpoint


class Inception(Batched):
    """A loaded network.

    Parameters
    ----------
    path : checkpoint
    dims : 64, 192, 768 or 2048 features
    device : "cpu", "cuda", …
    batch : pictures per batch; None for the device's default

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, dims: int, device: str, batch: int | None = None) -> None:
        super().__init__(device, batch, CPU_BATCH, GPU_BATCH)
        self._network = _network(read_state(path), dims, str(path)).to(self.device)

    def __call__(self, pictures: U8) -> F32:
        """Features of pictures.

        Parameters
        ----------
        pictures : (n, h, w, 3) uint8 RGB, n > 0

        Returns
        -------
        (n, dims) float32
        """
        return self.with_oom_retry(
            lambda: np.concatenate([self._pass(pictures[c]) for c in self.chunks(len(pictures))])
        )

    @torch.inference_mode()
    def _pass(self, pictures: U8) -> F32:
        image = self.upload(pictures).permute(0, 3, 1, 2).float() / 255
        out: Tensor = self._network(image)[0].mean(dim=(2, 3))  # 1 × 1 for 2048; pytorch-fid averages the others
        return np.asarray(out[: len(pictures)].cpu().numpy(), np.float32)


def _network(state: dict[str, Tensor], dims: int, source: str) -> Any:
    from pytorch_fid.inception import InceptionV3

    with _weights_at_hand(state):
        try:
            network = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[dims]])
        except RuntimeError as error:
            message = str(error).splitlines()[0]
            raise CheckpointError(f"{source}: not a checkpoint of FID's Inception network: {message}") from error
    return network.eval()


@contextmanager
def _weights_at_hand(state: dict[str, Tensor]) -> Iterator[None]:
    """Make pytorch-fid's constructor use these weights instead of an unchecked download."""
    from pytorch_fid import inception

    original = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = lambda *_, **__: state
    try:
        yield
    finally:
        inception.load_state_dict_from_url = original
