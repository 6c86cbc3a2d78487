"""The training job: look at the clips, put them together, teach, and say what came of it.

    clips: landmarks, sound, likeness (on all workers) ► corpus ► lessons, here ► model, curve, card

What an earlier run saw of a clip is kept, and a lesson goes on from its last checkpoint.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.occupancy import held
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.start import started
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.errors import SettingsError
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_writable
from lipsync_ray.jobs.train.clips import CLIPS, Clip, ClipOrder, ClipRow, LookAtClip
from lipsync_ray.jobs.train.corpus import Corpus, make_corpus
from lipsync_ray.jobs.train.lesson import Lesson, Progress
from lipsync_ray.jobs.train.product import Product, product_of
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.settings import Workers

CLIPS_VERSION = 1  # raise when the same clip would be seen otherwise
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
    product : what was measured
    seconds : wall time
    """

    model: str
    rows: list[ClipRow]
    curves: list[list[Progress]]
    product: Product
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
        self.clips = clips
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


def run(clips: list[Clip], settings: TrainSettings, workers: Workers, out: str, console: Console) -> Trained:
    """Train on clips; the model, its curve and its card go to the folder `out`, which has to be a local one.

    Raises
    ------
    SettingsError : too few clips of use, or `out` is no local folder
    ClusterError : before anything is started
    """
    check_writable(out)
    out = storage.absolute(out)
    if not storage.is_local(out):
        raise SettingsError(
            f"-o {out}: a training keeps its corpus and checkpoints on a local disk; copy the model from there"
        )
    with held(out, console), started(workers) as runner:
        run = TrainRun(clips, settings, workers, out, console, runner)
        run.write()
        _look(run)
        used = [row for row in run.rows if row.status == "used"]
        if len(used) < FEWEST_CLIPS:
            reasons = sorted({row.error or "" for row in run.rows if row.status != "used"})
            raise SettingsError(
                f"{len(used)} of {len(clips)} clips are of use, and {FEWEST_CLIPS} are needed: {'; '.join(reasons[:3])}"
            )
        corpus = make_corpus(
            storage.local_path(run.url("corpus")),
            [run.seen_url(row.fingerprint) for row in used],
            [row.person for row in used],
            settings.held_out,
            settings.seed,
        )
        if not corpus.held_out.any():
            raise SettingsError("all clips seem to show one person; a table with a column person tells them apart")
        for row, person, held_out in zip(used, corpus.person.tolist(), corpus.held_out.tolist(), strict=True):
            run.ended[row.id] = replace(row, person=row.person or str(person), held_out=held_out)
        device = allocate(runner.cluster, workers, alone=True).device
        product, curves = _teach(run, corpus, settings, device)
        for name, data in _files(run, settings, product, curves).items():
            storage.commit_bytes(run.url(name), data)
        run.result = product.measured
        run.finish()
        return Trained(run.url(MODEL), run.rows, curves, product, run.seconds)


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


def _teach(run: TrainRun, corpus: Corpus, settings: TrainSettings, device: str) -> tuple[Product, list[list[Progress]]]:
    """Train each network in turn; what they are together."""
    product = product_of(settings.kind, corpus)
    lessons = []
    clips: NDArray[np.int64] = corpus.clips(held_out=False)
    asked = storage.digest(json.dumps(run.ids), settings.kind, settings.steps, settings.held_out, settings.seed)
    for seed in range(settings.seed, settings.seed + (1 if settings.kind == "judge" else settings.seeds)):
        path = Path(storage.local_path(run.url("checkpoints"))) / f"{settings.kind}-{seed}-{asked}.pt"
        path.parent.mkdir(exist_ok=True)
        lesson = Lesson(corpus, product.targets, product.make, clips, seed, settings.steps, path, device)
        if lesson.step:
            run.say(f"{settings.kind} {seed}: goes on from step {lesson.step}")
        until = None if settings.minutes is None else time.monotonic() + 60 * settings.minutes
        for line in lesson.run(until):
            run.say(
                f"{settings.kind} {seed}: step {line.step} of {settings.steps}, loss {line.loss:.3f}, people held out: "
                f"r {line.r:.2f}, another sound {line.r_other:.2f}, own first {line.right_first:.0%}; "
                f"{line.clips_per_s:.0f} clips/s"
            )
        lessons.append(lesson)
    product.finish(lessons)
    return product, [lesson.curve for lesson in lessons]


def _files(run: TrainRun, settings: TrainSettings, product: Product, curves: list[list[Progress]]) -> dict[str, bytes]:
    """What is committed of a training."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["network", *Progress.__dataclass_fields__])
    for number, curve in enumerate(curves):
        writer.writerows([number, *vars(line).values()] for line in curve)
    used = [row for row in run.rows if row.status == "used"]
    held_out = sum(bool(row.held_out) for row in used)
    card = product.card(len(used), held_out, len({row.person for row in used}), settings.record())
    return {
        MODEL: product.to_bytes(),
        CARD: card.encode(),
        CURVE: buffer.getvalue().encode(),
        PLOT: _plot(curves),
    }


def _plot(curves: list[list[Progress]]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, curve in enumerate(curves):
        steps = [line.step for line in curve]
        axes.plot(steps, [line.r for line in curve], label=f"own sound, network {number}")
        axes.plot(steps, [line.r_other for line in curve], "--", label=f"another sound, network {number}")
    axes.set(xlabel="step", ylabel="correlation inside a clip, people held out", ylim=(-0.2, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
