"""The files of a run's dubs, looked at once each: headers of videos, how lines come into their slots, what is heard."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.stages import Failure
from lipsync_ray.errors import ManifestError
from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.audio_features import AudioSource, Speech, extract_audio_features
from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.inputs.speakers import GivenTurns
from lipsync_ray.io.written_turns import check_times
from lipsync_ray.jobs.dub.line_sounds import make_lines
from lipsync_ray.jobs.dub.segment import output_frames
from lipsync_ray.jobs.dub.sounds import look_at_backgrounds, notes_of_sound
from lipsync_ray.jobs.dub.untouched import GroupsOrder, groups_of
from lipsync_ray.jobs.dub.voices import DubVoice, late_lines, level_lufs, lines_order, together, track_of
from lipsync_ray.media import notes
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.kept_samples import losses
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models.musetalk_files import AUDIO_ENCODER
from lipsync_ray.provenance.marked_video import place_label

if TYPE_CHECKING:
    from lipsync_ray.jobs.dub.inputs import DubRun
    from lipsync_ray.jobs.dub.state import DubState


def look_at_files(run: DubRun) -> None:
    """Tell every dub what is in its files, and end those whose files cannot be used."""
    by_video = run.by("video_key")
    count = len(by_video) + len({voice.key for dub in run.active.values() for voice in dub.voices})
    with ProgressReporter(run.context.console, "files", count, 0, "files") as progress:
        rate, how = run.settings.still_rate, run.settings.deinterlace
        videos = [VideoSource(dubs[0].row.video, key, rate, dubs[0].content, how) for key, dubs in by_video.items()]
        for video, info in run.context.map_tasks("probe", probe, videos):
            progress.advance(0, isinstance(info, Failure))
            for dub in by_video[video.key]:
                if isinstance(info, Failure):
                    run.fail(dub, info)
                else:
                    dub.info, dub.video_key = info, key_of_pictures(dub.video_key, info)
                    dub.given = run.reviews.given(dub.id, info.duration_s) or dub.given
                    _check_times(run, dub, info)
        look_at_backgrounds(run)
        _find_groups(run)
        _fit_lines(run)
        sources: dict[str, AudioSource] = {}
        users: dict[str, list[DubState]] = {}
        for dub in run.active.values():
            for voice in dub.voices:
                sources.setdefault(voice.key, _source(run, dub, voice))
                users.setdefault(voice.key, []).append(dub)
        for source, speech in run.context.map_tasks("audio features", extract_audio_features, sources.values()):
            progress.advance(0, isinstance(speech, Failure))
            for dub in users[source.key]:
                if isinstance(speech, Failure):
                    run.fail(dub, speech)
                else:
                    dub.speeches[source.key] = speech
    for dub in list(run.active.values()):
        if dub.info is not None:
            _plan_output(run, dub, dub.info)


def _check_times(run: DubRun, dub: DubState, info: VideoInfo) -> None:
    """End a dub whose user speaks of times after its video."""
    if (problem := _beyond(dub.given, info)) is not None:
        run.fail(dub, Failure("speakers", problem))
    elif (problem := late_lines(dub, info)) is not None:
        run.fail(dub, Failure("lines", problem))


def _find_groups(run: DubRun) -> None:
    """Find the groups of pictures that may be copied, where that is asked for."""
    if run.settings.untouched == "encode":
        return
    by_video = run.by("video_key")
    orders = [GroupsOrder(key, dubs[0].info) for key, dubs in by_video.items() if dubs[0].info is not None]
    for order, groups in run.context.map_tasks("probe", groups_of, orders):
        for dub in by_video[order.key]:
            if isinstance(groups, Failure):
                run.fail(dub, groups)
            else:
                dub.groups = groups


def _fit_lines(run: DubRun) -> None:
    """Make the sounds of lines, of the dubs that have some."""
    orders = [lines_order(run, dub, dub.info) for dub in run.active.values() if dub.cues and dub.info is not None]
    for order, found in run.context.map_tasks("lines", make_lines, orders):
        dub = run.active[order.key]
        if isinstance(found, Failure):
            run.fail(dub, replace(found, reason=f"{dub.row.cues}: {found.reason}"))
        else:
            dub.fitted = found
            dub.warn(*found.notes)


def _plan_output(run: DubRun, dub: DubState, info: VideoInfo) -> None:
    """How long a dub is, what a person should know of its files, and its label."""
    each = [dub.speeches[voice.key] for voice in dub.voices]
    dub.speech = max(each, key=lambda speech: speech.duration_s)
    if dub.fitted is None and len(each) > 1:
        dub.fitted = together(each)
    lines = dub.fitted if dub.cues else None
    if lines is None:
        dub.frames = output_frames(info, dub.speech.duration_s, run.settings.length)
    else:
        dub.frames = output_frames(info, lines.lasts_s, "audio" if info.still else "video")
    if run.settings.trim_silence and dub.fitted is not None:
        dub.warn("--trim-silence was not done: several voices, and lines, keep their times")
    dub.warn(*info.notes, *losses(info, run.settings.coding))
    for voice, speech in zip(dub.voices, each, strict=True):
        of = f"the voice of {voice.face!r}: " if len(each) > 1 else ""
        dub.warn(*(f"{of}{note}" for note in _notes_of_voice(run, speech, voice.lines is not None)))
    dub.warn(*notes_of_sound(run, dub))
    side, marks = run.recipe.method.side, run.recipe.marks
    size = (side, side, Fraction(1)) if side else (info.width, info.height, info.pixel_aspect)
    place_label(run, dub, marks, dub.row.language, *size, info.rate)


def _beyond(given: GivenTurns | None, info: VideoInfo) -> str | None:
    """Which of the turns that a user gives are later than the video ends; None where none is."""
    if given is None:
        return None
    try:
        check_times(given.url, given.turns, float(info.duration_s))
    except ManifestError as error:
        return str(error)
    return None


def _source(run: DubRun, dub: DubState, voice: DubVoice) -> AudioSource:
    """The sound of a voice."""
    track = track_of(dub, voice.url, voice.content) if voice.lines is None else SoundTrack(voice.url)
    hearer = dict(run.recipe.checkpoint.parts).get(AUDIO_ENCODER)
    front_end = run.generator.audio.front_end
    folder = run.url(audio_features.FOLDER)
    levelled = voice.lines is not None and level_lufs(run.recipe) is not None
    return AudioSource(
        track, voice.key, run.recipe.trims(dub.row), folder, front_end, voice=True, hearer=hearer, levelled=levelled
    )


def _notes_of_voice(run: DubRun, speech: Speech, lines: bool) -> list[str]:
    """What a person should know of a dub's sound.

    Parameters
    ----------
    lines : it is silent between them
    """
    if speech.silent:
        return [
            *filter(None, [speech.sound.cut_off]),
            "its audio is silent: the mouth stays as the model draws silence",
        ]
    level = () if run.generator.audio.front_end == "speech-mel" else notes.of_level(speech.sound)
    return [*notes.of_sound(speech.sound, None if lines else speech.voiced), *level]
