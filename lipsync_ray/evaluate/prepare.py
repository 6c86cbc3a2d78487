"""Before the passes: identify every file, drop what is scored, look at the rest, find its faces."""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction

from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.stages import Failure
from lipsync_ray.evaluate import scores
from lipsync_ray.evaluate.face_tracks import FaceTracksOrder, build_tracks
from lipsync_ray.evaluate.plan import why_not_comparable, windows_of_tracks
from lipsync_ray.evaluate.state import Evaluation, State
from lipsync_ray.inputs import audio_features, face_tables
from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.face_pass import build_face_tables
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.io import storage
from lipsync_ray.media.audio import SoundTrack

SCORES_VERSION = 2  # raise when the same video and settings would get other numbers


def prepare(this: Evaluation) -> None:
    """Give every video that can be scored its geometry; end the others."""
    storage.remove(this.url("attempts"))
    _identify(this)
    _look(this)
    _listen(this)
    _find_faces(this)
    _lay(this)
    _keep_scored(this)


def _identify(this: Evaluation) -> None:
    found = content_ids(url for s in this.subjects for url in (s.video, s.reference, s.face_table) if url)
    asked = {k: v for k, v in this.settings.record().items() if not k.startswith(("fid", "dims"))}
    asked["scorer_weights"] = this.scorer_digest
    for subject in this.subjects:
        state = State(subject, "", "")
        video = found.get(subject.video, OSError("no video"))
        if subject.skip_reason or isinstance(video, Exception):
            reason = subject.skip_reason or f"{subject.video}: {video}"
            this.end(this.score_of(state, "failed", stage="dub" if subject.skip_reason else "look", error=reason))
            continue
        reference = found.get(subject.reference or "")
        table = found.get(subject.face_table or "")
        still = str(subject.still_rate)
        state.video_key = storage.digest(video, face_tables.VERSION)
        if subject.reference is None:
            state.reference_error = "no reference was given"
        elif isinstance(reference, Exception):
            state.reference_error = f"{subject.reference}: {reference}"
        else:
            state.reference_key = storage.digest(str(reference), still)
        if isinstance(table, str):
            state.table = subject.face_table
        state.fingerprint = storage.digest(
            SCORES_VERSION,
            video,
            state.reference_key,
            str(state.table and table),
            json.dumps(asked),
            json.dumps([subject.face, subject.loop, vars(subject.pads)]),
        )
        this.going[subject.id] = this.known[subject.id] = state


def _look(this: Evaluation) -> None:
    by_video, by_reference = _by(this, "video_key"), _by(this, "reference_key")
    still = {key: states[0].subject.still_rate for key, states in by_reference.items()}
    sources = [VideoSource(states[0].subject.video, f"v{key}", Fraction(25)) for key, states in by_video.items()]
    sources += [
        VideoSource(states[0].subject.reference or "", f"r{key}", still[key])
        for key, states in by_reference.items()
        if key
    ]
    with ProgressReporter(this.crew.console, "files", len(sources), 0, "files") as phase:
        for source, info in this.crew.each("probe", probe, sources):
            phase.advance(0, isinstance(info, Failure))
            for state in (by_video if source.key[0] == "v" else by_reference)[source.key[1:]]:
                if source.key[0] == "v" and isinstance(info, Failure):
                    this.fail(state, info)
                elif isinstance(info, Failure):
                    state.reference_error = info.reason
                elif source.key[0] == "v":
                    state.info = info
                else:
                    state.reference = info
    for state in this.known.values():
        if state.info is not None and state.reference is not None:
            reason = why_not_comparable(state.info, state.reference, state.subject.loop is not None)
            if reason:
                state.reference_error, state.reference = reason, None


def _listen(this: Evaluation) -> None:
    by_video = _by(this, "video_key")
    folder = this.url(audio_features.FOLDER)
    front_end = this.scorer.front_end
    sources = []
    for key, states in by_video.items():
        info = states[0].info
        if info is not None and info.has_audio:
            sources.append(AudioSource(SoundTrack(info.url, begin_s=info.origin_s), key, False, folder, front_end))
        else:
            for state in states:
                state.silent = "the video has no audio stream"
    for source, speech in this.crew.each("listen", extract_audio_features, sources):
        for state in by_video[source.key]:
            if isinstance(speech, Failure):
                state.silent = speech.reason
            elif speech.silent:
                state.silent = "its sound is silent: there is nothing to be in sync with"
            else:
                state.speech = speech


def _find_faces(this: Evaluation) -> None:
    if this.settings.protocol == "lrs":
        return
    wanted: dict[str, list[State]] = defaultdict(list)
    for state in this.known.values():
        # A run's table is of the reference: of use only where the reference's frames can be told from the video's.
        if state.table is None or state.reference is None:
            state.table = None
            wanted[state.video_key].append(state)
    videos = {key: states[0].info for key, states in wanted.items() if states[0].info is not None}
    found = build_face_tables(this.crew, videos, this.url("faces"), f"{sum(map(len, wanted.values()))} videos")
    for key, table in found.items():
        for state in wanted[key]:
            state.attempts = max(state.attempts, table.attempts)
            if table.failure:
                this.fail(state, table.failure)
            else:
                state.table = table.url


def _lay(this: Evaluation) -> None:
    orders = []
    for state in this.known.values():
        subject, info, scorer = state.subject, state.info, this.scorer
        assert info is not None
        state.geometry = this.url("geometry", f"{subject.id}-{state.fingerprint}.npz")
        smallest = this.settings.min_face
        whole = this.settings.protocol == "lrs"
        orders.append(
            FaceTracksOrder(
                subject.id,
                info,
                state.reference,
                subject.loop,
                None if whole else state.table,
                state.table == subject.face_table,
                subject.face,
                this.settings.min_track,
                scorer.smallest_face if smallest is None else smallest,
                state.geometry,
            )
        )
    for order, laid in this.crew.each("tracks", build_tracks, orders):
        state = this.known[order.key]
        if isinstance(laid, Failure):
            this.fail(state, laid)
        else:
            state.laid = laid
            state.windows = windows_of_tracks(laid, state.speech)


def _keep_scored(this: Evaluation) -> None:
    for name, score in scores.recorded(this.out, this.going).items():
        if score.fingerprint == this.going[name].fingerprint and score.status != "failed":
            this.scores[name] = score
            del this.going[name]
    kept = sum(name in this.known for name in this.scores)
    if kept:
        this.crew.console.print(f"{kept} of {len(this.subjects)} videos were scored before", highlight=False)


def _by(this: Evaluation, key: str) -> dict[str, list[State]]:
    out: dict[str, list[State]] = defaultdict(list)
    for state in this.known.values():
        out[getattr(state, key)].append(state)
    return dict(out)
