"""Who speaks in a video, by its face table."""

from __future__ import annotations

from dataclasses import dataclass

from lipsync_ray.faces.speaker import FaceChoice, select_speaker
from lipsync_ray.faces.table import read_notes, read_table


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

    `notes` are what is to be said of the pictures.
    """

    chosen: tuple[int, ...]
    frames: int
    tracks: int
    notes: tuple[str, ...] = ()


def choose_speaker(choice: SpeakerQuery) -> SpeakerTracks:
    """Read a face table and decide."""
    tracks = read_table(choice.url)
    chosen = select_speaker(tracks, choice.rule, choice.width, choice.height)
    seen = sum(int((tracks.track == track).sum()) for track in chosen)
    return SpeakerTracks(chosen, seen, len(set(tracks.track.tolist())), read_notes(choice.url))
