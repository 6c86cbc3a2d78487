"""The evaluation job from items to tables and report.

    probe every file ► faces, without a table ► tracks ► scores: crop and compare ► embed ► aggregate ► FID: sums ►
    tables ► report

Results of an earlier run with the same fingerprint are reused: scores, face tables, sound features, ranges, sums.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from rich.console import Console

from lipsync_ray.engine.graph import Ask
from lipsync_ray.engine.occupancy import run_lock
from lipsync_ray.engine.resources import Layout, allocate, picture_bytes
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.start import started
from lipsync_ray.engine.video_pass import VideoPass
from lipsync_ray.inputs.face_pass import FacePass, FaceTable
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.jobs.evaluate import PREVIEWS, distances
from lipsync_ray.jobs.evaluate.assemble import AggregateOrder, aggregate
from lipsync_ray.jobs.evaluate.evaluation_input import EvaluationInput
from lipsync_ray.jobs.evaluate.face_tracks import FaceTracksOrder, TrackIndex, build_tracks
from lipsync_ray.jobs.evaluate.fid import (
    AccumulateFID,
    Fid,
    FIDPart,
    FidRow,
    Group,
    GroupOrder,
    Side,
    distance,
    fid_rows,
    units_of,
)
from lipsync_ray.jobs.evaluate.inputs import prepare, read_files, tables_wanted, tracks_order, unlisted_scores
from lipsync_ray.jobs.evaluate.judged import disagreements
from lipsync_ray.jobs.evaluate.plan import ScoreRow, score_rows, windows_of_tracks
from lipsync_ray.jobs.evaluate.previews import Previews
from lipsync_ray.jobs.evaluate.sample import drawn
from lipsync_ray.jobs.evaluate.scores import METRICS_FOLDER, Score
from lipsync_ray.jobs.evaluate.stages import CropAndCompare, Embed
from lipsync_ray.jobs.evaluate.state import EVALUATE, EvaluateRun, EvaluateState
from lipsync_ray.jobs.evaluate.summary import csv_text, flat_rows, groups, markdown, parquet, score_row
from lipsync_ray.models import inception, scorers, weights
from lipsync_ray.settings import SEGMENT_S, EvaluateSettings, Workers

LIPS_FOLDER = "lips"  # lip measurements of references, while their dubs are scored


@dataclass(frozen=True)
class Evaluated:
    """Result of an evaluation.

    Attributes
    ----------
    scores : one per item, in their order
    fids : one per group; empty without FID
    out : the folder
    seconds : wall time
    """

    scores: list[Score]
    fids: list[Fid]
    out: str
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every video was scored."""
        return all(score.status == "scored" for score in self.scores)


def run(
    items: list[EvaluationInput],
    settings: EvaluateSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
    previews: int | None = PREVIEWS,
) -> Evaluated:
    """Score every item and write the tables.

    Parameters
    ----------
    out : folder, path or fsspec URL
    previews : videos that get pictures and a player in the report: the worst, the best, and a sample; None for all

    Raises
    ------
    WeightsError, CheckpointError, SettingsError, ClusterError : before any work starts
    """
    check_out(out, EVALUATE.name)
    sample = drawn(items, settings.rows)
    scorer = scorers.resolve(settings.scorer, settings.scorer_weights, fetching)
    fid_weights = None if settings.fid == "none" else inception.resolve(settings.fid, fetching)
    out = storage.absolute(out)
    unlisted = unlisted_scores(out, settings, {item.id for item in items})
    with run_lock(out, console), started(workers) as runner:
        layout = allocate(runner.cluster, workers, alone=False, networks=2 + (fid_weights is not None))
        with EvaluateRun(sample, settings, workers, out, console, runner, scorer, fid_weights) as run:
            run.unlisted = unlisted
            run.write()
            previewer = Previews(run, previews)
            prepare(run, previewer)
            run.forget_before()
            fids = distances.kept(run)
            if run.active or fids is None or not previewer.complete:
                fids = _evaluate(run, layout, previewer)
            _write_tables(run, fids)
            run.finish()
            return Evaluated(run.rows, fids, out, run.seconds)


def _evaluate(run: EvaluateRun, layout: Layout, previewer: Previews) -> list[Fid]:
    """Score missing videos, compute FID, and make the previews."""
    read_files(run)
    fid = _Fid(run, run.fid_weights, layout) if run.fid_weights is not None else None
    _score_videos(run, layout, previewer)
    fids = fid.run() if fid is not None else []
    previewer.finish()
    return fids


def _score_videos(run: EvaluateRun, layout: Layout, previewer: Previews) -> None:
    """Run the missing steps of every video (faces, tracks, ranges), each as soon as possible."""
    batch = run.workers.batch or (scorers.GPU_BATCH if layout.device == "cuda" else scorers.CPU_BATCH)
    # Cropping uses the CPUs of readers and writers: no other stage decodes.
    croppers = max(1, layout.read.workers + layout.write.workers - 1)
    crop = partial(CropAndCompare, run.scorer.name, run.settings.protocol, previewer.wanted, run.settings.judges)
    embed = partial(Embed, run.scorer.name, run.checkpoint, layout.device, run.workers.batch)
    references = Counter(state.reference_key for state in run.active.values() if state.reference_key)
    shared = {key for key, dubs in references.items() if dubs > 1}
    spec: VideoPass[EvaluateState, AggregateOrder, dict[str, Any]] = VideoPass(
        name="scores",
        folder=run.url("parts"),
        active=run.active,
        parts_of=lambda state: _rows(run, state, batch, shared),
        stages=[
            replace(layout.write, workers=croppers).stage("crop", crop, picture_bytes(run.scorer.side)),
            layout.model.stage("score", embed),
        ],
        assemble_args=lambda state: AggregateOrder(
            state.id,
            tuple(url for _, url in state.ordered),
            state.tracks_url,
            state.windows,
            run.scorer.name,
            run.scorer.padded,
            state.sounds if run.settings.judges else None,
        ),
        assemble=("aggregate", aggregate),
        on_done=partial(_end_scored, run, previewer),
        fail=run.fail,
    )
    at_hand, wanted = tables_wanted(run)
    videos = {key: states[0].info for key, states in wanted.items() if states[0].info is not None}

    def on_table(key: str, table: FaceTable) -> None:
        for state in wanted[key]:
            state.attempts = max(state.attempts, table.attempts)
            if table.failure:
                run.fail(state, table.failure)
            else:
                state.table = table.url
                tracks_of.ready.append(tracks_order(run, state))

    def on_tracks(order: FaceTracksOrder, tracks: TrackIndex | Failure) -> None:
        state = run.known[order.key]
        if isinstance(tracks, Failure):
            run.fail(state, tracks)
            return
        state.tracks, state.tracks_url = tracks, order.url
        state.windows = windows_of_tracks(tracks, state.speech)
        if state.id in run.active:  # else an earlier run scored it, and FID alone needs to know its faces
            scores.ready.append(state.id)

    faces = FacePass(videos, run.url("faces"), layout.model, on_table)
    queries = deque(tracks_order(run, state) for state in at_hand)
    tracks_of = Ask(name="tracks", task=build_tracks, on_answer=on_tracks, after=(faces.spec,), ready=queries)
    scores = replace(spec, after=(tracks_of,))
    faces.run_before(run.context, [tracks_of, scores], f"{sum(map(len, wanted.values()))} videos")
    storage.remove(run.url(LIPS_FOLDER))


def _folder(run: EvaluateRun, state: EvaluateState) -> str:
    return run.url("parts", f"{state.id}-{state.fingerprint}")


def _rows(run: EvaluateRun, state: EvaluateState, batch: int, shared: set[str]) -> list[ScoreRow]:
    assert state.info is not None
    reference, tracks = state.reference, state.tracks
    if tracks is None:  # not known yet: all possible rows, to estimate their number
        reference, tracks = state.info, TrackIndex.unknown(state.info)
    return score_rows(
        state.id, tracks, state.windows, state.info, reference, state.tracks_url, state.speech,
        state.item.pads, _folder(run, state), run.workers.segment_s or SEGMENT_S, batch,
        run.url(LIPS_FOLDER) if state.reference_key in shared else "",
    )  # fmt: skip


def _end_scored(run: EvaluateRun, previewer: Previews, state: EvaluateState, values: dict[str, Any]) -> None:
    if values["tracks"]:
        score = run.row_of(state, "scored", **values)
    else:
        without_track = state.tracks.reason if state.tracks is not None else ""
        reason = "; ".join(filter(None, (without_track, state.silent)))
        reason = reason or "too short: its tracks and its sound do not cover one window of 5 frames"
        score = run.row_of(state, "not_scored", stage="score", error=reason, **values)
    score = replace(score, warnings=disagreements(score))
    run.end(score, leftovers=state.part_files)
    previewer.drop_unwanted(score)


class _Fid:
    """FID of every language × model, and of every model with several languages.

    Its pool loads while the videos are scored.
    """

    def __init__(self, run: EvaluateRun, checkpoint: weights.Checkpoint, layout: Layout) -> None:
        self._run, self._checkpoint = run, checkpoint
        # The number of pictures is not known yet; at most one row per video and side.
        most = 2 * sum((state.reference or state.source) is not None for state in run.known.values())
        make = partial(AccumulateFID, self._checkpoint, run.settings.dims, layout.device, run.workers.batch)
        self._late = run.context.late_rows("fid", "rows", most, [layout.model.stage("inception", make)])

    def run(self) -> list[Fid]:
        rows = self._rows()  # of videos that have not failed
        notes: dict[str, str] = {}
        lost: set[str] = set()
        for row, outcome in self._late.run(self._missing(rows), lambda row: row.pictures):
            if outcome.failure:
                lost.add(row.key)
                notes |= {unit.key: outcome.failure.reason for unit in row.units}
            else:
                part: FIDPart = outcome.value
                notes |= part.left
        fids, whole = self._distances([row for row in rows if row.key not in lost], notes)
        if whole and not lost:
            distances.keep(self._run, fids)
        return fids

    def _rows(self) -> list[FidRow]:
        run = self._run
        units = units_of(run.known.values(), run.settings.fid_every)
        return fid_rows(units, run.url("fid"), f"{self._checkpoint.sha256}-{run.settings.dims}")

    def _missing(self, rows: list[FidRow]) -> list[FidRow]:
        there = storage.list_names(self._run.url("fid"))
        return [row for row in rows if storage.name_of(row.url) not in there]

    def _distances(self, rows: list[FidRow], notes: dict[str, str]) -> tuple[list[Fid], bool]:
        """Distances of every group, and whether all could be computed."""
        sums: dict[Group, dict[Side, list[str]]] = defaultdict(lambda: {"generated": [], "real": []})
        for row in rows:
            for group in row.groups:
                sums[group][row.side].append(row.url)
        dims = self._run.settings.dims
        orders = [GroupOrder(group, dims, tuple(s["generated"]), tuple(s["real"])) for group, s in sums.items()]
        found, whole = [], True
        for order, answer in self._run.context.map_tasks("fid", distance, orders):
            if isinstance(answer, Failure):
                whole = False
                found.append(Fid(*order.group, None, 0, 0, answer.reason))
            else:
                note = "; ".join([answer.note, *sorted(set(notes.values()))]).strip("; ")
                found.append(replace(answer, note=note))
        return sorted(found, key=lambda fid: (str(fid.model), fid.language is None, str(fid.language))), whole


def _write_tables(run: EvaluateRun, fids: list[Fid]) -> None:
    """Commit the tables; the Parquet one of all videos is the run's own."""
    ordered = run.rows
    rows = groups(ordered, fids)
    flat = flat_rows(rows)
    files = {
        "videos.csv": csv_text([score_row(score) for score in ordered]).encode(),
        "groups.parquet": parquet(flat),
        "groups.csv": csv_text(flat).encode(),
        "tables.md": markdown(ordered, rows).encode(),
        "fid.json": json.dumps([asdict(fid) for fid in fids], indent=1).encode(),
    }
    for name, data in files.items():
        storage.commit_bytes(run.url(METRICS_FOLDER, name), data)
