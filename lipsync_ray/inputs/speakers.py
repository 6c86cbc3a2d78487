"""Who speaks in a video, by its face table."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.faces.choices import FaceChoice
from lipsync_ray.faces.speaker import Choice, choose
from lipsync_ray.faces.table import read_notes, read_table, read_without

SURE = 0.95  # of frames with prominent people that show the chosen one: below, the others' are spoken of


@dataclass(frozen=True)
class SpeakerQuery:
    """The question who speaks in a video: the table at `url`, the rule, the size of its frames."""

    key: str
    url: str
    rule: FaceChoice
    width: int
    height: int


@dataclass(frozen=True)
class SpeakerTracks:
    """Who speaks: tracks of the chosen face, in how many source frames it is seen, and how many tracks there are.

    `notes` are what is to be said of the pictures, and of the choice where it was one; `without`, why no face may be found.
    """

    chosen: tuple[int, ...]
    frames: int
    tracks: int
    notes: tuple[str, ...] = ()
    without: str = ""


def choose_speaker(query: SpeakerQuery) -> SpeakerTracks:
    """Read a face table and decide."""
    tracks = read_table(query.url)
    choice = choose(tracks, query.rule, query.width, query.height)
    visible = sum(int((tracks.track == track).sum()) for track in choice.tracks)
    notes = (*read_notes(query.url), *_notes(choice, query.rule, visible))
    return SpeakerTracks(choice.tracks, visible, len(set(tracks.track.tolist())), notes, read_without(query.url))


def _notes(choice: Choice, rule: str, visible: int) -> list[str]:
    """What is to be said of a choice that was not obvious."""
    notes = []
    others = "--face left, right, center, largest or all chooses otherwise"
    if choice.pictures:
        what = (
            "a larger face that never moves"
            if choice.pictures == 1
            else f"{choice.pictures} larger faces that never move"
        )
        notes.append(f"{what}, as on a poster or a photograph, was not taken to speak; {others}")
    if choice.rivals:
        notes.append(
            f"{choice.rivals + 1} people are seen; the {'most central' if rule == 'center' else rule} was taken to speak, "
            f"{choice.sure:.0%} sure; {others}"
        )
    if choice.elsewhere > (1 - SURE) * (visible + choice.elsewhere):
        notes.append(
            f"{choice.elsewhere} frames show other people alone and were left as they are; --face all dubs everybody"
        )
    return notes
