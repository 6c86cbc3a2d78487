"""One network's training in a process of a team: open the corpus, train, report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipsync_ray.engine.team import Team
from lipsync_ray.jobs.train.audio_tasks import Openings, Poses
from lipsync_ray.jobs.train.closure_task import Closures, poses_checkpoint
from lipsync_ray.jobs.train.corpus import Corpus, is_corpus, make_corpus, open_corpus
from lipsync_ray.jobs.train.experts import EXPERTS, expert_checkpoint
from lipsync_ray.jobs.train.generator_task import GeneratorTask, generator_checkpoint
from lipsync_ray.jobs.train.painter_task import InnerMouths
from lipsync_ray.jobs.train.settings import ADDED, TrainSettings
from lipsync_ray.jobs.train.trainer import Trainer
from lipsync_ray.jobs.train.training_task import TrainingTask
from lipsync_ray.models.weights import Checkpoint, Progress

PICTURES = {"expert": "faces", "generator": "faces", "sync-judge": "mouths", "painter": "insides"}


@dataclass(frozen=True)
class Sources:
    """Initial weights and expert of a training, as checkpoints that every machine can find.

    Attributes
    ----------
    init : initial weights; None to start from scratch
    expert : sync expert in a generator's loss
    """

    init: Checkpoint | None = None
    expert: Checkpoint | None = None

    @classmethod
    def of(cls, settings: TrainSettings, fetching: Progress | None = None) -> Sources:
        """Find and check the weights named in the settings, before any work starts.

        Parameters
        ----------
        fetching : called with the progress of a download

        Raises
        ------
        WeightsError : it cannot be fetched
        SettingsError : it is not there, or of another network
        """
        init = expert = None
        if settings.kind == "generator":
            expert = expert_checkpoint("--expert", "expert", settings.expert)
            if settings.init is not None:
                init = generator_checkpoint(settings.init, fetching)
        elif settings.kind in ADDED:
            init = poses_checkpoint(settings.init)
        elif settings.kind in EXPERTS and settings.init is not None:
            init = expert_checkpoint("--init", settings.kind, settings.init)
        return cls(init, expert)

    @property
    def terms(self) -> str | None:
        """Licence terms of the initial weights."""
        registered = None if self.init is None else self.init.registered
        return (
            None
            if registered is None
            else f"It started from `{registered.name}`, whose licence still applies: {registered.licence}."
        )

    @property
    def sha256(self) -> list[str | None]:
        """Of each."""
        return [None if one is None else one.sha256 for one in (self.init, self.expert)]


def task_of(settings: TrainSettings, corpus: Corpus, sources: Sources) -> TrainingTask:
    """Make the requested task for this corpus."""
    init = None if sources.init is None else sources.init.here()
    task: TrainingTask
    if settings.kind == "generator":
        assert sources.expert is not None
        task = GeneratorTask(corpus, init, settings.width, sources.expert.here(), settings.adversarial)
    elif settings.kind in ADDED:
        assert init is not None
        task = Closures(corpus, init) if settings.kind == "closure" else InnerMouths(corpus, init)
    elif settings.kind in EXPERTS:
        task = EXPERTS[settings.kind](corpus, init)
    else:
        task = Poses(corpus) if settings.kind == "pose" else Openings(corpus)
    if settings.rate is not None:
        task.rate = settings.rate
    return task


@dataclass(frozen=True)
class TrainWorker:
    """One network's training.

    Attributes
    ----------
    settings, sources : of the training
    folder : of the corpus, if this machine has it; else one is made for this process
    urls, people : of the clips
    seed : of this network
    checkpoint : URL
    device : "cpu", "cuda", …
    """

    settings: TrainSettings
    sources: Sources
    folder: str
    urls: tuple[str, ...]
    people: tuple[str | None, ...]
    seed: int
    checkpoint: str
    device: str

    def __call__(self, team: Team, notify: Callable[[Any], None]) -> None:
        """Train as a member of a team; a :data:`~lipsync_ray.engine.team.Body`."""
        with tempfile.TemporaryDirectory(prefix="lipsync-ray-corpus-") as own:
            folder = Path(self.folder) if is_corpus(Path(self.folder)) else Path(own)
            task = task_of(self.settings, self.corpus(folder), self.sources)
            for line in self.trainer(task, team, self.device).run(self.settings.minutes, notify):
                notify(line)

    def corpus(self, folder: Path) -> Corpus:
        """Open the corpus in this folder, or make it."""
        settings = self.settings
        wanted: Any = PICTURES.get(settings.kind)
        if is_corpus(folder):
            return open_corpus(folder, wanted)
        return make_corpus(folder, self.urls, self.people, settings.held_out, settings.seed, wanted)

    def trainer(self, task: TrainingTask, team: Team, device: str) -> Trainer:
        """The trainer, resumed from its checkpoint."""
        steps, bf16 = self.settings.most_steps, in_bf16(self.settings, device)
        return Trainer(task, self.seed, steps, self.checkpoint, device, bf16, team)


def in_bf16(settings: TrainSettings, device: str) -> bool:
    """Whether it computes in bfloat16."""
    if settings.precision != "auto":
        return settings.precision == "bf16"
    import torch

    return device == "cuda" and torch.cuda.is_bf16_supported()
