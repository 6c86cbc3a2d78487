"""The enhance job from finished videos to restored ones.

    probe every video ► faces, where no table is at hand ► restore ► compose ► join (audio copied) ► results.parquet

What an earlier run committed under the same fingerprint is kept: finished videos, parts, face tables.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from rich.console import Console

from lipsync_ray.engine.graph import Ask
from lipsync_ray.engine.occupancy import run_lock
from lipsync_ray.engine.resources import Layout, allocate, picture_bytes
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.start import started
from lipsync_ray.engine.video_pass import VideoPass
from lipsync_ray.faces import align
from lipsync_ray.inputs import face_pass
from lipsync_ray.inputs.face_pass import FacePass, FaceTable
from lipsync_ray.inputs.speakers import SpeakerQuery, SpeakerTracks, choose_speaker
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.io.results import Summary
from lipsync_ray.jobs.enhance.assemble import EnhancedOrder, make_enhanced
from lipsync_ray.jobs.enhance.inputs import ENHANCE, EnhanceRun, EnhanceState, prepare
from lipsync_ray.jobs.enhance.plan import rows_of
from lipsync_ray.jobs.enhance.sources import EnhanceInput
from lipsync_ray.jobs.enhance.stages import RestoreRange
from lipsync_ray.media.encode import check_encoder
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models import extras, weights
from lipsync_ray.models.precision import resolved
from lipsync_ray.provenance.claims import MadeFile
from lipsync_ray.provenance.frame_marks import frame_marking_of, mark_columns
from lipsync_ray.provenance.kept import provenance_columns
from lipsync_ray.provenance.marking import marking_of
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.compose import Compose, Composed
from lipsync_ray.restoration.one_file import check_languages, make_one_files
from lipsync_ray.restoration.weights import resolve
from lipsync_ray.settings import EnhanceSettings, Workers


def run(
    items: list[EnhanceInput],
    base: Mapping[str, Any],
    settings: EnhanceSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
) -> Summary:
    """Enhance every item.

    Parameters
    ----------
    base : settings of the dub run that the items are of; empty for other videos
    out : folder, path or fsspec URL

    Raises
    ------
    WeightsError, CheckpointError, ModelError, SettingsError, ClusterError : before anything is started
    """
    check_out(out, ENHANCE.name)
    check_encoder(settings.coding)
    if settings.one_file:
        check_languages(item.row for item in items)
    marking = marking_of(settings.provenance)
    if settings.detector == "retinaface":
        extras.require("restore", "--restore-detector retinaface")
    restoration = resolve(settings.restore, fetching)
    marks = frame_marking_of(settings.marks, [item.row.language for item in items])
    retinaface = weights.by_name("retinaface", fetching) if settings.detector == "retinaface" else None
    out = storage.absolute(out)
    with run_lock(out, console), started(workers) as runner:
        layout = allocate(runner.cluster, workers, alone=False, networks=2, on_gpus=settings.codes_on_gpus)
        settings = replace(settings, precision=resolved(settings.precision, layout.device))
        with EnhanceRun(
            items, base, settings, restoration, workers, out, console, runner, layout.device, marking, marks
        ) as run:
            run.write()
            prepare(run)
            run.forget_before()
            _enhance(run, layout, retinaface)
            make_one_files(run, settings.one_file, run.settings.coding, marking)
            return Summary(run.rows, run.finish(), 0, run.seconds)


def _enhance(run: EnhanceRun, layout: Layout, retinaface: weights.Checkpoint | None) -> None:
    """Enhance every video as soon as it is known whose faces; with a detector of its own, at once."""
    wanted: dict[str, list[EnhanceState]] = {}
    queries: list[SpeakerQuery] = []
    ready = list(run.active) if retinaface is not None else []
    for state in run.active.values() if retinaface is None else ():
        # A dub's table is of its source: of use only where the source is still there to count its frames.
        own, source = state.item.face_table, state.source
        if own is not None and source is not None and storage.exists(own):
            state.table = own
            queries.append(_query(state, own, source))
        else:
            state.source = None
            wanted.setdefault(state.key, []).append(state)
    videos: dict[str, VideoInfo] = {key: states[0].info for key, states in wanted.items() if states[0].info}

    def on_table(key: str, table: FaceTable) -> None:
        for state in wanted[key]:
            state.table = table.url
            state.attempts = max(state.attempts, table.attempts)
            if table.failure:
                run.fail(state, table.failure)
            else:
                choose.ready.append(_query(state, table.url, videos[key]))

    def on_speaker(query: SpeakerQuery, speaker: SpeakerTracks | Failure) -> None:
        state = run.active[query.key]
        if isinstance(speaker, Failure):
            run.fail(state, speaker)
        elif speaker.persons:
            state.chosen = tuple(track for person in speaker.persons for track in person.chosen)
            main.ready.append(state.id)
        else:
            why = f"; {speaker.without}" if speaker.without else ""
            reason = f"no face is seen in it{why}; nothing was written"
            run.end(run.row_of(state, "no_face", stage=face_pass.STAGE, error=reason))

    # faces ► whose ► segments
    faces = FacePass(videos, run.url("faces"), layout.model, on_table)
    choose = Ask(name="choose", task=choose_speaker, on_answer=on_speaker, after=(faces.spec,), ready=deque(queries))
    main = replace(_restore_pass(run, layout, retinaface), after=(choose,), ready=deque(ready))
    faces.run_before(run.context, [choose, main], f"{sum(map(len, wanted.values()))} videos")


def _query(state: EnhanceState, table: str, video: VideoInfo) -> SpeakerQuery:
    turns = state.item.row.turns if state.source is not None else None  # of the source's persons
    return SpeakerQuery(
        state.id, table, state.item.face, video.width, video.height, video.rate, turns=turns, pictures=True
    )


def _restore_pass(
    run: EnhanceRun, layout: Layout, retinaface: weights.Checkpoint | None
) -> VideoPass[EnhanceState, EnhancedOrder, MadeFile]:
    settings = run.settings
    files = run.restoration.files
    make = partial(RestoreRange, files, layout.device, settings.precision, run.workers.batch, retinaface)
    return VideoPass(
        name="restore",
        folder=run.url("parts"),
        active=run.active,
        parts_of=partial(rows_of, run),
        stages=[
            layout.model.stage("restore", make, picture_bytes(align.SIDE)),
            layout.write.stage("compose", partial(Compose, settings.restore)),
        ],
        on_part=_take_row,
        assemble_args=partial(_order, run),
        assemble=("join", make_enhanced),
        on_done=partial(_end_done, run),
        fail=run.fail,
    )


def _take_row(state: EnhanceState, composed: Composed) -> None:
    state.faceless += composed.frames - composed.drawn
    state.restored += composed.restored
    state.warn(*composed.notes)


def _order(run: EnhanceRun, state: EnhanceState) -> EnhancedOrder:
    assert state.info is not None
    place = ("images" if state.info.picture else "videos", run.name_of(state))
    whole = replace(rows_of(run, state)[0], stop=state.info.frames)
    return EnhancedOrder(
        state.id, state.ordered, state.info, run.url(*place), run.url(previews.FOLDER), run.claim_of(state), run.marking, whole,
        run.settings.restore.region,
    )  # fmt: skip


def _end_done(run: EnhanceRun, state: EnhanceState, made: MadeFile) -> None:
    state.warn(*made.notes)
    counts = {} if state.reused else {"faceless_frames": state.faceless, "restored_frames": state.restored}
    segments = {"segments": len(state.parts), "reused_segments": state.reused}
    said = provenance_columns(run.marking, run.claim_of(state))
    columns = {name: value for name, value in mark_columns(run.marks_of(state)).items() if value is not None}
    row = run.row_of(state, "done", output=made.url, drawn=made.drawn, **segments, **counts, **said, **columns)
    run.end(row, leftovers=[*run.earlier_videos.others(state.id, run.settings.coding), *state.part_files])
