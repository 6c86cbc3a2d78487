"""The training job: extract features of clips, make a corpus, train, and write the results.

    clips: landmarks, sound, likeness (on all workers) ► corpus ► training, here ► model, curve, card

Features of an earlier run are reused, and training resumes from its last checkpoint.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lipsync_ray.engine.occupancy import run_lock
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.start import started
from lipsync_ray.engine.team import ALONE
from lipsync_ray.errors import SettingsError, TrainError
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.io.run_folder import owner
from lipsync_ray.jobs.train.assemble import MODEL, files
from lipsync_ray.jobs.train.clips import Clip, ClipRow
from lipsync_ray.jobs.train.corpus import VERSION, why_no_split
from lipsync_ray.jobs.train.curve import NO_CONTROL, CurvePoint, TrainingProgress
from lipsync_ray.jobs.train.inputs import TRAIN, TrainRun, check, extract_features, settle
from lipsync_ray.jobs.train.settings import AVERAGED, TrainSettings
from lipsync_ray.jobs.train.train_worker import Sources, TrainWorker, task_of
from lipsync_ray.jobs.train.trainer import Trainer
from lipsync_ray.jobs.train.training_task import TrainingTask
from lipsync_ray.models import weights
from lipsync_ray.settings import Workers


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes
    ----------
    model : URL of the weights
    rows : of the clips
    steps : that each network has made
    curves : of each network
    measured : measures of held-out people
    seconds : wall time
    """

    model: str
    rows: list[ClipRow]
    steps: list[int]
    curves: list[list[CurvePoint]]
    measured: dict[str, Any]
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every clip was used."""
        return all(row.status == "used" for row in self.rows)


def run(
    clips: list[Clip],
    settings: TrainSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
) -> Trained:
    """Train on clips; the model, its curve and its card go to the folder `out`.

    Parameters
    ----------
    fetching : called with the progress of downloads of initial weights

    Raises
    ------
    SettingsError : too few clips, or nobody can be held out
    WeightsError, CheckpointError : the initial weights are not available
    ClusterError : before any work starts
    TrainError : given up; the same call resumes from the last checkpoint
    """
    if settings.trainers > 1 and workers.engine == "inline":
        raise SettingsError(f"--trainers {settings.trainers}: --engine inline trains in this process alone")
    check_out(out, owner(TRAIN.name, settings.record()))
    check(clips, settings)
    out = storage.absolute(out)
    sources = Sources.of(settings, fetching)
    with (
        run_lock(out, console),
        started(workers) as runner,
        tempfile.TemporaryDirectory(prefix="lipsync-ray-") as scratch,
    ):
        device = allocate(runner.cluster, workers, alone=True).device
        room = int(runner.cluster.gpus if device == "cuda" else runner.cluster.cpus)
        if settings.trainers > room:
            raise SettingsError(
                f"--trainers {settings.trainers}: there are {room} {'GPUs' if device == 'cuda' else 'CPUs'}, one for "
                "each"
            )
        with TrainRun(clips, settings, workers, out, console, runner) as run:
            run.write()
            used = extract_features(run)
            there = _folder(run, used, Path(scratch))
            members = _members(run, used, sources, there, device)
            corpus = members[0].corpus(there)
            if why := why_no_split(corpus.person, settings.held_out, all(row.person for row in used)):
                raise SettingsError(why)
            used = settle(run, used, corpus)
            task = task_of(settings, corpus, sources)
            if task.control and corpus.held_out.sum() == 1:
                run.log(f"{NO_CONTROL}, so there is no other clip's sound to compare with; use a larger --held-out")
            trainers = [_trained(run, worker, task) for worker in members]
            task.finish([trainer.average.cpu() for trainer in trainers])
            run.steps, curves = [trainer.step for trainer in trainers], [trainer.curve for trainer in trainers]
            for name, data in files(task, settings, used, run.steps, curves, sources.terms).items():
                storage.commit_bytes(run.url(name), data)
            run.result = task.measured
            run.finish()
            return Trained(run.url(MODEL), run.rows, run.steps, curves, task.measured, run.seconds)


def _folder(run: TrainRun, used: list[ClipRow], scratch: Path) -> Path:
    """Folder of the corpus: in OUT if that is local, so that it is made once."""
    if not storage.is_local(run.out):
        return scratch / "corpus"
    asked = (VERSION, run.settings.kind, run.settings.held_out, run.settings.seed)
    name = storage.digest(*asked, *((row.fingerprint, row.person) for row in used))
    above = Path(storage.local_path(run.url("corpus")))
    if not (above / name).is_dir() and above.is_dir():
        shutil.rmtree(above)  # of other clips, or of another kind
    return above / name


def _members(run: TrainRun, used: list[ClipRow], sources: Sources, there: Path, device: str) -> list[TrainWorker]:
    """One for each network."""
    settings = run.settings
    clips = [(row.fingerprint, row.person) for row in used]
    asked = storage.digest(json.dumps([clips, settings.decides(), sources.sha256], sort_keys=True))
    return [
        TrainWorker(
            settings,
            sources,
            str(there),
            tuple(run.features_url(row.fingerprint) for row in used),
            tuple(row.person for row in used),
            seed,
            run.url("checkpoints", f"{settings.kind}-{seed}-{asked}.pt"),
            device,
        )
        for seed in range(settings.seed, settings.seed + (settings.seeds if settings.kind in AVERAGED else 1))
    ]


def _trained(run: TrainRun, worker: TrainWorker, task: TrainingTask) -> Trainer:
    """Train a network in other processes; return its trainer.

    Raises
    ------
    TrainError : given up, or no step came back
    """
    settings = run.settings
    name = f"{settings.kind} {worker.seed}"
    trainer = worker.trainer(task, ALONE, "cpu")
    if trainer.step:
        run.log(f"{name}: resumes from step {trainer.step}")
    if trainer.over(settings.minutes) and not trainer.due(ends=True):
        return trainer
    runner, gpu = run.context.runner, worker.device == "cuda"
    with TrainingProgress(run.context.console, name, settings.most_steps, settings.minutes) as watch:
        runner.together(worker, settings.trainers, gpu, run.workers.attempts, watch.report)
    trainer = worker.trainer(task, ALONE, "cpu")
    if not trainer.step:
        raise TrainError(
            f"{name}: no step came back, so no model is written: {worker.checkpoint} is not there. The training "
            "processes and this one must see the same -o: a bucket, or a shared file system"
        )
    return trainer
