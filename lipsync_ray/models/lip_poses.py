"""Predicts lip poses from half a second of mel, as coefficients of a basis stored with the weights, and closed lips.

The audio half of the split in FlashLips (arXiv 2512.20033): the renderer gets the sound only as lip positions. Several
networks of different seeds are averaged. Mean poses blur short closures, so a network of its own says when lips are
closed (:mod:`lipsync_ray.models.closures`). Another one says how inner mouths look (:mod:`lipsync_ray.models.inner_mouths`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.errors import CheckpointError
from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.faces.mouth_painter import MouthPainter
from lipsync_ray.media.mel import BANDS
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.closures import WINDOW, ClosureNet
from lipsync_ray.models.inner_mouths import PainterWeights

F32 = NDArray[np.float32]

COLUMNS = 40  # mel columns, 0.5 s, with the frame in the middle
_EARS = slice((WINDOW - COLUMNS) // 2, (WINDOW + COLUMNS) // 2)  # of a window, what poses are predicted from
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
    closures : networks that say when lips are closed; none in checkpoints of `lipsync-ray train pose`
    painter : how inner mouths look; None likewise
    """

    gain: Tensor
    closed: Tensor
    directions: Tensor
    readers: Tensor

    def __init__(self, seeds: int = 2, points: int = len(SPEAKING), closures: int = 0, paints: bool = False) -> None:
        super().__init__()
        self.networks = nn.ModuleList(LipPoseNet() for _ in range(seeds))
        self.closures = nn.ModuleList(ClosureNet() for _ in range(closures))
        self.painter = PainterWeights() if paints else None
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
    networks, closures = (
        len({name.split(".")[1] for name in state if name.startswith(f"{part}.")}) for part in ("networks", "closures")
    )
    points = int(state["directions"].shape[1]) if "directions" in state else len(SPEAKING)
    return LipPoseEnsemble(max(1, networks), points, closures, any(name.startswith("painter.") for name in state))


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
    painter : of inner mouths; None if the checkpoint has none

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, device: str, batch: int | None = None) -> None:
        super().__init__(device, batch, cpu_batch=64, gpu_batch=512)
        network = load_ensemble(path)
        self.basis = network.basis()
        self.closed: F32 = network.closed.numpy()
        self.painter: MouthPainter | None = None if network.painter is None else network.painter.painter()
        self._network = network.to(self.device)

    def __call__(self, mels: F32) -> F32:
        """(n, 8) float32 lip poses for (n, 80, WINDOW) float32 mel windows."""
        return self.with_oom_retry(lambda: self._run(self._network, mels[..., _EARS], (POSES,)))

    def closedness(self, mels: F32) -> F32 | None:
        """(n,) float32 log odds that lips are closed, for (n, 80, WINDOW) float32 mel windows; None if the checkpoint does
        not say.
        """
        if not self._network.closures:
            return None
        return self.with_oom_retry(lambda: self._run(self._closed, mels, ()))

    def _closed(self, mel: Tensor) -> Tensor:
        return torch.stack([network(mel)[:, 0, 0] for network in self._network.closures]).mean(0)

    @torch.inference_mode()
    def _run(self, network: Callable[[Tensor], Tensor], mels: F32, shape: tuple[int, ...]) -> F32:
        out = [np.zeros((0, *shape), np.float32)]
        for chunk in self.chunks(len(mels)):
            some = mels[chunk]
            out.append(network(self.upload(some))[: len(some)].cpu().numpy())
        return np.concatenate(out)
