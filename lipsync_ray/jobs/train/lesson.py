"""The loop that teaches a network to hear: batches of clips, correlation inside a clip as the loss, checkpoints.

Every step draws its clips and its noise from a generator of its own number, so that a run that was killed and started
again follows the same curve.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.jobs.train.corpus import Corpus
from lipsync_ray.media import mel
from lipsync_ray.models.hear import COLUMNS

F32 = NDArray[np.float32]

FRAMES = 30  # of a clip in a step
CLIPS = 24  # in a step
WARM_UP = 50  # steps
TEST_EVERY = 100  # steps, after which there is a line of the curve, and a checkpoint
_RATE, _DECAY, _AVERAGE = 1.5e-3, 0.05, 0.99
_LEVELS = 0.3  # weight of the loss on the values themselves
_GAIN, _EQUALISER, _KNOTS, _NOISE, _BAND = 0.4, 0.35, 6, 0.2, 10  # of the mel's augmentation, ±4 being its range
_TESTED = 256  # clips of those held out


@dataclass(frozen=True)
class Progress:
    """One line of the curve.

    Attributes
    ----------
    step : of the lesson
    loss : mean since the last line
    r : correlation inside a clip with the first number, of people held out
    r_other : the same with another clip's sound
    right_first : part of the clips whose own sound fits better than another one
    clips_per_s : of training, in this process
    """

    step: int
    loss: float
    r: float
    r_other: float
    right_first: float
    clips_per_s: float


@dataclass(frozen=True)
class Batch:
    """Clips: windows (b, FRAMES, 80, 40) of mel, targets (b, FRAMES, k), mask (b, FRAMES, 1) of the frames that are there."""

    windows: Tensor
    targets: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device) for tensor in (self.windows, self.targets, self.mask)))


class Lesson:
    """One network's training.

    Parameters
    ----------
    corpus : what is learnt from
    targets : (frames, k) float32 of the corpus' frames
    make : builds the network
    clips : numbers of those that are learnt from
    seed : of the network and of every step
    steps : in all
    checkpoint : local file that it can go on from
    """

    def __init__(
        self,
        corpus: Corpus,
        targets: F32,
        make: Callable[[], nn.Module],
        clips: NDArray[np.int64],
        seed: int,
        steps: int,
        checkpoint: Path,
        device: str,
    ) -> None:
        self._corpus, self._targets, self._clips = corpus, targets, clips
        self._seed, self._steps, self._path, self._device = seed, steps, checkpoint, torch.device(device)
        torch.manual_seed(seed)
        self.network = make().to(self._device)
        self.average = make().to(self._device).requires_grad_(False).eval()
        self.average.load_state_dict(self.network.state_dict())
        self._optimizer = torch.optim.AdamW(self.network.parameters(), _RATE, weight_decay=_DECAY)
        own = np.concatenate([targets[corpus.rows(clip)] for clip in clips.tolist()])
        spread = torch.from_numpy(own.std(0)).to(self._device)
        self._spread = spread.clamp_min(1e-3)  # what does not move teaches nothing
        self._weight = spread.sqrt() / spread.sqrt().sum()
        self.step = 0
        self.curve: list[Progress] = []
        if checkpoint.is_file():
            self._resume(torch.load(checkpoint, map_location=self._device, weights_only=True))

    def _resume(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.curve = [Progress(**line) for line in state["curve"]]

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "curve": [vars(line) for line in self.curve],
        }
        temporary = self._path.with_suffix(f".{os.getpid()}.part")
        torch.save(state, temporary)
        temporary.replace(self._path)

    def run(self, until: float | None = None) -> Iterator[Progress]:
        """Train to the last step, or until a time (:func:`time.monotonic`); a line of the curve now and then."""
        began, done, losses = time.monotonic(), 0, []
        while self.step < self._steps and (until is None or time.monotonic() < until):
            losses.append(self._learn())
            self.step, done = self.step + 1, done + 1
            last = self.step == self._steps or (until is not None and time.monotonic() >= until)
            if self.step % TEST_EVERY == 0 or last:
                pace = done * CLIPS / (time.monotonic() - began)
                self.curve.append(Progress(self.step, float(np.mean(losses)), *self.test(), pace))
                losses = []
                self._save()
                yield self.curve[-1]

    def _learn(self) -> float:
        rng = np.random.default_rng((self._seed, self.step))
        torch.manual_seed(int(rng.integers(2**31)))
        rate = _RATE * min(1, (self.step + 1) / WARM_UP) * (1 - self.step / self._steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        picked = rng.choice(self._clips, min(CLIPS, len(self._clips)), replace=False)
        batch = self.batch(picked, rng).to(self._device)
        windows = batch.windows.flatten(0, 1)
        self.network.train()
        said = self.network(windows).unflatten(0, batch.targets.shape[:2])
        alike = correlation(said, batch.targets, batch.mask)
        levels = F.smooth_l1_loss(said / self._spread * batch.mask, batch.targets / self._spread * batch.mask)
        loss = ((1 - alike) * self._weight).sum(1).mean() + _LEVELS * levels
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.network.parameters(), strict=True):
                kept.lerp_(new, 1 - _AVERAGE)
        return float(loss.detach())

    def batch(self, clips: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """A stretch of each clip; a random one, with the sound altered, where `rng` is given, else the first."""
        corpus = self._corpus
        windows = np.zeros((len(clips), FRAMES, mel.BANDS, COLUMNS), np.float32)
        targets = np.zeros((len(clips), FRAMES, self._targets.shape[1]), np.float32)
        mask = np.zeros((len(clips), FRAMES, 1), np.float32)
        for row, clip in enumerate(clips.tolist()):
            count = int(min(FRAMES, corpus.frames[clip]))
            begin = 0 if rng is None else int(rng.integers(corpus.frames[clip] - count + 1))
            places = begin + np.arange(count)
            starts = np.floor(places * mel.COLUMNS_PER_S / corpus.rate[clip] + 1e-6).astype(np.int64) - COLUMNS // 2
            total = int(corpus.columns[clip])
            first = max(0, int(starts[0]))
            low = int(corpus.column[clip]) + first
            stretch = np.array(corpus.mel[low : low + min(total - first, int(starts[-1]) + COLUMNS - first)])
            if rng is not None:
                stretch = _altered(stretch, rng)
            windows[row, :count] = mel.windows(stretch, starts, first, total, COLUMNS, silent_end=True)
            targets[row, :count] = self._targets[int(corpus.first[clip]) + places]
            mask[row, :count] = 1
        return Batch(*map(torch.from_numpy, (windows, targets, mask)))

    @torch.inference_mode()
    def test(self) -> tuple[float, float, float]:
        """(r, r with another sound, part of clips whose own fits better), of the first number, of people held out."""
        alike, other = (found[:, 0] for found in self.tested()[:2])
        return float(alike.mean()), float(other.mean()), float((alike > other).float().mean())

    @torch.inference_mode()
    def tested(self) -> tuple[Tensor, Tensor, Tensor]:
        """(n, k) correlation inside each clip held out, with another clip's sound, and (k,) spread beside the real one."""
        return measure(self.average, self.batch(self._corpus.clips(held_out=True)[:_TESTED]), self._device)


def measure(network: nn.Module, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """(n, k) correlation inside each clip, with another clip's sound, and (k,) spread beside the real one."""
    said = torch.stack([network(windows.to(device)).cpu() for windows in batch.windows])
    alike = correlation(said, batch.targets, batch.mask)
    other = correlation(torch.roll(said, max(1, len(said) // 2), 0), batch.targets, batch.mask)
    there = batch.mask[..., 0] > 0
    return alike, other, said[there].std(0) / batch.targets[there].std(0).clamp_min(1e-6)


def correlation(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """(b, k) Pearson's correlation of (b, n, k) along n, over the places where the mask (b, n, 1) is 1."""
    count = mask.sum(1, keepdim=True).clamp_min(1)
    a = (a - (a * mask).sum(1, keepdim=True) / count) * mask
    b = (b - (b * mask).sum(1, keepdim=True) / count) * mask
    return (a * b).sum(1) / ((a * a).sum(1) * (b * b).sum(1) + 1e-8).sqrt()


def _altered(heard: F32, rng: np.random.Generator) -> F32:
    """Mel of another voice, room and microphone: gain, a bent response, noise, a band gone."""
    bend = np.interp(np.linspace(0, _KNOTS - 1, mel.BANDS), np.arange(_KNOTS), rng.uniform(-1, 1, _KNOTS)) * _EQUALISER
    change = bend + rng.uniform(-_GAIN, _GAIN) + rng.normal(0, _NOISE, heard.shape)
    out = heard + change * (heard > mel.SILENCE + 0.1)
    if rng.random() < 0.5:
        low = int(rng.integers(mel.BANDS - _BAND))
        out[:, low : low + _BAND] = mel.SILENCE + rng.uniform(0, 2)
    return np.asarray(np.clip(out, mel.SILENCE, -mel.SILENCE), np.float32)
