"""In which frames the persons of a dub's voices are drawn, where it is known who says each line."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lipsync_ray.errors import ModelError
from lipsync_ray.faces.sight import FADE
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.speakers import (
    Flags,
    SpeakerTracks,
    SpeakingPerson,
    flags_of,
    frames_of,
    person_name,
    spans_of,
    tracks_of_person,
)
from lipsync_ray.io.turns import Turn
from lipsync_ray.io.written_faces import VoiceLine, WrittenVoice
from lipsync_ray.media.time_series import true_runs

Who = tuple[int, ...]
"""Persons of the face table that say a line: one; several where everybody does; none of a voice off screen."""

HOW_ELSE = "name a person, a place such as left, or a time and a place such as 12.4s@640,320"
_ALWAYS = VoiceLine(Fraction(0), Fraction(10**9), "")


def cast(
    tracks: Tracks,
    voices: Sequence[WrittenVoice],
    whose: Sequence[Sequence[Who]],
    rate: Fraction,
    still: bool = False,
) -> SpeakerTracks:
    """The persons of voices, each in the frames of its lines.

    What is drawn comes and goes over a few frames: a line's frames are more by these, but for those of another voice's lines
    of the same person.

    Parameters
    ----------
    whose : of each voice, who says each of its lines; of a voice without lines, who says it
    rate : frames/s
    still : all lines are said by one picture

    Raises
    ------
    ModelError : two voices are of one person at one time
    """
    frames = frames_of(tracks)
    lines: dict[tuple[int, int], list[VoiceLine]] = {}  # of a person and a voice
    for number, (voice, says) in enumerate(zip(voices, whose, strict=True)):
        for line, who in zip(_lines_of(voice), says, strict=True):
            for person in who:
                lines.setdefault((person, number), []).append(line)
    _check_apart(voices, lines, still)
    always = {key for key in lines if still or voices[key[1]].lines is None}
    taken = {key: _frames(own, rate, frames) for key, own in lines.items() if key not in always}
    found: list[tuple[int, SpeakingPerson]] = []
    shown = np.zeros(frames, np.bool_)
    for person, number in lines:
        spans = None
        if (flags := taken.get((person, number))) is not None:
            others = [own for (other, voice), own in taken.items() if other == person and voice != number]
            taken[person, number] = flags = _widened(flags, others)
            spans = tuple(true_runs(flags))
        mine = tracks.person == person
        seen = tracks.frame[mine][flags_of(spans, frames)[tracks.frame[mine]]]
        shown[seen] = True
        if len(seen):
            chosen = tracks_of_person(tracks, person)
            found.append((len(np.unique(seen)), SpeakingPerson(person_name(person), chosen, spans, number)))
    found.sort(key=lambda one: -one[0])
    turns = [
        Turn(float(line.start_s), float(line.end_s), person)
        for (person, number), own in lines.items()
        for line in own
        if voices[number].lines is not None and not still
    ]
    return SpeakerTracks(
        tuple(one for _, one in found),
        int(shown.sum()),
        len(np.unique(tracks.track)),
        turns=tuple(turns) if turns or not found else None,
        whose=tuple(map(tuple, whose)),
    )


def _lines_of(voice: WrittenVoice) -> Sequence[VoiceLine]:
    return (_ALWAYS,) if voice.lines is None else voice.lines


def _frames(lines: Sequence[VoiceLine], rate: Fraction, frames: int) -> Flags:
    """(frames,) bool: their middle lies in one of the lines."""
    turns = [Turn(float(one.start_s), float(one.end_s), 0) for one in lines]
    return flags_of(spans_of(turns, rate, frames), frames)


def _widened(flags: Flags, others: Sequence[Flags]) -> Flags:
    """Flags and those beside them, as far as none of the others is set."""
    out = flags.copy()
    for by in range(1, FADE + 1):
        out[by:] |= flags[:-by]
        out[:-by] |= flags[by:]
    for other in others:
        out &= ~other
    return out | flags


def _check_apart(voices: Sequence[WrittenVoice], lines: dict[tuple[int, int], list[VoiceLine]], still: bool) -> None:
    """See that no two voices are of one person at one time."""
    said: dict[int, list[tuple[VoiceLine, int]]] = {}
    for (person, number), own in lines.items():
        said.setdefault(person, []).extend((line, number) for line in own)
    for person, each in said.items():
        last: dict[int, VoiceLine] = {}
        for line, number in sorted(each, key=lambda one: (one[0].start_s, one[1])):
            for other, before in last.items():
                if other != number and (still or line.start_s < before.end_s):
                    pair = " and ".join(_name(*one) for one in ((voices[other], before), (voices[number], line)))
                    when = "of one picture" if still else "at one time"
                    raise ModelError(
                        f"{pair} are both said by person {person} {when}; a mouth says one thing at a time: {HOW_ELSE}"
                    )
            if number not in last or line.end_s > last[number].end_s:
                last[number] = line


def _name(voice: WrittenVoice, line: VoiceLine) -> str:
    of = repr(voice.face) if voice.face else "no speaker"
    return f"{line.place} of {of}" if line.place else f"the voice of {of}"


def notes_of(voices: Sequence[WrittenVoice], whose: Sequence[Sequence[Who]], found: SpeakerTracks) -> list[str]:
    """What a person should know of voices that nobody is seen to say."""
    notes = []
    drawn = {(one.name, one.voice) for one in found.persons}
    for number, (voice, says) in enumerate(zip(voices, whose, strict=True)):
        name = f"of {voice.face!r}" if voice.face else "without a speaker"
        off = [line for line, who in zip(_lines_of(voice), says, strict=True) if not who]
        if off and voice.lines is not None:
            lines = off[0].place if len(off) == 1 else f"{len(off)} lines, the first {off[0].place},"
            notes.append(f"{lines} {name}: a voice off screen; nobody in view goes with it, and nobody is drawn")
        elif off:
            notes.append(f"the voice {name}: nobody is in view, and nobody is drawn")
        for person in sorted({person for who in says for person in who}):
            if (person_name(person), number) not in drawn:
                notes.append(f"person {person} is not in view when the voice {name} is heard, and is not drawn")
    return notes
