"""Whose face is dubbed in a video, and in which of its frames: chosen by a rule, or by who speaks when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.choices import DubbedFaces
from lipsync_ray.faces.speaker import BY_SOUND, Choice, asks_who_speaks, choose
from lipsync_ray.faces.table import read_notes, read_table, read_without
from lipsync_ray.faces.track import Tracks
from lipsync_ray.io.turns import Turn, spoken_s
from lipsync_ray.io.written_faces import WrittenVoice
from lipsync_ray.io.written_turns import NOBODY, WrittenTurn, known_turns, person_of
from lipsync_ray.media.time_series import true_runs

Flags = NDArray[np.bool_]
Spans = tuple[tuple[int, int], ...]
"""[start, stop) of source frames."""

SURE = 0.95  # of frames with prominent people that show the chosen one: below, the others' are spoken of
OTHERWISE = "--face left, right, center, largest or all chooses otherwise"
NOBODY_SPEAKS = (
    "several people are in view, and nobody's mouth goes with the voice that is heard; choose a face by --face left, right, "
    "center, largest or all, or say who speaks by --speakers"
)
NO_SOUND = "it has no sound"
BY_RULE = "largest"  # where who speaks cannot be told


@dataclass(frozen=True)
class GivenTurns:
    """Who speaks when in a video, as a user wrote it: the turns of the file at `url`.

    Attributes
    ----------
    without : why nobody is dubbed, where the turns name nobody who is seen; "" for a sentence of the file
    """

    url: str
    turns: tuple[WrittenTurn, ...]
    without: str = ""

    @property
    def needs_names(self) -> bool:
        """Whether some speakers are named otherwise than by a person's number."""
        return any(person_of(turn.speaker) is None and turn.speaker.lower() != NOBODY for turn in self.turns)


@dataclass(frozen=True)
class SpeakerQuery:
    """The question whose face is dubbed in a video.

    Attributes
    ----------
    key : of the video
    url : of the face table
    rule : which face
    width, height : of its frames
    rate : frames/s
    has_sound : whether the video has a sound of its own
    turns : who speaks when, where that is known; asked for by the rule "speaking" alone
    untold : why it cannot be told, in a few words
    alone : one person alone is in view, whatever faces the table has
    given : what a user says instead
    pictures : the rule "all" is of pictures of people, too
    voices : of the dub, where it has some: each has a face of its own
    still : the video is one picture
    """

    key: str
    url: str
    rule: DubbedFaces
    width: int
    height: int
    rate: Fraction = Fraction(25)
    has_sound: bool = False
    turns: tuple[Turn, ...] | None = None
    untold: str = ""
    alone: bool = False
    given: GivenTurns | None = None
    pictures: bool = False
    voices: tuple[WrittenVoice, ...] = ()
    still: bool = False


@dataclass(frozen=True)
class SpeakingPerson:
    """A person whose face is dubbed.

    Attributes
    ----------
    name : of this choice, the same whenever it gives the same tracks: for files that depend on them
    chosen : tracks of the face table, no two of which share a frame
    spans : source frames in which the person speaks; None for all
    voice : which of the dub's voices the person says
    """

    name: str
    chosen: tuple[int, ...]
    spans: Spans | None = None
    voice: int = 0


@dataclass(frozen=True)
class SpeakerTracks:
    """Whose faces are dubbed.

    Attributes
    ----------
    persons : who is dubbed for longest first; empty where nobody is
    frames : source frames that show one of them where that one speaks
    tracks : how many tracks the video has
    notes : what a person should know of the pictures, and of the choice where it was one
    without : why nobody is dubbed, or no face may be found; "" where nothing is known
    undecided : several people are in view, and who of them speaks has to be found first
    turns : who speaks when, where that was decided
    whose : of each voice, who says each of its lines; of a voice without lines, who says it
    """

    persons: tuple[SpeakingPerson, ...]
    frames: int
    tracks: int
    notes: tuple[str, ...] = ()
    without: str = ""
    undecided: bool = False
    turns: tuple[Turn, ...] | None = None
    whose: tuple[tuple[tuple[int, ...], ...], ...] = ()

    @property
    def chosen(self) -> tuple[int, ...]:
        """Tracks of the one who is dubbed for longest."""
        return self.persons[0].chosen if self.persons else ()


def person_name(person: int) -> str:
    """What files call a person of a face table."""
    return f"person-{person}"


def flags_of(spans: Spans | None, frames: int) -> Flags:
    """(frames,) bool: lies in one of the spans; all where there are none."""
    if spans is None:
        return np.ones(frames, np.bool_)
    out = np.zeros(frames, np.bool_)
    for start, stop in spans:
        out[start:stop] = True
    return out


def choose_speaker(query: SpeakerQuery) -> SpeakerTracks:
    """Read a face table and decide.

    Raises
    ------
    ManifestError : a user gives turns of a person who is not seen
    """
    tracks = read_table(query.url)
    count = len(np.unique(tracks.track))
    notes, without = read_notes(query.url), read_without(query.url)
    if query.given is not None:
        if query.given.needs_names and query.turns is None and query.has_sound:
            return SpeakerTracks((), 0, count, notes, without, undecided=True)
        persons = np.unique(tracks.person).tolist()
        given = known_turns(query.given.url, query.given.turns, persons, query.turns or ())
        nobody = query.given.without or f"{query.given.url}: it names nobody who is seen then"
        return _by_turns(tracks, given, query, notes, nobody)
    if query.rule == "all":
        return _everybody(tracks, query.pictures, notes, without)
    if query.turns:
        return _by_turns(tracks, query.turns, query, notes, NOBODY_SPEAKS)
    untold = query.untold
    if asks_who_speaks(tracks, query.rule, query.has_sound) and not untold and not query.alone:
        if query.has_sound and query.turns is None:
            return SpeakerTracks((), 0, count, notes, without, undecided=True)
        if query.turns is not None:
            return SpeakerTracks((), 0, count, notes, NOBODY_SPEAKS, turns=())
        untold = NO_SOUND
    choice = choose(tracks, query.rule, query.width, query.height)
    visible = sum(int((tracks.track == track).sum()) for track in choice.tracks)
    persons = (SpeakingPerson(query.rule, choice.tracks),) if choice.tracks else ()
    of_rule = BY_RULE if query.rule in BY_SOUND else query.rule
    if untold and choice.tracks:
        return SpeakerTracks(persons, visible, count, (*notes, note_of_untold(untold)), without)
    return SpeakerTracks(persons, visible, count, (*notes, *_notes(choice, of_rule, visible)), without)


def _everybody(tracks: Tracks, pictures: bool, notes: tuple[str, ...], without: str) -> SpeakerTracks:
    """All persons; where somebody moves, pictures only if asked for."""
    dubbed = np.ones_like(tracks.still) if pictures else tracks.of_people
    numbers, counts = np.unique(tracks.person[dubbed], return_counts=True)
    persons = [
        SpeakingPerson(person_name(person), tracks_of_person(tracks, person))
        for person in numbers[np.argsort(-counts, kind="stable")].tolist()
    ]
    return SpeakerTracks(
        tuple(persons), len(np.unique(tracks.frame[dubbed])), len(np.unique(tracks.track)), notes, without
    )


def _by_turns(
    tracks: Tracks, turns: Sequence[Turn], query: SpeakerQuery, notes: tuple[str, ...], nobody: str
) -> SpeakerTracks:
    spoken = in_turns(tracks, turns, query.rate)
    frames = frames_of(tracks)
    numbers, counts = np.unique(spoken.person, return_counts=True)
    persons = tuple(
        SpeakingPerson(
            person_name(person),
            tracks_of_person(tracks, person),
            spans_of([turn for turn in turns if turn.person == person], query.rate, frames),
        )
        for person in numbers[np.argsort(-counts, kind="stable")].tolist()
    )
    return SpeakerTracks(
        persons,
        len(np.unique(spoken.frame)),
        len(np.unique(tracks.track)),
        notes,
        "" if persons else nobody,
        turns=tuple(turns),
    )


def in_turns(tracks: Tracks, turns: Sequence[Turn], rate: Fraction) -> Tracks:
    """Each person's rows in the frames in which that person speaks."""
    frames = frames_of(tracks)
    kept = np.zeros(len(tracks.frame), np.bool_)
    for person in {turn.person for turn in turns}:
        spans = spans_of([turn for turn in turns if turn.person == person], rate, frames)
        kept |= (tracks.person == person) & flags_of(spans, frames)[tracks.frame]
    return replace(tracks, **{each.name: getattr(tracks, each.name)[kept] for each in fields(tracks)})


def frames_of(tracks: Tracks) -> int:
    """Frames of a video up to the last one that shows a face."""
    return int(tracks.frame.max()) + 1 if len(tracks.frame) else 0


def tracks_of_person(tracks: Tracks, person: int) -> tuple[int, ...]:
    """The tracks of a person of the face table."""
    return tuple(np.unique(tracks.track[tracks.person == person]).tolist())


def spans_of(turns: Sequence[Turn], rate: Fraction, frames: int) -> Spans:
    """Frames whose middle lies in one of the turns, joined where they touch."""
    inside = np.zeros(frames, np.bool_)
    for turn in turns:
        first, last = (round(float(second * rate)) for second in (turn.start_s, turn.end_s))
        inside[max(0, first) : max(0, last)] = True
    return tuple(true_runs(inside))


def note_of_turns(turns: Sequence[Turn]) -> str:
    """A sentence on who speaks for how long, where that was decided."""
    lasts = spoken_s(turns)
    ranked = sorted(lasts, key=lambda person: -lasts[person])
    who = ", ".join(f"person {person} for {lasts[person]:.1f} s" for person in ranked)
    return (
        f"who speaks in the source is dubbed: {who}; speakers.csv has the times, and --speakers takes it back corrected"
    )


def note_of_untold(untold: str) -> str:
    """A sentence on who was dubbed where who speaks cannot be told, and why, in a few words, that is so."""
    return f"who speaks in the video cannot be told: {untold}; the largest face was taken; {OTHERWISE}"


def _notes(choice: Choice, rule: str, visible: int) -> list[str]:
    """What is to be said of a choice that was not obvious."""
    notes = []
    if choice.pictures:
        what = (
            "a larger face that never moves"
            if choice.pictures == 1
            else f"{choice.pictures} larger faces that never move"
        )
        notes.append(f"{what}, as on a poster or a photograph, was not taken to speak; {OTHERWISE}")
    if choice.rivals:
        notes.append(
            f"{choice.rivals + 1} people are seen; the {'most central' if rule == 'center' else rule} was taken to speak, "
            f"{choice.sure:.0%} sure; {OTHERWISE}"
        )
    if choice.elsewhere > (1 - SURE) * (visible + choice.elsewhere):
        notes.append(
            f"{choice.elsewhere} frames show other people alone and were left as they are; --face all dubs everybody"
        )
    return notes
