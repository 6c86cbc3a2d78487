"""Before the first pass: identify every file, drop the dubs that are done, look at what the others are made of."""

from __future__ import annotations

import json

from lipsync_ray.dub.run import DubState, Run, failed
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.stages import Failure
from lipsync_ray.inputs import audio_features, face_tables
from lipsync_ray.inputs.audio_features import AudioSource, Speech, extract_audio_features
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.io import results, storage
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import VideoInfo

FRAMES_VERSION = 2  # raise when the same inputs and settings would give other frames: every fingerprint changes


def prepare(run: Run) -> None:
    """Identify every file, drop what is done, look at the rest."""
    storage.remove(run.url("attempts"))
    found = content_ids(url for row in run.rows for url in (row.video, row.audio))
    for row in run.rows:
        video, audio = found[row.video], found[row.audio]
        uses = (row.video, str(video), "video"), (row.audio, str(audio), "audio")
        reasons = [f"{url}: {run.rejected[what, use]}" for url, what, use in uses if (what, use) in run.rejected]
        if reasons:
            run.end(failed(row, "analysis", "; ".join(reasons)))
            continue
        if isinstance(video, Exception) or isinstance(audio, Exception):
            gone = row.video if isinstance(video, Exception) else row.audio
            reason = video if isinstance(video, Exception) else audio
            run.end(failed(row, "look", f"{gone}: {reason}"))
            continue
        still = str(run.settings.still_rate)
        video_key = storage.digest(video, still, face_tables.VERSION)
        own = row.audio == row.video
        audio_key = storage.digest(audio, run.settings.trim_silence, row.language, own, audio_features.FORMAT)
        fingerprint = storage.digest(
            FRAMES_VERSION,
            video_key,
            audio_key,
            json.dumps(run.fingerprinted(), sort_keys=True),
        )
        run.going[row.id] = DubState(row, fingerprint, video_key, audio_key)
    _keep_finished(run)
    _look_at_files(run)


def _keep_finished(run: Run) -> None:
    kept = results.finished(run.out, {name: dub.fingerprint for name, dub in run.going.items()}, ["videos"])
    run.results |= kept
    for name in kept:
        del run.going[name]
    if kept:
        run.crew.console.print(f"{len(kept)} of {len(run.rows)} dubs were finished before", highlight=False)


def _look_at_files(run: Run) -> None:
    by_video, by_audio = run.by("video_key"), run.by("audio_key")
    if not by_video:
        return
    folder = run.url(audio_features.FOLDER)
    with ProgressReporter(run.crew.console, "files", len(by_video) + len(by_audio), 0, "files") as phase:
        videos = [VideoSource(dubs[0].row.video, key, run.settings.still_rate) for key, dubs in by_video.items()]
        for video, info in run.crew.each("probe", probe, videos):
            phase.advance(0, isinstance(info, Failure))
            _tell(run, by_video[video.key], "info", info)
        audios = [_source(run, key, dubs[0], folder) for key, dubs in by_audio.items()]
        for audio, speech in run.crew.each("listen", extract_audio_features, audios):
            phase.advance(0, isinstance(speech, Failure))
            _tell(run, by_audio[audio.key], "speech", speech)
    for dub in run.going.values():
        assert dub.info is not None
        assert dub.speech is not None
        dub.warn(*dub.info.notes, *_heard(dub))


def _source(run: Run, key: str, dub: DubState, folder: str) -> AudioSource:
    """The sound of a dub. A video's own begins with its pictures, so that it keeps its distance from them."""
    own = dub.row.audio == dub.row.video and dub.info is not None
    begin = dub.info.origin_s if own and dub.info is not None else None
    return AudioSource(SoundTrack(dub.row.audio, dub.row.language, begin), key, run.settings.trim_silence, folder)


def _heard(dub: DubState) -> list[str]:
    """What a person should know of a dub's sound."""
    assert dub.speech is not None
    said = []
    if dub.speech.silent:
        said.append("its audio is silent: the mouth stays as the model draws silence")
    elif dub.speech.sound.cancels:
        said.append("the audio's two channels cancel each other out; the lips follow the left one")
    return said


def _tell(run: Run, dubs: list[DubState], name: str, answer: VideoInfo | Speech | Failure) -> None:
    """Give the dubs that share a file what was found in it, or end them with the reason."""
    for dub in dubs:
        if isinstance(answer, Failure):
            run.fail(dub, answer)
        else:
            setattr(dub, name, answer)
