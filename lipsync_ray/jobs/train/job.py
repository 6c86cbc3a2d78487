"""The training job: look at the clips, put them together, teach, and say what came of it.

    clips: landmarks, sound, likeness (on all workers) ► corpus ► lessons, here ► model, curve, card

What an earlier run saw of a clip is kept, and a lesson goes on from its last checkpoint.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.occupancy import held
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.start import started
from lipsync_ray.engine.team import ALONE
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.errors import SettingsError
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.io.run_folder import owner
from lipsync_ray.jobs.train.clips import CLIPS, Clip, ClipOrder, ClipRow
from lipsync_ray.jobs.train.lesson import Lesson, Progress
from lipsync_ray.jobs.train.look import LookAtClip
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.jobs.train.subject import Subject
from lipsync_ray.jobs.train.teaching import Sources, Teaching, subject_of
from lipsync_ray.models import weights
from lipsync_ray.settings import Workers

CLIPS_VERSION = 2  # raise when the same clip would be seen otherwise
FEWEST_CLIPS = 8
MODEL, CARD, CURVE, PLOT = "model.safetensors", "MODEL_CARD.md", "curve.csv", "curve.png"
TRAIN = JobSpec("train", CLIPS, noun="clips", done="looked at")


@dataclass(frozen=True)
class Trained:
    """What a training came to.

    Attributes
    ----------
    model : URL of the weights
    rows : of the clips
    curves : of each network
    measured : of people held out
    seconds : wall time
    """

    model: str
    rows: list[ClipRow]
    curves: list[list[Progress]]
    measured: dict[str, Any]
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every clip was of use."""
        return all(row.status == "used" for row in self.rows)


@dataclass
class ClipState(VideoState):
    """A clip under way."""

    clip: Clip

    @property
    def id(self) -> str:
        return self.clip.id


class TrainRun(JobRun[ClipState, ClipRow]):
    """One run of the training job."""

    def __init__(
        self, clips: list[Clip], settings: TrainSettings, workers: Workers, out: str, console: Console, runner: Runner
    ) -> None:
        super().__init__(TRAIN, [clip.id for clip in clips], settings.record(), workers, out, console, runner)
        self.clips, self.settings = clips, settings
        self.result: dict[str, Any] = {}

    def more(self) -> Mapping[str, Any]:
        return {"result": self.result}

    def row_of(self, video: ClipState, status: Any, **values: Any) -> ClipRow:
        return ClipRow(
            video.id,
            video.clip.url,
            status,
            person=video.clip.person,
            seconds=round(video.seconds, 3),
            attempts=video.attempts,
            fingerprint=video.fingerprint,
            **values,
        )

    def seen_url(self, fingerprint: str | None) -> str:
        """Where what was seen of a clip is committed."""
        return self.url("clips", f"{fingerprint}.npz")


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
    fetching : told how far a download of weights to start from is

    Raises
    ------
    SettingsError : too few clips of use
    WeightsError, CheckpointError : what it is to start from cannot be had
    ClusterError : before anything is started
    TrainError : given up; the same call goes on from the last checkpoint
    """
    if settings.trainers > 1 and workers.engine == "inline":
        raise SettingsError(f"--trainers {settings.trainers}: --engine inline trains in this process alone")
    check_out(out, owner(TRAIN.name, settings.record()))
    out = storage.absolute(out)
    sources = Sources.of(settings, fetching)
    with held(out, console), started(workers) as runner, tempfile.TemporaryDirectory(prefix="lipsync-ray-") as scratch:
        device = allocate(runner.cluster, workers, alone=True).device
        room = int(runner.cluster.gpus if device == "cuda" else runner.cluster.cpus)
        if settings.trainers > room:
            raise SettingsError(
                f"--trainers {settings.trainers}: there are {room} {'GPUs' if device == 'cuda' else 'CPUs'}, one for each"
            )
        run = TrainRun(clips, settings, workers, out, console, runner)
        run.write()
        _look(run)
        used = [row for row in run.rows if row.status == "used"]
        if len(used) < FEWEST_CLIPS:
            reasons = sorted({row.error or "" for row in run.rows if row.status != "used"})
            raise SettingsError(
                f"{len(used)} of {len(clips)} clips are of use, and {FEWEST_CLIPS} are needed: {'; '.join(reasons[:3])}"
            )
        there = _folder(run, used, Path(scratch))
        teachings = _teachings(run, used, sources, there, device)
        corpus = teachings[0].corpus(there)
        if not corpus.held_out.any():
            raise SettingsError("all clips seem to show one person; a table with a column person tells them apart")
        for row, person, held_out in zip(used, corpus.person.tolist(), corpus.held_out.tolist(), strict=True):
            run.ended[row.id] = replace(row, person=row.person or str(person), held_out=held_out)
        subject = subject_of(settings, corpus, sources)
        lessons = [_taught(run, teaching, subject) for teaching in teachings]
        subject.finish([lesson.average.cpu() for lesson in lessons])
        for name, data in _files(run, sources, subject, [lesson.curve for lesson in lessons]).items():
            storage.commit_bytes(run.url(name), data)
        run.result = subject.measured
        run.finish()
        return Trained(run.url(MODEL), run.rows, [lesson.curve for lesson in lessons], subject.measured, run.seconds)


def _folder(run: TrainRun, used: list[ClipRow], scratch: Path) -> Path:
    """Where the corpus of these clips lies: in OUT where that is local, so that it is made once."""
    if not storage.is_local(run.out):
        return scratch / "corpus"
    asked = (run.settings.kind, run.settings.held_out, run.settings.seed)
    name = storage.digest(*asked, *((row.fingerprint, row.person) for row in used))
    above = Path(storage.local_path(run.url("corpus")))
    if not (above / name).is_dir() and above.is_dir():
        shutil.rmtree(above)  # of other clips, or of another kind
    return above / name


def _look(run: TrainRun) -> None:
    """Look at every clip that no earlier run has looked at."""
    found = content_ids(clip.url for clip in run.clips)
    for clip in run.clips:
        state = run.active[clip.id] = ClipState(clip=clip)
        content = found[clip.url]
        if isinstance(content, Exception):
            run.fail(state, Failure("look", f"{clip.url}: {content}"))
        else:
            state.fingerprint = storage.digest(CLIPS_VERSION, content)
    there = storage.list_names(run.url("clips"))
    run.keep(lambda row: row.status == "used" and f"{row.fingerprint}.npz" in there)
    orders = [ClipOrder(s.id, s.clip, run.seen_url(s.fingerprint)) for s in run.active.values()]
    pool = allocate(run.context.cluster, run.workers, alone=True).model
    stages = [pool.stage("look", partial(LookAtClip, "cuda" if pool.gpus else "cpu"))]
    for order, outcome in run.context.run_rows("clips", "clips", orders, stages, lambda order: 0):
        state = run.active[order.key]
        state.seconds, state.attempts = sum(outcome.seconds.values()), outcome.attempts
        if outcome.failure is None:
            frames, rate = outcome.value
            run.end(run.row_of(state, "used", frames=frames, rate=rate))
        else:
            run.fail(state, outcome.failure)


def _teachings(run: TrainRun, used: list[ClipRow], sources: Sources, there: Path, device: str) -> list[Teaching]:
    """One for each network."""
    settings = run.settings
    asked = storage.digest(json.dumps([run.ids, settings.decides(), sources.sha256], sort_keys=True))
    return [
        Teaching(
            settings,
            sources,
            str(there),
            tuple(run.seen_url(row.fingerprint) for row in used),
            tuple(row.person for row in used),
            seed,
            run.url("checkpoints", f"{settings.kind}-{seed}-{asked}.pt"),
            device,
        )
        for seed in range(settings.seed, settings.seed + (settings.seeds if settings.kind == "pose" else 1))
    ]


def _taught(run: TrainRun, teaching: Teaching, subject: Subject) -> Lesson:
    """The lesson at its end, which workers have brought about."""
    settings = run.settings
    name = f"{settings.kind} {teaching.seed}"

    def tell(line: Progress) -> None:
        figures = ", ".join(f"{what.replace('_', ' ')} {value:.2f}" for what, value in line.figures.items())
        run.say(
            f"{name}: step {line.step} of {settings.most_steps}, loss {line.loss:.3f}, people held out: {figures}; "
            f"{line.clips_per_s:.0f} clips/s"
        )

    lesson = teaching.lesson(subject, ALONE, "cpu")
    if lesson.step:
        run.say(f"{name}: goes on from step {lesson.step}")
    if lesson.step == settings.most_steps:
        return lesson
    until = None if settings.minutes is None else time.time() + 60 * settings.minutes
    body = replace(teaching, until=until)
    runner, gpu = run.context.runner, teaching.device == "cuda"
    runner.together(body, settings.trainers, gpu, run.workers.attempts, tell)
    return teaching.lesson(subject, ALONE, "cpu")


def _files(run: TrainRun, sources: Sources, subject: Subject, curves: list[list[Progress]]) -> dict[str, bytes]:
    """What is committed of a training."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = list(curves[0][0].figures) if curves and curves[0] else []
    writer.writerow(["network", "step", "loss", *names, "clips_per_s"])
    for number, curve in enumerate(curves):
        writer.writerows([number, x.step, x.loss, *x.figures.values(), x.clips_per_s] for x in curve)
    used = [row for row in run.rows if row.status == "used"]
    held_out = sum(bool(row.held_out) for row in used)
    card = subject.card(len(used), held_out, len({row.person for row in used}), run.settings.told(), sources.terms)
    return {
        MODEL: subject.to_bytes(),
        CARD: card.encode(),
        CURVE: buffer.getvalue().encode(),
        PLOT: _plot(curves),
    }


def _plot(curves: list[list[Progress]]) -> bytes:
    """Loss, and each figure, of people held out."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, curve in enumerate(curves):
        steps = [line.step for line in curve]
        left.plot(steps, [line.loss for line in curve], label=f"network {number}")
        for name in curve[0].figures if curve else ():
            label = name.replace("_", " ")
            right.plot(steps, [line.figures[name] for line in curve], label=f"{label}, network {number}")
    left.set(xlabel="step", ylabel="loss")
    right.set(xlabel="step", title="people held out")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
