"""Train networks that predict lips from sound: a few numbers per frame, with a correlation loss inside each clip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.jobs.train.corpus import Corpus, fit_basis
from lipsync_ray.jobs.train.curve import NO_CONTROL
from lipsync_ray.jobs.train.samples import column_of, sound_windows
from lipsync_ray.jobs.train.training_task import I64, TrainingTask, halved
from lipsync_ray.media import mel
from lipsync_ray.models.judge import OpeningNet
from lipsync_ray.models.lip_poses import COLUMNS, POSES, LipPoseEnsemble, LipPoseNet

F32 = NDArray[np.float32]

FRAMES = 30  # of a clip in a step
_LEVELS = 0.3  # weight of the loss on the values themselves
_TESTED = 256  # held-out clips
_SURE = 0.45  # correlation at which a number gets its full spread
_MOST = 4.0  # gain
_CLOSED = 0.1  # of a clip's frames
EXACT = ("readers", "gain", "closed")  # entries of a checkpoint of poses that are not halved


@dataclass(frozen=True)
class Batch:
    """Clips: windows (b, FRAMES, 80, 40) of mel, targets (b, FRAMES, k), mask (b, FRAMES, 1) of existing frames."""

    windows: Tensor
    targets: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device) for tensor in (self.windows, self.targets, self.mask)))


class AudioRegressionTask(TrainingTask):
    """Predicts numbers for each frame from half a second of mel.

    Parameters
    ----------
    targets : (frames, k) float32 of the corpus' frames
    """

    def __init__(self, corpus: Corpus, targets: F32) -> None:
        super().__init__(corpus)
        self.targets = targets
        own = np.concatenate([targets[corpus.rows(clip)] for clip in corpus.clips(held_out=False).tolist()])
        spread = torch.from_numpy(own.std(0))
        self._spread = spread.clamp_min(1e-3)  # constant targets are not learnable
        self._weight = spread.sqrt() / spread.sqrt().sum()

    @abstractmethod
    def make(self) -> nn.Module: ...

    def loss(
        self, network: nn.Module, clips: I64, rng: np.random.Generator, device: torch.device, done: float
    ) -> Tensor:
        batch = self.batch(clips, rng).to(device)
        predicted = network(batch.windows.flatten(0, 1)).float().unflatten(0, batch.targets.shape[:2])
        alike = correlation(predicted, batch.targets, batch.mask)
        spread = self._spread.to(device)
        levels = F.smooth_l1_loss(predicted / spread * batch.mask, batch.targets / spread * batch.mask)
        return ((1 - alike) * self._weight.to(device)).sum(1).mean() + _LEVELS * levels

    def batch(self, clips: I64, rng: np.random.Generator | None = None) -> Batch:
        """A range of each clip: a random one with augmented sound if `rng` is given, else the first."""
        corpus = self.corpus
        windows = np.zeros((len(clips), FRAMES, mel.BANDS, COLUMNS), np.float32)
        targets = np.zeros((len(clips), FRAMES, self.targets.shape[1]), np.float32)
        mask = np.zeros((len(clips), FRAMES, 1), np.float32)
        for row, clip in enumerate(clips.tolist()):
            count = int(min(FRAMES, corpus.frames[clip]))
            begin = 0 if rng is None else int(rng.integers(corpus.frames[clip] - count + 1))
            places = begin + np.arange(count)
            starts = column_of(places, corpus.rate[clip]) - COLUMNS // 2
            windows[row, :count] = sound_windows(corpus, clip, starts, COLUMNS, rng)
            targets[row, :count] = self.targets[int(corpus.first[clip]) + places]
            mask[row, :count] = 1
        return Batch(*map(torch.from_numpy, (windows, targets, mask)))

    def figures(self, network: nn.Module, device: torch.device) -> dict[str, float | None]:
        """Correlation of the first number with own and with other sound, and the part of clips whose own sound fits
        better.
        """
        alike, other, _ = measure(network, self.batch(self.held_out(_TESTED)), device)
        return {
            "r": float(alike[:, 0].mean()),
            "r_other": None if other is None else float(other[:, 0].mean()),
            "right_first": None if other is None else _nearer(alike, other),
        }


@torch.inference_mode()
def measure(network: nn.Module, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor | None, Tensor]:
    """(n, k) correlation inside each clip; with another clip's sound (None for one clip); (k,) spread relative to the
    real one.
    """
    predicted = torch.stack([network(windows.to(device)).float().cpu() for windows in batch.windows])
    alike = correlation(predicted, batch.targets, batch.mask)
    other = (
        correlation(torch.roll(predicted, len(predicted) // 2, 0), batch.targets, batch.mask)
        if len(predicted) > 1
        else None
    )
    there = batch.mask[..., 0] > 0
    return alike, other, predicted[there].std(0) / batch.targets[there].std(0).clamp_min(1e-6)


def _nearer(alike: Tensor, other: Tensor) -> float:
    """Part of the clips whose own sound fits the first number better than another's."""
    return float((alike[:, 0] > other[:, 0]).float().mean())


def correlation(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """(b, k) Pearson's correlation of (b, n, k) along n, where the mask (b, n, 1) is 1."""
    count = mask.sum(1, keepdim=True).clamp_min(1)
    a = (a - (a * mask).sum(1, keepdim=True) / count) * mask
    b = (b - (b * mask).sum(1, keepdim=True) / count) * mask
    return (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1) + 1e-8).sqrt()


def _listed(numbers: Tensor) -> str:
    return " ".join(f"{number:.2f}" for number in numbers.tolist())


class Poses(AudioRegressionTask):
    """Lip poses from sound, for the model `warp`."""

    title = "Lip poses from sound"
    measures = (
        "Maps half a second of mel to eight numbers, the pose of lips and chin (the basis is in the file). "
        "`lipsync-ray dub --model <this file>` uses it."
    )

    def __init__(self, corpus: Corpus) -> None:
        self.directions, self.readers = fit_basis(corpus, POSES)
        super().__init__(corpus, np.einsum("nsc,ksc->nk", corpus.lips, self.readers).astype(np.float32))

    def make(self) -> nn.Module:
        return LipPoseNet()

    @torch.inference_mode()
    def finish(self, networks: Sequence[nn.Module]) -> None:
        ensemble = LipPoseEnsemble(len(networks), len(SPEAKING))
        for own, network in zip(ensemble.networks, networks, strict=True):
            own.load_state_dict(network.state_dict())
        batch = self.batch(self.corpus.clips(held_out=True))
        alike, other, spread = measure(ensemble.eval(), batch, torch.device("cpu"))  # its gain is still 1
        # Predicted means have too little spread: scale each number to people's spread, as far as it is predictable.
        own_sound = alike.mean(0)
        ensemble.gain.copy_((own_sound / _SURE).clamp(0, 1) / spread.clamp_min(0.05))
        ensemble.gain.clamp_(1, _MOST)
        ensemble.closed.copy_(torch.from_numpy(self._closed()))
        ensemble.directions.copy_(torch.from_numpy(self.directions))
        ensemble.readers.copy_(torch.from_numpy(self.readers))
        self.state = halved(ensemble) | {name: ensemble.state_dict()[name] for name in EXACT}
        self.measured = {
            "correlation of each number, own sound": _listed(own_sound),
            "with another clip's sound": NO_CONTROL if other is None else _listed(other.mean(0)),
            "clips whose own sound fits the first number better": NO_CONTROL
            if other is None
            else f"{_nearer(alike, other):.0%}",
            "gain": _listed(ensemble.gain),
        }

    def _closed(self) -> F32:
        """Mean pose of each clip's most closed frames."""
        found = []
        for clip in self.corpus.clips(held_out=False).tolist():
            rows = self.corpus.rows(clip)
            rising = np.argsort(self.corpus.gaps[rows, 0], kind="stable")
            found.append(self.targets[rows][rising[: max(1, int(_CLOSED * len(rising)))]].mean(0))
        return np.asarray(np.mean(found, axis=0), np.float32)


class Openings(AudioRegressionTask):
    """Opening of the mouth from sound, for evaluations."""

    title = "A judge of the mouth's opening"
    measures = (
        "Maps half a second of mel to opening and width of the lips, without a unit. It must not be used to train a "
        "generator."
    )

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus, corpus.gaps)

    def make(self) -> nn.Module:
        return OpeningNet()

    def finish(self, networks: Sequence[nn.Module]) -> None:
        batch = self.batch(self.held_out(_TESTED))
        alike, other, _ = measure(networks[0], batch, next(networks[0].parameters()).device)
        self.state = halved(networks[0])
        self.measured = {
            "correlation of opening and width, own sound": _listed(alike.mean(0)),
            "with another clip's sound": NO_CONTROL if other is None else _listed(other.mean(0)),
            "clips whose own sound fits the opening better": NO_CONTROL
            if other is None
            else f"{_nearer(alike, other):.0%}",
        }
