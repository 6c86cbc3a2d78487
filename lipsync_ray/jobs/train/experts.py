"""Trains sync experts: embeddings of mouth and sound are close at the same moment, and far apart at other moments of a
clip.

Negatives come from the same clip, so that neither voice nor face distinguishes them (symmetric InfoNCE, van den Oord
2018, arXiv 1807.03748, inside each clip).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.errors import CheckpointError, SettingsError, WeightsError
from lipsync_ray.jobs.train import samples
from lipsync_ray.jobs.train.corpus import Corpus
from lipsync_ray.jobs.train.training_task import I64, TrainingTask, halved
from lipsync_ray.models import mini_sync, weights
from lipsync_ray.models.checkpoint import compare, load_into, read_state
from lipsync_ray.models.judge import COLUMNS
from lipsync_ray.models.mini_sync import LOWER, MiniSync
from lipsync_ray.models.sync_judge import SyncJudge
from lipsync_ray.models.syncnet import FRAMES
from lipsync_ray.models.wav2lip import CROP

_WINDOWS = 8  # of a clip in a step of `mini-sync`
_SPAN = 44  # frames of a clip in a step of the judge
_EDGE = 7  # of them, on either side, that are input only: padding at a clip's ends would reveal the position
_NEAR = 2  # frames around the right moment that are neither right nor wrong
_TESTED, _LONGEST = 160, 125  # clips, and frames of each


class SyncTask(TrainingTask):
    """Two towers whose embeddings agree in sync.

    Attributes
    ----------
    network : its class
    bundled : name of the registered weights of it
    """

    network: ClassVar[type[nn.Module]]
    bundled: ClassVar[str]

    control = False  # the control is another moment of the same clip
    rate = 1e-3
    decay = 1e-2
    warm_up = 150
    clip = 5.0

    def __init__(self, corpus: Corpus, init: Path | None = None) -> None:
        super().__init__(corpus)
        self._init = init

    def make(self) -> nn.Module:
        network = self.network()
        if self._init is not None:
            load_into(network, read_state(self._init), str(self._init))
        return network

    @abstractmethod
    def pairs(self, network: nn.Module, clip: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """(n, d) embeddings of a clip's frames and of its sound, at the same moments, one per frame."""

    def figures(self, network: nn.Module, device: torch.device) -> dict[str, float | None]:
        """Mean cosine in sync and at other moments; how often the right moment is nearer; how often the clip's offset
        is within 1.
        """
        own, shifted, nearer, near_zero = [], [], [], []
        with torch.inference_mode():
            for clip in self.held_out(_TESTED).tolist():
                visual, sounds = (points.float().cpu() for points in self.pairs(network, clip, device))
                cosines = visual @ sounds.T
                number = torch.arange(len(cosines))
                apart = (number[:, None] - number).abs() > _NEAR
                diagonal = cosines.diagonal()
                own.append(diagonal.mean())
                shifted.append(cosines[apart].mean())
                nearer.append(((diagonal[:, None] > cosines) & apart).sum() / apart.sum())
                lags = [lag for lag in range(-8, 9) if abs(lag) < len(cosines) - 4]
                best = max(lags, key=lambda lag: float(cosines.diagonal(lag).mean()))
                near_zero.append(-1 <= best <= 1)
        return {
            "cosine": float(np.mean(own)),
            "cosine_other": float(np.mean(shifted)),
            "right_first": float(np.mean(nearer)),
            "offset_within_1": float(np.mean(near_zero)),
        }

    def finish(self, networks: Sequence[nn.Module]) -> None:
        network = networks[0].eval()
        found = self.figures(network, next(network.parameters()).device)
        self.state = halved(network)
        self.measured = {
            "cosine in sync": f"{found['cosine']:.2f}",
            "cosine with another moment of the same clip": f"{found['cosine_other']:.2f}",
            "moments that are nearer to their own sound than to another": f"{found['right_first']:.0%}",
            "clips that are placed within a frame": f"{found['offset_within_1']:.0%}",
        }


class Expert(SyncTask):
    """`mini-sync`'s network: five lower faces and 200 ms of mel."""

    title = "A sync expert"
    measures = (
        "Maps five lower faces and 200 ms of mel to two embeddings (the network of `mini-sync`). It is used to train "
        "generators, `lipsync-ray train generator --expert <this file>`, and should not evaluate them."
    )
    clips = 16
    network = MiniSync
    bundled = "mini-sync"

    def loss(
        self, network: nn.Module, clips: I64, rng: np.random.Generator, device: torch.device, done: float
    ) -> Tensor:
        faces, sounds = [], []
        for clip in clips.tolist():
            last = int(self.corpus.frames[clip]) - FRAMES
            apart = 3 if last >= 3 * _WINDOWS else 2
            span = min(last, apart * (_WINDOWS - 1))
            numbers = int(rng.integers(last - span + 1)) + np.round(np.linspace(0, span, _WINDOWS)).astype(np.int64)
            first = int(numbers[0])
            crops_in = np.asarray(self.corpus.face_rows(clip)[first : int(numbers[-1]) + FRAMES])
            faces.append(five(torch.from_numpy(samples.crops(crops_in, rng)), numbers - first))
            starts = samples.column_of(numbers, self.corpus.rate[clip])
            sounds.append(samples.sound_windows(self.corpus, clip, starts, mini_sync.COLUMNS, rng, silent_end=False))
        mels = torch.from_numpy(np.stack(sounds)).to(device)
        visual, audio, logit = network(torch.cat(faces).to(device), mels.flatten(0, 1)[:, None])
        logits = torch.einsum("bnd,bmd->bnm", *(p.float().unflatten(0, mels.shape[:2]) for p in (visual, audio)))
        same = torch.eye(_WINDOWS, device=device).expand_as(logits)
        return _contrastive(10 * logits) + F.binary_cross_entropy_with_logits(
            logit[0].exp() * logits + logit[1], same, pos_weight=same.new_tensor(7.0)
        )

    def pairs(self, network: nn.Module, clip: int, device: torch.device) -> tuple[Tensor, Tensor]:
        numbers = np.arange(min(int(self.corpus.frames[clip]), _LONGEST) - FRAMES + 1)
        crops_in = samples.crops(np.asarray(self.corpus.face_rows(clip)[: len(numbers) + FRAMES - 1]), None)
        starts = samples.column_of(numbers, self.corpus.rate[clip])
        mels = samples.sound_windows(self.corpus, clip, starts, mini_sync.COLUMNS, None, silent_end=False)
        visual, sounds, _ = network(
            five(torch.from_numpy(crops_in), numbers).to(device), torch.from_numpy(mels)[:, None].to(device)
        )
        return visual, sounds


class Judge(SyncTask):
    """The sync judge: ranges of upright mouths."""

    title = "A sync judge"
    measures = (
        "Maps upright grey mouths and mel to two embeddings per frame, for evaluations. It must not be used to train "
        "a generator."
    )
    network = SyncJudge
    bundled = "sync-judge"

    def loss(
        self, network: nn.Module, clips: I64, rng: np.random.Generator, device: torch.device, done: float
    ) -> Tensor:
        mouths, sounds = [], []
        count = int(min(_SPAN, self.corpus.frames[clips].min()))
        for clip in clips.tolist():
            first = int(rng.integers(int(self.corpus.frames[clip]) - count + 1))
            mouths.append(samples.mouths(np.asarray(self.corpus.mouth_rows(clip)[first : first + count]), rng))
            sounds.append(self._windows(clip, first + np.arange(count), rng))
        mouths_in = torch.from_numpy(np.stack(mouths)).to(device).float() / 255
        visual, audio, scale = network(mouths_in, torch.from_numpy(np.stack(sounds)).to(device))
        visual, audio = (points.float()[:, _EDGE:-_EDGE] for points in (visual, audio))
        logits = torch.einsum("bnd,bmd->bnm", visual, audio) * scale.clamp(max=3.5).exp()
        number = torch.arange(count - 2 * _EDGE, device=device)
        apart = (number[:, None] - number).abs()
        logits = logits.masked_fill((apart > 0) & (apart <= _NEAR), -1e4)
        return _contrastive(logits)

    def _windows(self, clip: int, numbers: I64, rng: np.random.Generator | None) -> samples.F32:
        starts = samples.column_of(numbers, self.corpus.rate[clip]) - COLUMNS // 2
        return samples.sound_windows(self.corpus, clip, starts, COLUMNS, rng)

    def pairs(self, network: nn.Module, clip: int, device: torch.device) -> tuple[Tensor, Tensor]:
        numbers = np.arange(min(int(self.corpus.frames[clip]), _LONGEST))
        mouths_in = (
            torch.from_numpy(np.array(self.corpus.mouth_rows(clip)[: len(numbers)]))[None].to(device).float() / 255
        )
        sounds = torch.from_numpy(self._windows(clip, numbers, None))[None].to(device)
        visual, audio, _ = network(mouths_in, sounds)
        return visual[0, _EDGE:-_EDGE], audio[0, _EDGE:-_EDGE]


EXPERTS: dict[str, type[Expert] | type[Judge]] = {"expert": Expert, "sync-judge": Judge}


def expert_checkpoint(option: str, kind: str, given: str) -> weights.Checkpoint:
    """Resolve an expert option: `mini-sync` or `sync-judge`, or a checkpoint of the kind's network.

    Raises
    ------
    SettingsError : neither
    """
    task = EXPERTS[kind]
    if given == task.bundled:
        return weights.by_name(given)
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        raise SettingsError(f"{option} {given}: neither {task.bundled} nor a file")
    try:
        state = read_state(path)
        with torch.device("meta"):
            compare(task.network(), state, given)
    except (WeightsError, CheckpointError) as error:
        raise SettingsError(f"{option} {given}: expected {task.bundled}, or a file of its network. {error}") from error
    return weights.Checkpoint.of(path)


def _contrastive(logits: Tensor) -> Tensor:
    """Symmetric cross-entropy of (b, n, n) logits, frames × sounds; the diagonal is right."""
    number = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1).flatten()
    by_frame, by_sound = logits.flatten(0, 1), logits.transpose(1, 2).flatten(0, 1)
    return F.cross_entropy(by_frame, number) + F.cross_entropy(by_sound, number)


def five(crops: Tensor, numbers: I64) -> Tensor:
    """(n, 15, 48, 96) float in 0–1: five lower faces from each number on, of (m, 96, 96, 3) uint8 crops."""
    lower = crops[:, LOWER].permute(0, 3, 1, 2)
    index = torch.from_numpy(numbers)[:, None] + torch.arange(FRAMES)
    return lower[index].reshape(len(numbers), 3 * FRAMES, CROP // 2, CROP).float() / 255
