"""The two passes: every video's stretches through watch and score, and every group's pictures through Inception."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial

from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.stages import Failure, StageSpec
from lipsync_ray.engine.video_pass import Work, run_pass
from lipsync_ray.evaluate.assemble import AggregateOrder, VideoMetrics, aggregate
from lipsync_ray.evaluate.fid import (
    AccumulateFID,
    Fid,
    FIDPart,
    FidRow,
    Group,
    GroupOrder,
    Side,
    Unit,
    distance,
    fid_rows,
)
from lipsync_ray.evaluate.plan import ScoreRow, score_rows
from lipsync_ray.evaluate.stages import CropAndCompare, Embed
from lipsync_ray.evaluate.state import Evaluation, State
from lipsync_ray.io import storage
from lipsync_ray.models import scorers
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import SEGMENT_S


def score_videos(this: Evaluation, checkpoint: Checkpoint) -> None:
    """Score what is missing of every video; judge a video as soon as it has all of its stretches."""
    workers = this.crew.workers
    layout = allocate(this.crew.cluster, workers, alone=False)
    batch = workers.batch or (scorers.GPU_BATCH if layout.device == "cuda" else scorers.CPU_BATCH)
    # Watching is what readers and writers do elsewhere; there is no other stage that decodes.
    model, watchers = layout.model, max(1, layout.read.workers + layout.write.workers - 1)
    watch = partial(CropAndCompare, this.scorer.name, this.settings.protocol)
    score = partial(Embed, this.scorer.name, checkpoint, layout.device, workers.batch)
    stages = [
        StageSpec("watch", watch, watchers, layout.write.cpus),
        StageSpec("score", score, model.workers, model.cpus, model.gpus),
    ]
    work = Work(
        "scores",
        this.going,
        parts_of=lambda state: _rows(this, state, batch),
        stages=stages,
        taken=lambda state, url: None,  # what it found is in the part
        order=partial(_order, this),
        join=("judge", aggregate),
        made=partial(_take, this),
        fail=this.fail,
    )
    run_pass(this.crew, work, this.url("parts"))


def _folder(this: Evaluation, state: State) -> str:
    return this.url("parts", f"{state.subject.id}-{state.fingerprint}")


def _rows(this: Evaluation, state: State, batch: int) -> list[ScoreRow]:
    assert state.info is not None
    assert state.laid is not None
    return score_rows(
        state.subject.id, state.laid, state.windows, state.info, state.reference, state.geometry, state.speech,
        state.subject.pads, _folder(this, state), this.crew.workers.segment_s or SEGMENT_S, batch,
    )  # fmt: skip


def _order(this: Evaluation, state: State) -> AggregateOrder:
    parts = tuple(url for _, url in sorted(state.parts.items()))
    return AggregateOrder(state.subject.id, parts, state.geometry, state.windows, this.scorer.padded)


def _take(this: Evaluation, state: State, judged: VideoMetrics) -> None:
    this.judged(state, judged)
    storage.remove(_folder(this, state))


def sum_pictures(this: Evaluation, checkpoint: Checkpoint) -> list[Fid]:
    """FID of every language × model, and of every model where it has several languages."""
    rows = fid_rows(_units(this), this.url("fid"), f"{checkpoint.sha256}-{this.settings.dims}")
    if not rows:
        return []
    there = storage.list_names(this.url("fid"))
    wanted = [row for row in rows if storage.name_of(row.url) not in there]
    pool = allocate(this.crew.cluster, this.crew.workers, alone=True)
    make = partial(AccumulateFID, checkpoint, this.settings.dims, pool.device, this.crew.workers.batch)
    spec = StageSpec("inception", make, pool.model.workers, pool.model.cpus, pool.model.gpus)
    notes: dict[str, str] = {}
    lost: set[str] = set()
    of = {row.key: row for row in rows}
    with ProgressReporter(this.crew.console, "fid", len(wanted), sum(row.pictures for row in wanted), "rows") as phase:
        for outcome in this.crew.engine.run(wanted, [spec], this.crew.ledger):
            row = of[outcome.key]
            phase.advance(row.pictures, outcome.failure is not None)
            if outcome.failure:
                lost.add(row.key)
                notes |= {unit.key: outcome.failure.reason for unit in row.units}
            else:
                summed: FIDPart = outcome.value
                notes |= summed.left
    return _distances(this, [row for row in rows if row.key not in lost], notes)


def _units(this: Evaluation) -> list[Unit]:
    """Both sides of every video that has a reference."""
    languages: dict[str | None, set[str | None]] = defaultdict(set)
    able = [s for s in this.known.values() if s.reference is not None and s.laid is not None and s.laid.faces]
    for state in able:
        languages[state.subject.model].add(state.subject.language)
    units: list[Unit] = []
    for state in able:
        subject, info, reference, laid = state.subject, state.info, state.reference, state.laid
        assert info is not None
        assert reference is not None
        assert laid is not None
        groups: tuple[Group, ...] = ((subject.language, subject.model),)
        if len(languages[subject.model]) > 1:
            groups += ((None, subject.model),)
        every = this.settings.fid_every
        count = -(-laid.faces // every)
        shared = (str(state.table), laid.places, str(info.rate), subject.loop, str(subject.pads), subject.face, every)
        made = storage.digest(state.fingerprint, every)
        # Dubs of one reference that are equally long show the same reference frames: they are summed once.
        real = storage.digest(state.reference_key, *map(str, shared))
        common = (state.geometry, info.width, info.height, subject.pads, every, count, groups)
        sides: tuple[tuple[str, Side], ...] = ((made, "made"), (real, "real"))
        units += [Unit(key, side, info if side == "made" else reference, *common) for key, side in sides]
    return units


def _distances(this: Evaluation, rows: list[FidRow], notes: dict[str, str]) -> list[Fid]:
    sums: dict[Group, dict[Side, list[str]]] = defaultdict(lambda: {"made": [], "real": []})
    for row in rows:
        for group in row.groups:
            sums[group][row.side].append(row.url)
    orders = [
        GroupOrder(group, this.settings.dims, tuple(side["made"]), tuple(side["real"])) for group, side in sums.items()
    ]
    found = []
    for order, answer in this.crew.each("fid", distance, orders):
        if isinstance(answer, Failure):
            found.append(Fid(*order.group, None, 0, 0, answer.reason))
        else:
            found.append(replace(answer, note="; ".join([answer.note, *sorted(set(notes.values()))]).strip("; ")))
    return sorted(found, key=lambda fid: (str(fid.model), fid.language is None, str(fid.language)))
