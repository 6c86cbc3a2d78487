"""Prepares an evaluation: identifies videos, drops scored ones, reads their files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from lipsync_ray import addresses
from lipsync_ray.engine.job import grouped
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.stages import Failure
from lipsync_ray.errors import SettingsError
from lipsync_ray.inputs import audio_features, face_tables
from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.io import storage
from lipsync_ray.io.records import all_values
from lipsync_ray.io.row_types import row_from
from lipsync_ray.io.run_folder import read_record
from lipsync_ray.jobs.evaluate.face_tracks import FaceTracksOrder
from lipsync_ray.jobs.evaluate.judged import JUDGES, JudgedSound, Sounds, judge_sound
from lipsync_ray.jobs.evaluate.likeness import leave_other_scenes
from lipsync_ray.jobs.evaluate.plan import why_not_comparable
from lipsync_ray.jobs.evaluate.previews import Previews
from lipsync_ray.jobs.evaluate.scores import SCORES_VERSION, Score
from lipsync_ray.jobs.evaluate.state import EVALUATE, EvaluateRun, EvaluateState, track_of
from lipsync_ray.media.choices import deciding
from lipsync_ray.settings import EvaluateSettings

OTHER_SOUNDS = 8  # scored videos that --only-new reads, so that a few new ones have another one's sound as a control
DRAWN_ANEW = "a generated head: its frames do not correspond to the source's, so only FID compares them"


def unlisted_scores(out: str, settings: EvaluateSettings, listed: Collection[str]) -> list[Score]:
    """With --only-new: scores of an earlier run in OUT, of rows that the source no longer has.

    Parameters
    ----------
    listed : ids of all rows of the source

    Raises
    ------
    SettingsError : OUT was scored with other options, or by a version of lipsync-ray whose numbers differ
    """
    record = read_record(out) if settings.rows.only_new else None
    if record is None:
        return []
    if record.get("scores_version") != SCORES_VERSION:
        raise SettingsError(
            f"--only-new: {out} was scored by another version of lipsync-ray, whose numbers differ; expected another folder, "
            "or leave --only-new out"
        )
    # run.json has no secrets of URLs.
    before, now = (addresses.cleaned(_deciding_scores(one)) for one in (record.get("settings", {}), settings.record()))
    if other := [name for name, value in now.items() if before.get(name) != value]:
        raise SettingsError(
            f"--only-new: {out} was scored with other options ({', '.join(other)}); expected the same ones, or another "
            "folder, or leave --only-new out"
        )
    found = [row_from(Score, values) for values in all_values(out, EVALUATE.name) if values["id"] not in listed]
    return [score for score in found if score.status != "failed"]


def _deciding_scores(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide a score."""
    return {name: value for name, value in settings.items() if name not in ("fid", "fid_every", "dims", "rows")}


def read_files(run: EvaluateRun) -> None:
    """Read the files of all videos, also of scored ones, which FID includes."""
    _probe_videos(run)
    leave_other_scenes(run)
    _extract_features(run)
    if run.settings.judges and run.active:
        _expect_mouths(run)


def prepare(run: EvaluateRun, previewer: Previews) -> None:
    """Identify every video; drop scored ones."""
    found = content_ids(url for s in run.items for url in (s.video, s.reference, s.face_table, s.voice) if url)
    asked = _deciding_scores(run.settings.record())
    asked["scorer_weights"] = run.checkpoint.sha256
    asked["judges_weights"] = JUDGES if run.settings.judges else None
    for item in run.items:
        state = run.active[item.id] = EvaluateState(item)
        video, reference = found.get(item.video, OSError("no video")), found.get(item.reference or "")
        if item.skip_reason:
            run.fail(state, Failure("dub", item.skip_reason))
            continue
        if isinstance(video, Exception):
            run.fail(state, Failure("probe", f"{item.video}: {video}"))
            continue
        table = found.get(item.face_table or "")
        state.content, state.video_key = video, storage.digest(video, face_tables.VERSION)
        if item.reference is None:
            state.reference_error = "no reference was given"
        elif isinstance(reference, Exception):
            state.reference_error = f"{item.reference}: {reference}"
        else:
            state.reference_content = str(reference)
            state.reference_key = storage.digest(
                state.reference_content, str(item.still_rate), *deciding(item.deinterlace)
            )
        voice = found.get(item.voice or "")
        state.voice_content = voice if isinstance(voice, str) else ""
        state.sound_key = storage.digest(state.video_key, voice) if state.voice_content else state.video_key
        state.table = item.face_table if isinstance(table, str) else None
        state.fingerprint = storage.digest(
            SCORES_VERSION,
            video,
            state.reference_key,
            str(state.table and table),
            json.dumps([asked, item.face, item.loop, vars(item.pads), *(map(asdict, item.turns or ()))]),
            *([state.voice_content] if state.voice_content else []),
        )
        run.known[item.id] = state
    only_new = run.settings.rows.only_new
    run.keep(lambda score: only_new or score.status != "failed", lambda state: (state.item.video, state.item.reference))
    if only_new and run.fid_weights is None:  # of scored rows only what previews and other sounds need is read
        others = sorted(run.known.keys() - run.active.keys())[:OTHER_SOUNDS] if run.active else []
        needed = {*run.active, *others, *previewer.missing([*run.ended.values(), *run.unlisted])}
        run.known = {name: state for name, state in run.known.items() if name in needed}


def _probe_videos(run: EvaluateRun) -> None:
    by_video, by_reference = grouped(run.known.values(), "video_key"), grouped(run.known.values(), "reference_key")
    by_reference.pop("", None)
    sources = [
        VideoSource(states[0].item.video, f"v{key}", Fraction(25), states[0].content)
        for key, states in by_video.items()
    ]
    for key, (first, *_) in by_reference.items():
        item, content = first.item, first.reference_content
        sources.append(VideoSource(item.reference or "", f"r{key}", item.still_rate, content, item.deinterlace))
    with ProgressReporter(run.context.console, "files", len(sources), 0, "files") as progress:
        for source, info in run.context.map_tasks("probe", probe, sources):
            progress.advance(0, isinstance(info, Failure))
            for state in (by_video if source.key[0] == "v" else by_reference)[source.key[1:]]:
                if source.key[0] == "v" and isinstance(info, Failure):
                    run.fail(state, info)
                elif isinstance(info, Failure):
                    state.reference_error = info.reason
                elif source.key[0] == "v":
                    state.info, state.video_key = info, face_tables.key_of_pictures(state.video_key, info)
                else:
                    state.reference = info
    for state in run.known.values():
        if state.info is not None and state.reference is not None:
            reason = why_not_comparable(state.info, state.reference, state.item.loop is not None)
            if state.item.source_table is not None:
                state.reference_error, state.source, state.reference = DRAWN_ANEW, state.reference, None
            elif reason:
                state.reference_error, state.reference = reason, None


def _extract_features(run: EvaluateRun) -> None:
    by_sound = grouped(run.known.values(), "sound_key")
    folder, front_end = run.url(audio_features.FOLDER), run.scorer.front_end
    sources = []
    for key, states in by_sound.items():
        if (track := states[0].track) is not None:
            sources.append(AudioSource(track, key, False, folder, front_end))
        else:
            for state in states:
                state.silent = "the video has no audio stream"
    for source, speech in run.context.map_tasks("audio features", extract_audio_features, sources):
        for state in by_sound[source.key]:
            if isinstance(speech, Failure):
                state.silent = speech.reason
            elif speech.silent:
                state.silent = "its sound is silent: sync cannot be measured"
            else:
                state.speech = speech


def _expect_mouths(run: EvaluateRun) -> None:
    """Run the judges on every distinct sound, and assign each video another one's sound as a control."""
    folder, known = run.url(audio_features.FOLDER), run.known.values()
    wanted: dict[str, AudioSource] = {}
    for state in known:
        for key, track in ((state.sound_key, state.track), (state.reference_key, track_of(state.reference))):
            if track is not None:
                wanted[key] = AudioSource(track, key, False, folder, "speech-mel", voice=True)
    judged = {
        source.key: sound
        for source, sound in run.context.map_tasks("judge sound", judge_sound, list(wanted.values()))
        if isinstance(sound, JudgedSound)
    }
    ring = [judged[key] for key in sorted({state.sound_key for state in known} & judged.keys())]
    for state in known:
        own = judged.get(state.sound_key) if state.speech is not None else None
        other = None
        if own is not None:
            at = ring.index(own)
            other = next((sound for sound in (*ring[at + 1 :], *ring[:at]) if sound.differs(own)), None)
        length = state.reference.frames / state.reference.rate if state.reference is not None else Fraction(0)
        state.sounds = Sounds(own, other, judged.get(state.reference_key), length)


def tables_wanted(run: EvaluateRun) -> tuple[list[EvaluateState], dict[str, list[EvaluateState]]]:
    """The videos whose face table exists, or is not needed; and, by key, those that need their own."""
    at_hand: list[EvaluateState] = []
    wanted: dict[str, list[EvaluateState]] = defaultdict(list)
    for state in run.known.values():
        # A run's table is that of the reference: usable only if the reference's frames correspond to the video's.
        if run.settings.protocol == "lrs" or (state.table is not None and state.reference is not None):
            at_hand.append(state)
        else:
            state.table = None
            wanted[state.video_key].append(state)
    return at_hand, wanted


def tracks_order(run: EvaluateRun, state: EvaluateState) -> FaceTracksOrder:
    """The tracks to build for a video with a face table."""
    settings, item = run.settings, state.item
    assert state.info is not None
    return FaceTracksOrder(
        item.id,
        state.info,
        state.reference,
        item.loop,
        None if settings.protocol == "lrs" else state.table,
        state.table == item.face_table,
        item.face,
        item.turns,
        settings.min_track,
        run.scorer.smallest_face if settings.min_face is None else settings.min_face,
        run.url("tracks", f"{item.id}-{state.fingerprint}.npz"),
    )
