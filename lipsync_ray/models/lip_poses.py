"""Predicts lip poses from half a second of mel, as coefficients of a basis stored with the weights.

The audio half of the split in FlashLips (arXiv 2512.20033): the renderer gets the sound only as lip positions. Several
networks of different seeds are averaged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.errors import CheckpointError
from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.media.mel import BANDS
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import load_into, read_state

F32 = NDArray[np.float32]

COLUMNS = 40  # mel columns, 0.5 s, with the frame in the middle
POSES = 8  # coefficients of a lip pose
_WIDTH = 128


class LipPoseNet(nn.Module):
    """0.4 M parameters. ``forward``: (n, 80, 40) mel in ±4 to (n, 8) lip pose."""

    def __init__(self, poses: int = POSES) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(BANDS, _WIDTH, 5, 1, 2),
            nn.GELU(),
            nn.Conv1d(_WIDTH, _WIDTH, 5, 2, 2),
            nn.GELU(),
            nn.Conv1d(_WIDTH, _WIDTH, 3, 2, 1),
            nn.GELU(),
            nn.Conv1d(_WIDTH, _WIDTH, 3, 1, 1),
            nn.GELU(),
        )
        self.fc = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.4), nn.Linear(_WIDTH * COLUMNS // 4, 128), nn.GELU(), nn.Linear(128, poses)
        )

    def forward(self, mel: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(mel / 4))
        return out


class LipPoseEnsemble(nn.Module):
    """Networks of several seeds, and a gain that compensates the small amplitude of their mean.

    Parameters
    ----------
    seeds : number of networks

    Attributes
    ----------
    gain : (8,) factor of each coefficient
    closed : (8,) pose of the most closed frames in speech; poses are displacements from the mean of speech
    directions, readers : see :class:`~lipsync_ray.faces.lip_basis.LipBasis`
    """

    gain: Tensor
    closed: Tensor
    directions: Tensor
    readers: Tensor

    def __init__(self, seeds: int = 2, points: int = len(SPEAKING)) -> None:
        super().__init__()
        self.networks = nn.ModuleList(LipPoseNet() for _ in range(seeds))
        self.register_buffer("gain", torch.ones(POSES))
        self.register_buffer("closed", torch.zeros(POSES))
        self.register_buffer("directions", torch.zeros(POSES, points, 2))
        self.register_buffer("readers", torch.zeros(POSES, points, 2))

    def forward(self, mel: Tensor) -> Tensor:
        mean = torch.stack([network(mel) for network in self.networks]).mean(0)
        return mean * self.gain

    def basis(self) -> LipBasis:
        return LipBasis(self.directions.float().numpy(), self.readers.float().numpy())


def ensemble_for(state: dict[str, Tensor]) -> LipPoseEnsemble:
    """Build the networks of a checkpoint with these entries, without its weights."""
    numbers = {name.split(".")[1] for name in state if name.startswith("networks.")}
    return LipPoseEnsemble(
        max(1, len(numbers)), int(state["directions"].shape[1]) if "directions" in state else len(SPEAKING)
    )


def load_ensemble(path: Path) -> LipPoseEnsemble:
    """Load the networks of a checkpoint.

    Raises
    ------
    WeightsError, CheckpointError
    """
    state = read_state(path)
    if "directions" not in state:
        raise CheckpointError(f"{path}: no audio-to-lips checkpoint (directions, readers, networks.… are expected)")
    ensemble = ensemble_for(state)
    load_into(ensemble, state, str(path))
    return ensemble.eval().requires_grad_(False)


class LipPoses(Batched):
    """A loaded :class:`LipPoseEnsemble`, in float32, because it is small and pixel positions depend on it.

    Attributes
    ----------
    basis : basis of the poses
    closed : (8,) float32 pose of closed lips; poses are displacements from the mean of speech

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, device: str, batch: int | None = None) -> None:
        super().__init__(device, batch, cpu_batch=64, gpu_batch=512)
        network = load_ensemble(path)
        self.basis = network.basis()
        self.closed: F32 = network.closed.numpy()
        self._network = network.to(self.device)

    def __call__(self, mels: F32) -> F32:
        """(n, 8) float32 lip poses for (n, 80, 40) float32 mel windows."""
        return self.with_oom_retry(lambda: self._run(mels))

    @torch.inference_mode()
    def _run(self, mels: F32) -> F32:
        out = [np.zeros((0, POSES), np.float32)]
        for chunk in self.chunks(len(mels)):
            some = mels[chunk]
            out.append(self._network(self.upload(some))[: len(some)].cpu().numpy())
        return np.concatenate(out)
