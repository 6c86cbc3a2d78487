"""Before the pass: identify every video, drop what is done, look at the rest, find its faces."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

from lipsync_ray.engine.stages import Failure
from lipsync_ray.enhance.plan import EnhanceRow, bounds, part_name
from lipsync_ray.enhance.state import Enhancement, State
from lipsync_ray.inputs import face_tables
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.face_pass import build_face_tables
from lipsync_ray.inputs.face_tables import SpeakerQuery, choose_speaker
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.io import results, storage
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.faces import ROW_S

ENHANCE_VERSION = 1  # raise when the same video and settings would give other frames


def prepare(this: Enhancement) -> None:
    """Give every video that can be enhanced its faces; end the others."""
    storage.remove(this.url("attempts"))
    _identify(this)
    _keep_finished(this)
    _look(this)
    _find_faces(this)


def _identify(this: Enhancement) -> None:
    values = this.settings.record() | {"device": this.device, "batch": this.crew.workers.batch}
    values["restore"]["model"] = this.restoration.digest
    asked = json.dumps(values, sort_keys=True)
    found = content_ids(item.video for item in this.items if item.video)
    for item in this.items:
        video = found.get(item.video, OSError("no video"))
        if item.row.status != "done" or isinstance(video, Exception):
            reason = item.row.error if item.row.status != "done" else f"{item.video}: {video}"
            stage = item.row.stage if item.row.status != "done" else "look"
            status = item.row.status if item.row.status != "done" else "failed"
            this.end(replace(item.row, status=status, stage=stage, error=reason, output=None))
            continue
        faces = json.dumps([item.face, item.loop, str(item.still_rate), vars(item.pads), item.face_table])
        key = storage.digest(video, face_tables.VERSION)
        this.going[item.id] = State(item, storage.digest(ENHANCE_VERSION, video, faces, asked), key)


def _keep_finished(this: Enhancement) -> None:
    prints = {name: state.fingerprint for name, state in this.going.items()}
    kept = results.finished(this.out, prints, ["videos", "images"])
    this.results |= kept
    for name in kept:
        del this.going[name]
    if kept:
        said = f"{len(kept)} of {len(this.items)} videos were finished before"
        this.crew.console.print(said, highlight=False)


def _look(this: Enhancement) -> None:
    going = dict(this.going)
    sources = [VideoSource(state.item.video, f"v{name}", Fraction(25)) for name, state in going.items()]
    for name, state in going.items():
        if state.item.face_table and state.item.loop:
            sources.append(VideoSource(state.item.row.video, f"s{name}", state.item.still_rate))
    for source, info in this.crew.each("probe", probe, sources):
        state = going[source.key[1:]]
        if isinstance(info, Failure):
            if source.key[0] == "v":
                this.fail(state, info)
        elif source.key[0] == "v":
            state.info = info
        else:
            state.source = info


def _find_faces(this: Enhancement) -> None:
    wanted: dict[str, list[State]] = {}
    for state in this.going.values():
        if this.settings.detector == "retinaface":
            continue
        # A dub's table is of its source: of use only where the source is still there to count its frames.
        usable = state.item.face_table is not None and state.source is not None
        if usable and storage.exists(state.item.face_table or ""):
            state.table = state.item.face_table
        else:
            state.source = None
            wanted.setdefault(state.key, []).append(state)
    videos = {key: states[0].info for key, states in wanted.items() if states[0].info is not None}
    for key, found in build_face_tables(this.crew, videos, this.url("faces"), f"{len(videos)} videos").items():
        for state in wanted[key]:
            state.table = found.url
            state.attempts = max(state.attempts, found.attempts)
            if found.failure:
                this.fail(state, found.failure)
    choices = []
    for name, state in this.going.items():
        seen = state.source or state.info
        if state.table is not None and seen is not None:
            choices.append(SpeakerQuery(name, state.table, state.item.face, seen.width, seen.height))
    for choice, speaker in this.crew.each("choose", choose_speaker, choices):
        state = this.going[choice.key]
        if isinstance(speaker, Failure):
            this.fail(state, speaker)
        elif not speaker.chosen:
            this.no_face(state)
        else:
            state.chosen = speaker.chosen


def rows_of(this: Enhancement, state: State) -> list[EnhanceRow]:
    """The rows of one video."""
    info, item, source = state.info, state.item, state.source
    assert info is not None
    loop = None if source is None or item.loop is None else (source.frames, item.loop)
    size = (info.width, info.height) if source is None else (source.width, source.height)
    scale = (info.width / (size[0] + size[0] % 2), info.height / (size[1] + size[1] % 2)) if source else (1.0, 1.0)
    folder = this.url("parts", item.id)
    shown = [
        (frame, previews.row_url(this.url(previews.FOLDER), item.id, frame))
        for frame in previews.preview_frames(info.frames)
    ]
    seconds = this.crew.workers.segment_s or ROW_S
    return [
        EnhanceRow(
            f"{item.id}-{start}", item.id, start, stop, info, state.table, state.chosen, loop, scale, item.pads,
            this.settings.coding, this.settings.upscale, part_name(folder, state.fingerprint, start, stop, "png" if info.picture else "mp4"),
            tuple((frame, url) for frame, url in shown if start <= frame < stop), source,
        )
        for start, stop in bounds(info.frames, info.rate, seconds)
    ]  # fmt: skip
