"""The two passes side by side: faces of every distinct video, and the segments of every dub whose video has its faces.

A dub is joined as soon as it has all of its segments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from functools import partial

from lipsync_ray.dub.assemble import VideoOrder, make_video
from lipsync_ray.dub.plan import Segment, output_frames, segment_bounds
from lipsync_ray.dub.restore import Restore
from lipsync_ray.dub.run import DubState, Run
from lipsync_ray.dub.stages import Compose, Composed, Crop, Sync, faceless_frames
from lipsync_ray.engine.progress import Wake, phases
from lipsync_ray.engine.resources import Layout, allocate
from lipsync_ray.engine.runners import Tasks
from lipsync_ray.engine.stages import Failure, StageSpec
from lipsync_ray.engine.video_pass import Streamed, Work
from lipsync_ray.inputs.face_pass import Found, face_work, missing_tables, parts_folder, said_of
from lipsync_ray.inputs.face_tables import SpeakerQuery, SpeakerTracks, choose_speaker
from lipsync_ray.io import storage
from lipsync_ray.io.results import Result
from lipsync_ray.media.join import AudioTrack
from lipsync_ray.models import generators
from lipsync_ray.models.wav2lip import CROP
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.faces import PARSE_EVERY, ROW_S
from lipsync_ray.settings import SEGMENT_S

POLL_S = 0.2  # between two looks at small tasks that have ended


def make_dubs(run: Run) -> None:
    """Make every dub: faces of its video, who speaks, segments, join. A dub waits for its own video's faces only."""
    by_video = run.by("video_key")
    videos = {key: dubs[0].info for key, dubs in by_video.items() if dubs[0].info is not None}
    folder = run.url("faces")
    found, wanted = missing_tables(videos, folder)
    networks = bool(wanted) + 1 + (run.settings.restore is not None)
    layout = allocate(run.crew.cluster, run.workers, alone=False, networks=networks)
    going = dict(wanted)
    wake = Wake()
    with phases(run.crew.console) as phase_of:
        choosing: Tasks[SpeakerQuery, SpeakerTracks] = run.crew.tasks("choose", choose_speaker)

        def choose(key: str, table: Found) -> None:
            _take_table(run, by_video[key], table)
            if table.failure is None:
                info = videos[key]
                choosing.submit(SpeakerQuery(key, table.url, run.settings.face, info.width, info.height))

        faces = Streamed(
            run.crew,
            face_work(going, layout.model, folder, lambda ended: choose(ended.key, ended.found)),
            parts_folder(folder),
            wanted,
            phase_of,
            wake.up,
            ready=True,
        )
        drawing = Streamed(run.crew, _work(run, layout), run.url("parts"), run.going, phase_of, wake.up)
        for key, table in found.items():
            choose(key, table)
        while not (faces.done and choosing.idle and drawing.done):
            wake.wait(POLL_S)
            faces.poll()
            for choice, speaker in choosing.finished():
                _take_speaker(run, by_video[choice.key], speaker, drawing.begin)
            if faces.done and choosing.idle:
                drawing.close()
            drawing.poll()
    if wanted:
        run.crew.console.print(said_of(wanted.values(), f"{len(run.rows)} dubs"), highlight=False)


def _take_table(run: Run, dubs: list[DubState], found: Found) -> None:
    """A video's face table is there, or cannot be made."""
    run.detected_videos += found.fresh
    for dub in dubs:
        dub.table = found.url
        dub.attempts = max(dub.attempts, found.attempts)
        if found.failure:
            run.fail(dub, found.failure)


def _take_speaker(
    run: Run, dubs: list[DubState], speaker: SpeakerTracks | Failure, begin: Callable[[str], None]
) -> None:
    """It is known who speaks in a video: its dubs can begin."""
    for dub in dubs:
        if isinstance(speaker, Failure):
            run.fail(dub, speaker)
            continue
        dub.warn(*speaker.notes)
        if not speaker.chosen:
            run.no_face(dub)
        else:
            dub.speaker = speaker
            begin(dub.row.id)


def _work(run: Run, layout: Layout) -> Work[DubState, VideoOrder, str]:
    return Work(
        "lips",
        run.going,
        parts_of=lambda dub: _segments(run, dub, layout),
        stages=_stages(run, layout),
        taken=_take_segment,
        order=partial(_order, run),
        join=("join", make_video),
        made=partial(_take_video, run),
        fail=run.fail,
    )


def _stages(run: Run, layout: Layout) -> list[StageSpec]:
    settings, model = run.settings, layout.model
    sync = partial(Sync, run.model_weights, layout.device, settings.precision, run.workers.batch)
    stages = [
        StageSpec("crop", partial(Crop, CROP), layout.read.workers, layout.read.cpus),
        StageSpec("sync", sync, model.workers, model.cpus, model.gpus),
        StageSpec("compose", partial(Compose, settings.restore), layout.write.workers, layout.write.cpus),
    ]
    if settings.restore is not None:
        assert run.restoration is not None
        restore = partial(Restore, run.restoration.files, layout.device, settings.precision)
        stages.insert(2, StageSpec("restore", restore, model.workers, model.cpus, model.gpus))
    return stages


def _segments(run: Run, dub: DubState, layout: Layout) -> list[Segment]:
    assert dub.info is not None
    assert dub.speech is not None
    settings = run.settings
    dub.frames = output_frames(dub.info, dub.speech, settings.length)
    seconds = run.workers.segment_s or (ROW_S if settings.restore else SEGMENT_S)
    batch = generators.batch_of(run.workers.batch, layout.device)
    folder = run.url(previews.FOLDER)
    frames = previews.preview_frames(dub.frames) if settings.restore else ()
    shown = [(frame, previews.row_url(folder, dub.row.id, frame)) for frame in frames]
    return [
        Segment(
            key=f"{dub.row.id}-{start}",
            dub=dub.row.id,
            start=start,
            stop=stop,
            video=dub.info,
            speech=dub.speech,
            loop=settings.loop,
            table=dub.table,
            chosen=dub.speaker.chosen if dub.speaker else (),  # not known yet where parts are only counted
            pads=settings.pads,
            blend=settings.blend,
            coding=settings.coding,
            url=run.url("parts", dub.row.id, f"{dub.fingerprint}-{start}-{stop}.mp4"),
            moments=tuple((frame, url) for frame, url in shown if start <= frame < stop),
        )
        for start, stop in segment_bounds(
            dub.frames, dub.info.rate, seconds, batch, PARSE_EVERY if settings.restore else 1
        )
    ]


def _take_segment(dub: DubState, composed: Composed) -> None:
    dub.faceless[composed.start] = composed.faceless
    dub.restored += composed.restored
    dub.warn(*composed.notes)


def _order(run: Run, dub: DubState) -> VideoOrder:
    assert dub.info is not None
    assert dub.speech is not None
    rate, speech = dub.info.rate, dub.speech
    lasts = Fraction(dub.frames) / rate
    sounding = min(lasts, speech.duration_s) if run.settings.length != "video" else lasts
    track = AudioTrack(speech.track, speech.span, sounding, dub.row.language)
    url = run.url("videos", f"{dub.row.id}.mp4")
    shown = run.url(previews.FOLDER) if run.settings.restore else None
    return VideoOrder(dub.row.id, tuple(sorted(dub.parts.items())), dub.frames, rate, track, url, shown)


def _take_video(run: Run, dub: DubState, output: str) -> None:
    run.end(_done(run, dub, output))
    storage.remove(run.url("parts", dub.row.id))


def _done(run: Run, dub: DubState, output: str) -> Result:
    assert dub.info is not None
    assert dub.speaker is not None
    shown = sum(dub.faceless.values())
    if dub.reused:  # their count of faceless frames went with the run that made them: count again, from the table
        shown = _count_faceless(run, dub)
    return Result(
        **asdict(dub.row),
        status="done",
        output=output,
        frames=dub.frames,
        faceless_frames=shown,
        restored_frames=dub.restored if run.settings.restore and not dub.reused else None,
        duration_s=float(dub.frames / dub.info.rate),
        segments=len(dub.parts),
        reused_segments=dub.reused,
        **run.known(dub),
    )


def _count_faceless(run: Run, dub: DubState) -> int:
    assert dub.info is not None
    assert dub.speaker is not None
    return faceless_frames(dub.info, dub.table, dub.speaker.chosen, run.settings.pads, dub.frames, run.settings.loop)
