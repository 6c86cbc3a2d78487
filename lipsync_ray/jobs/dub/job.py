"""The dub job from manifest to results.

    probe every distinct file ► face tables, one per distinct video ► lips ► join ► results.parquet

Both passes run side by side: a dub begins when its own video's faces are there.

What earlier runs committed to the same folder under the same fingerprint is kept: finished dubs, face tables, mels,
scans and parts. A dub that cannot go on becomes a row that says why, and the others go on without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from rich.console import Console

from lipsync_ray.engine import meters
from lipsync_ray.engine.graph import Ask
from lipsync_ray.engine.occupancy import run_lock
from lipsync_ray.engine.resources import Layout, allocate
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.start import started
from lipsync_ray.engine.video_pass import VideoPass
from lipsync_ray.inputs import face_pass
from lipsync_ray.inputs.face_pass import FacePass, FaceTable
from lipsync_ray.inputs.portraits import Portraits
from lipsync_ray.inputs.speaker_search import Speakers
from lipsync_ray.inputs.speakers import SpeakerTracks, note_of_turns
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Dub, given_cues, with_background
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.io.results import Summary
from lipsync_ray.jobs.dub.assemble import VideoOrder, make_video
from lipsync_ray.jobs.dub.drawn import drawn_in
from lipsync_ray.jobs.dub.inputs import DUB, DubRun, Use, claim_of, given_turns, prepare
from lipsync_ray.jobs.dub.methods.registry import method_of
from lipsync_ray.jobs.dub.networks import networks
from lipsync_ray.jobs.dub.plan import marks_of, parts_plan, ranges_of, rows, whole
from lipsync_ray.jobs.dub.recipe import Recipe
from lipsync_ray.jobs.dub.reuse import ReuseOrder, reuse_parts
from lipsync_ray.jobs.dub.reviewed import reviews_of
from lipsync_ray.jobs.dub.sounds import check_options, sound_columns, soundtrack_of
from lipsync_ray.jobs.dub.state import DubState
from lipsync_ray.jobs.dub.untouched import copied_ranges, copies_of, note_of
from lipsync_ray.jobs.dub.voices import subtitles_of, written_voices
from lipsync_ray.media.codecs import container_of, video_name
from lipsync_ray.media.encode import check_encoder
from lipsync_ray.models import weights
from lipsync_ray.provenance.claims import MadeFile
from lipsync_ray.provenance.frame_marks import mark_columns
from lipsync_ray.provenance.kept import provenance_columns
from lipsync_ray.provenance.marking import marking_of
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.compose import Composed
from lipsync_ray.restoration.one_file import check_languages, make_one_files
from lipsync_ray.settings import DubSettings, Workers

# Segments that are made at a time. Each takes the driver some 17 KB while its pass runs, of which most are Ray Data's
# (benchmarks/growth.py): not a gigabyte for these.
WAVE = 50_000


def run(
    dubs: list[Dub],
    settings: DubSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
    rejected: Mapping[Use, str] | None = None,
    redo: str | None = None,
) -> Summary:
    """Make every dub of a checked manifest.

    Parameters
    ----------
    out : folder, path or fsspec URL
    console : for progress lines
    fetching : told how far a download of the weights is
    rejected : files that an analysis says cannot be dubbed, and why
    redo : URL of a review, or of an evaluation's folder, which says what is made anew

    Raises
    ------
    WeightsError, CheckpointError, SettingsError, ClusterError : before anything is started
    ManifestError : a file of who speaks when, of lines, or the review, has problems; likewise
    """
    check_out(out, DUB.name)
    check_encoder(settings.coding)
    dubs = with_background(dubs, settings.sound.background)
    check_options(settings.sound, container_of(settings.coding), dubs)
    given, cues = given_turns(dubs), given_cues(dubs)
    reviews = reviews_of(storage.absolute(out), dubs, redo)
    if settings.one_file:
        check_languages(dubs)
    marking = marking_of(settings.provenance)
    asked = networks(settings, fetching)
    method_of(asked.generator).check_rows(dubs, asked.generator)
    out = storage.absolute(out)
    with run_lock(out, console), started(workers) as runner:
        # options that cannot be met end the run here
        device = allocate(runner.cluster, workers, alone=True, on_gpus=settings.codes_on_gpus).device
        recipe = Recipe.of(settings, asked, device, workers.batch, [dub.language for dub in dubs])
        with DubRun(dubs, recipe, workers, out, console, runner, rejected, marking, given, reviews, cues) as run:
            run.write()
            reviews.write()
            prepare(run)
            run.forget_before()
            waves = _waves(run)
            while waves:  # what is known of a wave's dubs is forgotten with it
                run.active = {dub.id: dub for dub in waves.pop(0)}
                _make_dubs(run)
            make_one_files(run, settings.one_file, run.settings.coding, marking)
            return Summary(run.rows, run.finish(), run.detected_videos, run.seconds)


def _waves(run: DubRun) -> list[list[DubState]]:
    """Dubs that are made at a time, those of one video together: what waits for a pass is held in memory, row by row."""
    waves: list[list[DubState]] = []
    rows = 0
    for dub in sorted(run.active.values(), key=lambda dub: dub.video_key):
        own = len(ranges_of(run, dub))
        if not waves or rows + own > WAVE:
            waves.append([])
            rows = 0
        waves[-1].append(dub)
        rows += own
    return [list(run.active.values())] if len(waves) == 1 else waves


def _make_dubs(run: DubRun) -> None:
    """Make every dub: faces of its video, who speaks, segments, join."""
    by_video = run.by("video_key")
    videos = {key: dubs[0].info for key, dubs in by_video.items() if dubs[0].info is not None}
    layout = run.recipe.layout(run.context.cluster, run.workers)

    def on_table(key: str, table: FaceTable) -> None:
        run.detected_videos += table.fresh
        for dub in by_video[key]:
            dub.table = table.url
            dub.attempts = max(dub.attempts, table.attempts)
            if table.failure:
                run.fail(dub, table.failure)
        if table.failure is None:
            portraits.begin(key, table.url)
            speakers.begin(key, table.url)

    def on_speakers(key: str, answers: Mapping[str, SpeakerTracks | Failure]) -> None:
        speaking = []
        for dub in by_video[key]:
            speaker = answers[dub.id]
            if isinstance(speaker, Failure):
                run.fail(dub, speaker)
                continue
            dub.warn(*speaker.notes)
            if speaker.persons:
                dub.speaker, notes = run.recipe.method.cast(speaker)
                decided = dub.given is None and not dub.row.cues and dub.speaker.turns
                dub.warn(*notes, *([note_of_turns(decided)] if decided else []))
                speaking.append(dub)
            else:
                _end_without_face(run, dub, videos[key].frames, speaker)
        if speaking:
            source.spec.ready.extend(source.wanted(key, speaking))
        else:
            source.drop(key)

    def begin(dub: DubState) -> None:
        dub.warn(*filter(None, [note_of(dub, marks_of(run, dub))]))
        order = _reuse_order(run, dub)
        if order is None:
            lips.ready.append(dub.id)
        else:
            reuse.ready.append(order)

    def on_reused(order: ReuseOrder, taken: int | Failure) -> None:
        dub = run.active[order.key]
        if not isinstance(taken, Failure):  # an earlier video that cannot be read is no loss: all is made
            dub.found_late = taken > 0
        lips.ready.append(dub.id)

    run.begin = begin
    # faces ► who speaks ► what the model needs of the source ► what an earlier version has ► segments
    faces = FacePass(videos, run.url("faces"), layout.model, on_table)
    portraits = Portraits(run.url, videos, run.context.failures.report, after=(faces.spec,))
    given = {key: {dub.id: dub.given for dub in dubs} for key, dubs in by_video.items()}
    voices = {dub.id: () if run.reviews.names_somebody(dub.id) else written_voices(dub) for dub in run.active.values()}
    speakers = Speakers(run.url, run.settings.face, videos, given, on_speakers, (faces.spec,), voices)
    run.persons_of = speakers.expected
    source = run.recipe.method.lead(run, videos, layout, after=speakers.nodes)
    reuse = Ask(name="reuse", task=reuse_parts, on_answer=on_reused, after=(source.spec,))
    lips = replace(_lips_pass(run, layout), after=(reuse,))
    faces.run_before(run.context, [portraits.node, *speakers.nodes, source.spec, reuse, lips], f"{len(run.dubs)} dubs")


def _reuse_order(run: DubRun, dub: DubState) -> ReuseOrder | None:
    """What to take from an earlier version of a dub; None if it has none, or its parts cannot be compared."""
    before = dub.before
    if before is None or before.parts is None or dub.info is None:
        return None
    plan = parts_plan(run, dub)
    if plan is None or before.rate != str(dub.info.rate):
        return None
    return ReuseOrder(
        dub.id, plan, before.parts, run.url("videos", video_name(dub.id, run.settings.coding)), dub.info.rate
    )


def _lips_pass(run: DubRun, layout: Layout) -> VideoPass[DubState, VideoOrder, MadeFile]:
    return VideoPass(
        name="lips",
        folder=run.url("parts"),
        active=run.active,
        parts_of=partial(rows, run),
        stages=run.recipe.method.stages(layout),
        on_part=_take_segment,
        assemble_args=partial(_order, run),
        assemble=("join", make_video),
        on_done=partial(_end_done, run),
        fail=run.fail,
    )


def _take_segment(dub: DubState, composed: Composed) -> None:
    dub.restored += composed.restored
    meters.faces("drawn", composed.drawn)
    meters.faces("restored", composed.restored)
    dub.warn(*composed.notes)
    if composed.gpu_mb is not None:
        dub.gpu_mb = max(dub.gpu_mb or 0, composed.gpu_mb)


def _order(run: DubRun, dub: DubState) -> VideoOrder:
    assert dub.info is not None
    rate = dub.info.rate
    url = run.url("videos", video_name(dub.id, run.settings.coding))
    shown = run.url(previews.FOLDER) if run.settings.restore else None
    sources = (dub.row.video, dub.content), *dub.heard
    wholes = tuple(whole(run, dub, face) for face in dub.faces)
    drawing = partial(drawn_in, run.recipe.method.where, wholes)
    claim = claim_of(run.recipe, dub)
    copies = copies_of(dub, marks_of(run, dub))
    return VideoOrder(
        dub.id, dub.ordered, dub.frames, rate, soundtrack_of(run, dub), url, sources, shown, claim, run.marking,
        drawing, dub.info, subtitles_of(dub), parts_plan(run, dub), copies,
    )  # fmt: skip


def _end_done(run: DubRun, dub: DubState, made: MadeFile) -> None:
    assert dub.info is not None
    dub.warn(*made.notes)
    copied = sum(stop - start for start, stop in copied_ranges(dub, marks_of(run, dub)))
    row = run.row_of(
        dub,
        "done",
        output=made.url,
        drawn=made.drawn,
        parts=made.parts,
        frames=dub.frames,
        faceless_frames=dub.faceless,
        hidden_frames=dub.hidden,
        restored_frames=dub.restored if run.settings.restore and not dub.reused else None,
        duration_s=float(dub.frames / dub.info.rate),
        segments=len(dub.parts),
        reused_segments=dub.reused,
        copied_frames=copied,
        reused_frames=dub.reused_frames,
        made_frames=dub.frames - copied - dub.reused_frames,
        **provenance_columns(run.marking, claim_of(run.recipe, dub)),
        **mark_columns(marks_of(run, dub)),
        **sound_columns(run, dub, made),
    )
    run.end(row, leftovers=[*run.earlier_videos.others(dub.id, run.settings.coding), *dub.part_files])


def _end_without_face(run: DubRun, dub: DubState, frames: int, speaker: SpeakerTracks) -> None:
    if speaker.turns is not None:
        stage, reason = "speakers", f"{speaker.without}. Nothing was written"
    else:
        why = f"; {speaker.without}" if speaker.without else ""
        stage = face_pass.STAGE
        reason = f"no face in any of {frames} frames (MTCNN, faces from 1/18 of the frame's short side){why}; nothing was written"
    for url in run.earlier_videos.of(dub.id, run.settings.coding):  # an earlier run may have dubbed somebody
        storage.remove(url)
    run.end(run.row_of(dub, "no_face", stage=stage, error=reason))
