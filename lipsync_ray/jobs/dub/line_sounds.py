"""The sound of lines: how each comes into its slot, and a file a speaker, which the speaker's mouth goes with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lipsync_ray.errors import DecodeError, ProbeError
from lipsync_ray.io import storage
from lipsync_ray.io.cues import Cue
from lipsync_ray.media.audio import SAMPLE_RATE, SoundTrack, Span
from lipsync_ray.media.choices import Fit
from lipsync_ray.media.lines import Fitted, Line, fitted, write_mix
from lipsync_ray.media.sound_probe import Sound, probe_audio

FOLDER = "lines"
_ROUNDING_S = Fraction(1, 20)


@dataclass(frozen=True)
class LinesOrder:
    """The lines of a dub.

    Attributes
    ----------
    key : id of the dub
    cues, tracks : its lines, and the sound of each
    speakers : of each speaker, which of the lines, and where their sound is committed
    fit, most : what is done to lines that are too long
    lasts_s : of the video; None of a picture, which lasts as long as its lines
    level_lufs : loudness of each line in what networks hear; None for its own. A changed line then changes the level of no other one
    """

    key: str
    cues: tuple[Cue, ...]
    tracks: tuple[SoundTrack, ...]
    speakers: tuple[tuple[tuple[int, ...], str], ...]
    fit: Fit
    most: float
    lasts_s: Fraction | None
    level_lufs: float | None = None


@dataclass(frozen=True)
class FittedLines:
    """Lines and how they come into their slots.

    Attributes
    ----------
    lasts_s : of them all, or of the video
    notes : what a person should know
    """

    lines: tuple[Line, ...]
    how: tuple[Fitted, ...]
    lasts_s: Fraction
    notes: tuple[str, ...] = ()


def make_lines(order: LinesOrder) -> FittedLines:
    """Fit lines into their slots, and commit the sound of each speaker that is not there.

    Raises
    ------
    ProbeError, DecodeError, ChangedError : of a line's file; it names the line
    """
    sounds: dict[SoundTrack, Sound] = {}
    lines, notes = [], []
    for cue, track in zip(order.cues, order.tracks, strict=True):
        if track not in sounds:
            sounds[track] = _probed(cue, track)
        line, note = _line(cue, track, sounds[track])
        lines.append(line)
        notes += note
    how = [fitted(line, order.fit, order.most) for line in lines]
    if cut := sum(one.cut_s > 0 for one in how):
        notes.append(f"{cut} of {len(how)} lines are longer than their slots and were cut; lines.csv says by how much")
    ends = max(max(line.end_s, one.end_s) for line, one in zip(lines, how, strict=True))
    lasts_s = ends if order.lasts_s is None else order.lasts_s
    for numbers, url in order.speakers:
        if not storage.exists(url):
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / "speaker.wav"
                own = [lines[number] for number in numbers], [how[number] for number in numbers]
                write_mix(*own, lasts_s, path, SAMPLE_RATE, order.level_lufs)  # what networks hear
                storage.commit_file(path, url)
    return FittedLines(tuple(lines), tuple(how), lasts_s, tuple(notes))


def _probed(cue: Cue, track: SoundTrack) -> Sound:
    try:
        return probe_audio(track)
    except (ProbeError, DecodeError) as error:
        raise type(error)(f"{cue.place}: {error}") from error


def _line(cue: Cue, track: SoundTrack, sound: Sound) -> tuple[Line, list[str]]:
    rate = sound.sample_rate
    asked = sound.samples if cue.audio_end_s is None else round(cue.audio_end_s * rate)
    start, stop = round(cue.audio_start_s * rate), min(asked, sound.samples)
    lasts = f"{cue.audio} lasts {float(sound.duration_s):.3f} s"
    if start >= stop:
        raise DecodeError(f"{cue.place}: its sound begins at {float(cue.audio_start_s):.3f} s, but {lasts}")
    late = asked - stop > _ROUNDING_S * rate
    notes = [f"{cue.place}: its sound ends at {asked / rate:.3f} s, but {lasts}"] if late else []
    return Line(track, Span(start, stop), rate, cue.start_s, cue.end_s), notes
