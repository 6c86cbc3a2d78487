"""Whose mouths say the voices of a dub: a person a voice, or a person a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from lipsync_ray.errors import ModelError
from lipsync_ray.faces.speaker import asks_who_speaks, choose
from lipsync_ray.faces.table import read_notes, read_table, read_without
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.speakers import (
    NO_SOUND,
    SpeakerQuery,
    SpeakerTracks,
    choose_speaker,
    note_of_untold,
)
from lipsync_ray.inputs.voice_spans import HOW_ELSE, Who, cast, notes_of
from lipsync_ray.io.turns import Turn
from lipsync_ray.io.written_faces import FacePoint, PlaceRule, VoiceLine, WrittenVoice, written_face
from lipsync_ray.io.written_turns import NOBODY, WrittenTurn, known_turns, matched

NEAR = 0.5  # of a face's width: how far beside it a point still means it


def choose_faces(query: SpeakerQuery) -> SpeakerTracks:
    """Read a face table and decide whose faces are dubbed, each by one voice.

    Raises
    ------
    ManifestError, ModelError : who is named is not seen; two voices are of one person at one time
    """
    if not query.voices:
        return choose_speaker(query)
    tracks = read_table(query.url)
    notes, without = read_notes(query.url), read_without(query.url)
    count = len(np.unique(tracks.track))
    if not count:
        return SpeakerTracks((), 0, 0, notes, without)
    named = [_named(tracks, query, voice) for voice in query.voices]
    given = query.given
    by_rule = asks_who_speaks(tracks, query.rule) and any(voice.face is None for voice in query.voices)
    asks = by_rule or any(voice.face and who is None for voice, who in _each(query, named))
    told = query.turns is not None or bool(query.untold) or not query.has_sound
    if asks and not told and (given is None or given.needs_names):
        return SpeakerTracks((), 0, count, notes, without, undecided=True)
    decided = query.turns or ()
    if given is not None:
        decided = known_turns(given.url, given.turns, np.unique(tracks.person).tolist(), decided)
    tells = given is not None or (query.turns is not None and not query.untold)
    if by_rule and not tells:
        notes = (*notes, note_of_untold(query.untold or NO_SOUND))
    whose = _persons(tracks, query, named, decided if tells else None)
    found = cast(tracks, query.voices, whose, query.rate, query.still)
    more = notes_of(query.voices, whose, found)
    why = "; ".join(["nobody who is to speak is in view", *more])
    return replace(found, notes=(*notes, *more), without="" if found.persons else why)


def _each(query: SpeakerQuery, named: Sequence[int | None]) -> Iterable[tuple[WrittenVoice, int | None]]:
    """Voices that may be of somebody, and who that is known to be."""
    pairs = zip(query.voices, named, strict=True)
    return [(voice, who) for voice, who in pairs if (voice.face or "").lower() != NOBODY]


def _named(tracks: Tracks, query: SpeakerQuery, voice: WrittenVoice) -> int | None:
    """The person that a voice's face names; None where another name, or the run's rule, has to be asked."""
    face = written_face(voice.face) if voice.face else None
    if isinstance(face, FacePoint):
        return person_at(tracks, face, query.rate, f"{_place(voice)}{voice.face}")
    if isinstance(face, int):
        there = np.unique(tracks.person).tolist()
        if face not in there:
            seen = ", ".join(f"person:{one}" for one in there) or "nobody"
            raise ModelError(f"{_place(voice)}{voice.face} is not seen in the video; expected one of: {seen}")
        return face
    return None if face is None else _by_rule(tracks, face, query)


def _place(voice: WrittenVoice) -> str:
    """Where a voice is written, before what is wrong with it."""
    return f"{voice.lines[0].place}, speaker: " if voice.lines else "face: "


def _by_rule(tracks: Tracks, rule: PlaceRule, query: SpeakerQuery) -> int | None:
    return _person_of(tracks, choose(tracks, rule, query.width, query.height).tracks)


def _person_of(tracks: Tracks, chosen: tuple[int, ...]) -> int | None:
    return int(tracks.person[tracks.track == chosen[0]][0]) if chosen else None


def person_at(tracks: Tracks, point: FacePoint, rate: Fraction, written: str) -> int:
    """The person whose face is at a time and place, or beside it by up to half a face.

    Parameters
    ----------
    written : the point, and where it is written, for errors

    Raises
    ------
    ModelError : nobody's is; it says who is seen then
    """
    rows = np.flatnonzero(tracks.frame == int(point.time_s * rate))
    box = tracks.box[rows].astype(np.float64)
    beside = np.maximum(np.maximum(box[:, :2] - (point.x, point.y), (point.x, point.y) - box[:, 2:]), 0)
    centre = np.hypot(*((box[:, :2] + box[:, 2:]) / 2 - (point.x, point.y)).T)
    far = np.hypot(*beside.T) / np.maximum(box[:, 2] - box[:, 0], 1)
    if len(rows) and far.min() <= NEAR:
        return int(tracks.person[rows[np.lexsort((centre, far))[0]]])
    seen = ", ".join(
        f"person:{tracks.person[row]} at {x0:.0f},{y0:.0f} to {x1:.0f},{y1:.0f}"
        for row, (x0, y0, x1, y1) in zip(rows, tracks.box[rows], strict=True)
    )
    raise ModelError(f"{written}: no face is there; at that time the video shows {seen or 'nobody'}")


def _persons(
    tracks: Tracks, query: SpeakerQuery, named: Sequence[int | None], decided: Sequence[Turn] | None
) -> list[tuple[Who, ...]]:
    """Who says each line of each voice; a voice without lines has one.

    Parameters
    ----------
    named : person of each voice, where it is known
    decided : who speaks when in the source; None where that cannot be told
    """
    names = _matched(tracks, query, named, decided)
    out: list[tuple[Who, ...]] = []
    for voice, person in zip(query.voices, named, strict=True):
        lines = len(voice.lines) if voice.lines is not None else 1
        if person is not None:
            out.append(((person,),) * lines)
        elif voice.face:
            one = names.get(voice.face)
            out.append((() if one is None else (one,),) * lines)
        else:
            out.append(_by_run(tracks, query, voice, decided))
    return out


def _matched(
    tracks: Tracks, query: SpeakerQuery, named: Sequence[int | None], decided: Sequence[Turn] | None
) -> dict[str, int]:
    """Name → person, of names that somebody in view goes with."""
    turns = [
        WrittenTurn(
            line.place, "", float(line.start_s), float(line.end_s), voice.face if who is None else f"person:{who}"
        )
        for voice, who in zip(query.voices, named, strict=True)
        for line in voice.lines or ()
        if voice.face
    ]  # fmt: skip
    free = dict.fromkeys(
        voice.face
        for voice, who in _each(query, named)
        if voice.face and who is None and written_face(voice.face) is None
    )
    if not free:
        return {}
    if decided is not None:
        return matched(turns, decided)
    persons = set(np.unique(tracks.person).tolist())
    if len(free) == 1 and len(persons) == 1 and not persons & set(named):
        return dict.fromkeys(filter(None, free), persons.pop())
    first = next(turn for turn in turns if turn.speaker in free)
    raise ModelError(
        f"{first.place}, speaker: {first.speaker!r} is a name, and who it is could not be found by the video's sound; {HOW_ELSE}"
    )


def _by_run(
    tracks: Tracks, query: SpeakerQuery, voice: WrittenVoice, decided: Sequence[Turn] | None
) -> tuple[Who, ...]:
    """Who says the lines of a voice without a name, by the rule of the run."""
    lines = voice.lines or ()
    if query.rule == "all":
        return (tuple(np.unique(tracks.person[tracks.of_people]).tolist()),) * len(lines)
    if decided is not None and (query.given is not None or asks_who_speaks(tracks, query.rule)):
        return tuple(_speaks_most(line, decided) for line in lines)
    one = _person_of(tracks, choose(tracks, query.rule, query.width, query.height).tracks)
    return (() if one is None else (one,),) * len(lines)


def _speaks_most(line: VoiceLine, decided: Sequence[Turn]) -> Who:
    shared: dict[int, float] = {}
    for turn in decided:
        both = min(float(line.end_s), turn.end_s) - max(float(line.start_s), turn.start_s)
        if both > 0:
            shared[turn.person] = shared.get(turn.person, 0.0) + both
    return (max(shared, key=lambda person: (shared[person], -person)),) if shared else ()
