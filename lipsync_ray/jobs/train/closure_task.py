"""Train a network that says from sound when lips are closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.errors import CheckpointError, SettingsError, WeightsError
from lipsync_ray.jobs.train.audio_tasks import EXACT
from lipsync_ray.jobs.train.corpus import Corpus
from lipsync_ray.jobs.train.curve import NO_CONTROL
from lipsync_ray.jobs.train.samples import column_of, sound_windows
from lipsync_ray.jobs.train.training_task import I64, TrainingTask, halved
from lipsync_ray.media import mel
from lipsync_ray.metrics.closures import auc
from lipsync_ray.models import weights
from lipsync_ray.models.checkpoint import read_state
from lipsync_ray.models.closures import CLOSED, OPENING, WINDOW, ClosureNet
from lipsync_ray.models.lip_poses import load_ensemble

F32 = NDArray[np.float32]

BUNDLED = "warp"
FRAMES = 30  # of a clip in a step
_MOST_COLUMNS = WINDOW + 160  # of mel in a step: FRAMES at 15 frames/s; slower clips have fewer
_GAPS = 0.3  # weight of the loss on the gap, which is easier to learn and helps
_WIDEST = 0.2  # eye distances: gaps beyond count as this
_LEAST = 0.01  # quantile of a person's gaps that is their gap at rest
_TESTED = 256  # held-out clips


@dataclass(frozen=True)
class Stretches:
    """Stretches: mel (b, 80, columns), the column of each frame (b, FRAMES), closed (b, FRAMES) 0 or 1, gaps (b, FRAMES)
    in eye distances, mask (b, FRAMES) of existing frames.
    """

    mel: Tensor
    at: Tensor
    closed: Tensor
    gaps: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> Stretches:
        return Stretches(*(tensor.to(device) for tensor in (self.mel, self.at, self.closed, self.gaps, self.mask)))


class Closures(TrainingTask):
    """A classifier of frames, added to a checkpoint of lip poses.

    Parameters
    ----------
    init : the checkpoint, for the model `warp`
    """

    title = "When lips are closed"
    measures = (
        "A model of lip poses with a network that maps 0.8 s of mel to the log odds that lips are closed. "
        "`lipsync-ray dub --model <this file>` uses it."
    )
    clips = 32
    rate = 2e-3

    def __init__(self, corpus: Corpus, init: Path) -> None:
        super().__init__(corpus)
        self._init = init
        self.closed = closed_frames(corpus)

    def make(self) -> nn.Module:
        return ClosureNet()

    def loss(
        self, network: nn.Module, clips: I64, rng: np.random.Generator, device: torch.device, done: float
    ) -> Tensor:
        batch = self.batch(clips, rng).to(device)
        found = _at_frames(network(batch.mel).float(), batch.at)
        closed = F.binary_cross_entropy_with_logits(found[:, 0], batch.closed, reduction="none")
        gaps = F.smooth_l1_loss(found[:, 1], batch.gaps.clamp(0, _WIDEST) / OPENING, reduction="none")
        loss: Tensor = ((closed + _GAPS * gaps) * batch.mask).sum() / batch.mask.sum()
        return loss

    def batch(self, clips: I64, rng: np.random.Generator | None = None) -> Stretches:
        """A stretch of each clip: a random one with augmented sound if `rng` is given, else the first."""
        corpus = self.corpus
        sound = np.zeros((len(clips), mel.BANDS, _MOST_COLUMNS), np.float32)
        at = np.zeros((len(clips), FRAMES), np.int64)
        closed, gaps, mask = (np.zeros((len(clips), FRAMES), np.float32) for _ in range(3))
        for row, clip in enumerate(clips.tolist()):
            count = int(min(FRAMES, corpus.frames[clip]))
            begin = 0 if rng is None else int(rng.integers(corpus.frames[clip] - count + 1))
            places = begin + np.arange(count)
            columns = column_of(places, corpus.rate[clip])
            columns = columns[columns < columns[0] + _MOST_COLUMNS - WINDOW]
            count = len(columns)
            sound[row] = sound_windows(corpus, clip, columns[:1] - WINDOW // 2, _MOST_COLUMNS, rng)[0]
            rows = int(corpus.first[clip]) + places[:count]
            at[row, :count] = columns - columns[0]
            closed[row, :count], gaps[row, :count] = self.closed[rows], corpus.openings[rows]
            mask[row, :count] = 1
        sound = np.ascontiguousarray(sound[:, :, : int(at.max()) + WINDOW])
        return Stretches(*map(torch.from_numpy, (sound, at, closed, gaps, mask)))

    def figures(self, network: nn.Module, device: torch.device) -> dict[str, float | None]:
        """How well closed frames are told from open ones, with own and with another clip's sound: area under the curve;
        correlation of the gap inside each clip.
        """
        clips = self.held_out(_TESTED)
        batch = self.batch(clips)
        with torch.inference_mode():
            found = _at_frames(network(batch.mel.to(device)).float().cpu(), batch.at)
        there = batch.mask > 0
        alike = [
            np.corrcoef(a[own].numpy(), b[own].numpy())[0, 1]
            for a, b, own in zip(found[:, 1], batch.gaps, there, strict=True)
            if float(b[own].std()) > 0 and float(a[own].std()) > 0
        ]
        odds = found[:, 0]
        other = torch.roll(odds, len(odds) // 2, 0)
        return {
            "auc": _area(odds, batch),
            "auc_other": _area(other, batch) if len(odds) > 1 else None,
            "gap_r": float(np.mean(alike)) if alike else 0.0,
        }

    def finish(self, networks: Sequence[nn.Module]) -> None:
        kept = {
            name: entry if name in EXACT else entry.half()
            for name, entry in read_state(self._init).items()
            if not name.startswith("closures.")
        }
        for number, network in enumerate(networks):
            kept |= {f"closures.{number}.{name}": entry for name, entry in halved(network).items()}
        self.state = kept
        found = self.figures(_Mean(networks).eval(), next(networks[0].parameters()).device)
        other = found["auc_other"]
        self.measured = {
            "closed frames told from open ones, own sound (area under the curve)": f"{found['auc']:.2f}",
            "with another clip's sound": NO_CONTROL if other is None else f"{other:.2f}",
            "correlation of the gap inside a clip": f"{found['gap_r']:.2f}",
        }


class _Mean(nn.Module):
    """The mean of several networks."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self._networks = nn.ModuleList(networks)

    def forward(self, sound: Tensor) -> Tensor:
        return torch.stack([network(sound) for network in self._networks]).mean(0)


def closed_frames(corpus: Corpus) -> F32:
    """(frames,) 1 where lips are closed: within :data:`CLOSED` of the person's gap at rest, which counts up to as much."""
    out = np.zeros(len(corpus.openings), np.float32)
    for person in np.unique(corpus.person).tolist():
        own = [corpus.rows(clip) for clip in np.flatnonzero(corpus.person == person).tolist()]
        rest = min(CLOSED, float(np.quantile(np.concatenate([corpus.openings[rows] for rows in own]), _LEAST)))
        for rows in own:
            out[rows] = corpus.openings[rows] < CLOSED + rest
    return out


def poses_checkpoint(given: str | None) -> weights.Checkpoint:
    """Resolve `--init` of a closure or painter training: `warp`, also by default, or a checkpoint of lip poses.

    Raises
    ------
    SettingsError : neither
    """
    if given is None or given == BUNDLED:
        return weights.by_name(BUNDLED)
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise SettingsError(f"--init {given}: neither {BUNDLED} nor a file")
    try:
        load_ensemble(path)
    except (WeightsError, CheckpointError) as error:
        raise SettingsError(f"--init {given}: expected {BUNDLED}, or a file of `train pose`. {error}") from error
    return weights.Checkpoint.of(path)


def _at_frames(columns: Tensor, at: Tensor) -> Tensor:
    """(b, 2, FRAMES) of (b, 2, columns)."""
    return torch.gather(columns, 2, at[:, None].expand(-1, 2, -1))


def _area(odds: Tensor, batch: Stretches) -> float:
    there = (batch.mask > 0).numpy()
    closed = batch.closed.numpy()[there] > 0
    return auc(odds.numpy()[there][closed], odds.numpy()[there][~closed])
