"""What the faces of a dub say: one sound, a voice each, or lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from lipsync_ray.errors import ManifestError
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.inputs.speakers import GivenTurns
from lipsync_ray.io import storage
from lipsync_ray.io.cues import Cue, beyond
from lipsync_ray.io.manifest import Cues, Dub, sound_files
from lipsync_ray.io.spoken_lines import SpokenLine, what_was_done
from lipsync_ray.io.written_faces import VoiceLine, WrittenVoice
from lipsync_ray.jobs.dub.line_sounds import FOLDER, FittedLines, LinesOrder
from lipsync_ray.media import speech_mel
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.languages import three_letters
from lipsync_ray.media.lines import Fitted, Line
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.subtitles import Subtitle, SubtitleTrack

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.jobs.dub.inputs import DubRun
    from lipsync_ray.jobs.dub.recipe import Keys, Recipe
    from lipsync_ray.jobs.dub.state import DubState


@dataclass(frozen=True)
class DubVoice:
    """A sound that faces of a dub say.

    Attributes
    ----------
    key : changes with its content
    url, content : its file, and that one's identity; of lines, made by the run, and none
    face : whose it is, as the user wrote it; None for whom the run chooses
    lines : which lines of the dub it is of; None of a file
    """

    key: str
    url: str
    content: str = ""
    face: str | None = None
    lines: tuple[int, ...] | None = None


def keys_of(recipe: Recipe, dub: Dub, cues: Cues, contents: Mapping[str, str], given: GivenTurns | None = None) -> Keys:
    """The names of a dub.

    Parameters
    ----------
    contents : URL → identity of its files
    given : who speaks when in its video, where a user says so
    """
    audio = "+".join(contents[url] for url in sound_files(dub, cues))
    return recipe.keys(dub, contents[dub.video], audio, given, _spoken(recipe, dub, cues, contents))


def _spoken(recipe: Recipe, dub: Dub, cues: Cues, contents: Mapping[str, str]) -> tuple[object, ...]:
    """Who says what when, for a fingerprint; empty of a dub of one sound whose face the run chooses.

    Parameters
    ----------
    contents : URL → identity of its files
    """
    if dub.cues is None:
        return tuple((voice.face, contents[voice.audio]) for voice in dub.voices)
    said = [(cue.speaker, cue.text, *_sound_of(cue, contents)) for cue in cues]
    return ("lines", *said, recipe.settings.lines.decides())


def _sound_of(cue: Cue, contents: Mapping[str, str]) -> tuple[object, ...]:
    return cue.start_s, cue.end_s, contents[cue.audio], cue.audio_start_s, cue.audio_end_s


def voices_of(run: DubRun, dub: DubState, contents: Mapping[str, str]) -> tuple[DubVoice, ...]:
    """The voices of a dub whose files are identified.

    Parameters
    ----------
    contents : URL → identity of its files
    """
    row, recipe = dub.row, run.recipe
    if row.cues is None:
        named: list[tuple[str, str | None]] = [(voice.audio, voice.face) for voice in row.voices]
        each = named or [(url, None) for url in dub.row.sounds]
        return tuple(
            DubVoice(recipe.sound_key(row, dub.content, contents[url]), url, contents[url], face) for url, face in each
        )
    by_speaker: dict[str | None, list[int]] = {}
    for number, cue in enumerate(dub.cues):
        by_speaker.setdefault(cue.speaker, []).append(number)
    out = []
    for speaker, numbers in by_speaker.items():
        said = [_sound_of(dub.cues[number], contents) for number in numbers]
        key = storage.digest(
            FOLDER, dub.video_key, row.language, *said, recipe.settings.lines.decides(), level_lufs(recipe)
        )
        out.append(DubVoice(key, run.url(FOLDER, f"{key}.wav"), face=speaker, lines=tuple(numbers)))
    return tuple(out)


def track_of(dub: DubState, url: str, content: str) -> SoundTrack:
    """The sound of a file. A video's own begins with its pictures, so that it keeps its distance from them."""
    own = content == dub.content and dub.info is not None
    begin_s = dub.info.origin_s if own and dub.info is not None else None
    return SoundTrack(url, dub.row.language, begin_s, content)


def late_lines(dub: DubState, video: VideoInfo) -> str | None:
    """Which lines are later than the video ends; None where none is."""
    if video.still or not (problems := beyond(dub.cues, video.duration_s)):
        return None
    return str(ManifestError(dub.row.cues or "", problems))


def lines_order(run: DubRun, dub: DubState, video: VideoInfo) -> LinesOrder:
    """What makes the sounds of a dub's lines."""
    contents = dict(dub.sounds)
    return LinesOrder(
        dub.id,
        dub.cues,
        tuple(track_of(dub, cue.audio, contents[cue.audio]) for cue in dub.cues),
        tuple((voice.lines or (), voice.url) for voice in dub.voices),
        run.settings.lines.fit,
        run.settings.lines.most,
        None if video.still else video.duration_s,
        level_lufs(run.recipe),
    )


def level_lufs(recipe: Recipe) -> float | None:
    """The level of what the model's front end hears; None where it hears a sound at its own."""
    return speech_mel.LEVEL_LUFS if recipe.generator.audio.front_end == "speech-mel" else None


def together(speeches: Sequence[Speech]) -> FittedLines:
    """Voices that are heard together from the beginning on."""
    lines = tuple(Line(one.track, one.span, one.sound.sample_rate, Fraction(0), one.duration_s) for one in speeches)
    lasts = [line.end_s for line in lines]
    return FittedLines(lines, tuple(Fitted(1.0, end, Fraction(0)) for end in lasts), max(lasts))


def written_voices(dub: DubState) -> tuple[WrittenVoice, ...]:
    """The voices of a dub, for the choice of their faces; none of a dub of one sound whose face the run chooses."""
    if dub.row.cues is None:
        return tuple(WrittenVoice(voice.face) for voice in dub.row.voices)
    assert dub.fitted is not None
    how = dub.fitted.how
    return tuple(
        WrittenVoice(
            voice.face,
            tuple(
                VoiceLine(dub.cues[n].start_s, max(dub.cues[n].end_s, how[n].end_s), dub.cues[n].place)
                for n in voice.lines or ()
            ),
        )
        for voice in dub.voices
    )


def subtitles_of(dub: DubState) -> SubtitleTrack | None:
    """The texts of a dub's lines; None where none has one."""
    texts = tuple(Subtitle(cue.start_s, cue.end_s, cue.text) for cue in dub.cues if cue.text)
    language = three_letters(dub.row.language) if dub.row.language else None
    return SubtitleTrack(texts, language) if texts else None


def spoken_lines(dub: DubState) -> tuple[SpokenLine, ...] | None:
    """What became of a dub's lines; None of a dub without, or whose sounds were not read."""
    if dub.row.cues is None or dub.fitted is None:
        return None
    persons: dict[int, int] = {}
    whose = dub.speaker.whose if dub.speaker is not None else ()
    for voice, says in zip(dub.voices, whose, strict=False):
        persons |= {n: who[0] for n, who in zip(voice.lines or (), says, strict=True) if len(who) == 1}
    out = []
    for number, (cue, how) in enumerate(zip(dub.cues, dub.fitted.how, strict=True)):
        what = what_was_done(how.tempo, float(how.cut_s), how.end_s > cue.end_s)
        slot = float(cue.start_s), float(cue.end_s)
        done = round(how.tempo, 4), round(float(how.cut_s), 3)
        out.append(SpokenLine(cue.place, *slot, cue.speaker, persons.get(number), cue.text, *done, what))
    return tuple(out)
