"""Which of a video's people speaks: decided by all that is seen of each in it, never frame by frame or scene by scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.choices import DubbedFaces
from lipsync_ray.faces.track import Tracks

BY_SOUND = ("auto", "speaking")  # rules that ask who speaks: where several people are in view, and wherever anybody is
_BY_SIZE = ("auto", "speaking", "largest")

CENTRAL = 0.25  # of the frame's diagonal: how far from the middle a face still counts as central
PRESENT = 0.5  # left and right mean among the people seen at least this part of the longest-seen one's time …
PROMINENT = 0.25  # … whose area is at least this part of the largest one's among them
HIDDEN = 0.5  # of a frame in which somebody is seen: one between two such, behind somebody or turned away
RIVAL = 0.5  # of the chosen one's worth: others have less at an obvious choice
LARGE_ENOUGH = 0.05  # of a picture's area: who moves before it is larger, and no bystander
OF_THE_FRAME = 0.04  # of its area: a face as large is no bystander, however close a close-up of another shot is

Rows = NDArray[np.intp]
I32 = NDArray[np.int32]


@dataclass(frozen=True)
class Choice:
    """Who speaks.

    Attributes
    ----------
    tracks : of the person, no two of which share a frame; every track, of "all"
    rivals : other people who had come near to being chosen
    sure : 0.5–1: the chosen one's worth by the rule, in that of both this and the next one; 1 where a rule names a side
    pictures : faces that never move, and would have been chosen
    elsewhere : frames that show others alone, about as large
    """

    tracks: tuple[int, ...]
    rivals: int = 0
    sure: float = 1.0
    pictures: int = 0
    elsewhere: int = 0


def select_speaker(tracks: Tracks, rule: DubbedFaces, width: int, height: int) -> tuple[int, ...]:
    """The tracks of the one person who speaks in a video: :func:`choose`."""
    return choose(tracks, rule, width, height).tracks


def choose(tracks: Tracks, rule: DubbedFaces, width: int, height: int) -> Choice:
    """Choose one person of a video, whose frames are (height, width).

    auto, speaking, largest: greatest width, summed over the frames; those in which the person is hidden count half. center: most
    time near the middle. left, right: the outermost of the people who are large and long in view, where several are. What
    never moves on its own, a poster or a photograph, is not chosen while somebody moves.
    """
    if rule == "all":
        return Choice(tuple(np.unique(tracks.track).tolist()))
    rows = {int(person): np.flatnonzero(tracks.person == person) for person in np.unique(tracks.person)}
    if not rows:
        return Choice(())
    area = {person: float(np.median(_areas(tracks, own))) for person, own in rows.items()}
    worth = _worth(tracks, rows, rule, width, height)
    still = {person for person, own in rows.items() if tracks.still[own].any()}
    lively = [person for person in worth if person not in still and area[person] >= LARGE_ENOUGH * max(area.values())]
    able = {person: worth[person] for person in lively} or worth
    ranked = sorted(able, key=lambda person: (-able[person], person))
    best = ranked[0]
    shares = rule in (*_BY_SIZE, "center")
    rivals = [person for person in ranked[1:] if shares and able[person] >= RIVAL * able[best]]
    sure = able[best] / (able[best] + able[rivals[0]]) if rivals else 1.0
    pictures = [person for person in worth if lively and person in still and worth[person] > able[best]]
    chosen = tuple(np.unique(tracks.track[rows[best]]).tolist())
    return Choice(chosen, len(rivals), sure, len(pictures), len(frames_of_others(tracks, chosen, width, height)))


def asks_who_speaks(tracks: Tracks, rule: DubbedFaces, has_sound: bool = True) -> bool:
    """Whether a rule and a face table leave open who speaks.

    Small pictures do not. A large face that never moves may be a person who sits still; lips and sound tell.
    """
    if rule not in BY_SOUND:
        return False
    people = set(np.unique(tracks.person[~tracks.still]).tolist())
    if rule == "auto" and people and has_sound:
        area = {person: median_area(tracks, person) for person in np.unique(tracks.person).tolist()}
        largest = max(area[person] for person in people)
        people |= {person for person in area if area[person] >= PROMINENT * largest}
    return len(people) > (rule == "auto")


def frames_of_others(tracks: Tracks, chosen: tuple[int, ...], width: int, height: int) -> I32:
    """(n,) int32, rising: frames that show others without the person of the chosen tracks; bystanders and pictures left out.

    Others count who are large beside that person, or in the frame, (height, width).
    """
    own = np.isin(tracks.track, chosen)
    if not own.any():
        return np.zeros(0, np.int32)
    least = min(PROMINENT * float(np.median(_areas(tracks, np.flatnonzero(own)))), OF_THE_FRAME * width * height)
    seen = [np.zeros(0, np.int32)]
    for person in np.unique(tracks.person[~own]):
        rows = np.flatnonzero(tracks.person == person)
        if not tracks.still[rows].any() and np.median(_areas(tracks, rows)) >= least:
            seen.append(tracks.frame[rows])
    return np.asarray(np.setdiff1d(np.concatenate(seen), tracks.frame[own]), np.int32)


def median_area(tracks: Tracks, person: int) -> float:
    """Pixels of a person's face, in the middle one of its frames by size."""
    return float(np.median(_areas(tracks, np.flatnonzero(tracks.person == person))))


def _areas(tracks: Tracks, own: Rows) -> NDArray[np.float64]:
    box = tracks.box[own].astype(np.float64)
    return np.asarray(np.prod(box[:, 2:] - box[:, :2], axis=1))


def _worth(tracks: Tracks, rows: dict[int, Rows], rule: DubbedFaces, width: int, height: int) -> dict[int, float]:
    """By person; of those alone that the rule asks of."""
    if rule in _BY_SIZE:
        return {person: sum(_size(tracks, part) for part in _by_scene(tracks, own)) for person, own in rows.items()}
    if rule == "center":
        radius = CENTRAL * np.hypot(width, height)
        away = {
            person: np.linalg.norm(_centres(tracks, own) - (width / 2, height / 2), axis=1)
            for person, own in rows.items()
        }
        return {person: float(np.exp(-((apart / radius) ** 2)).sum()) for person, apart in away.items()}
    longest = max(map(len, rows.values()))
    present = [person for person in rows if len(rows[person]) >= PRESENT * longest]
    area = {person: float(_areas(tracks, rows[person]).mean()) for person in present}
    prominent = [person for person in present if area[person] >= PROMINENT * max(area.values())]
    several = _frames_of_several(tracks, [rows[person] for person in prominent])
    sign = 1 if rule == "right" else -1
    out = {}
    for person in prominent:
        together = rows[person][np.isin(tracks.frame[rows[person]], several)]
        out[person] = sign * float(_centres(tracks, together if len(together) else rows[person])[:, 0].mean())
    return out


def _by_scene(tracks: Tracks, own: Rows) -> list[Rows]:
    return [own[tracks.scene[own] == scene] for scene in np.unique(tracks.scene[own])]


def _size(tracks: Tracks, own: Rows) -> float:
    """Width, summed over the frames of a scene; those between the first and the last in which the face is hidden count half."""
    frames = tracks.frame[own]
    hidden = int(frames.max() - frames.min()) + 1 - len(own)
    width = float(np.median(tracks.box[own, 2] - tracks.box[own, 0]))
    return width * (len(own) + HIDDEN * min(hidden, len(own)))


def _centres(tracks: Tracks, own: Rows) -> NDArray[np.float64]:
    box = tracks.box[own].astype(np.float64)
    return np.asarray((box[:, :2] + box[:, 2:]) / 2)


def _frames_of_several(tracks: Tracks, rows: list[Rows]) -> NDArray[np.int32]:
    """Frames in which more than one of these people is seen."""
    frames, counts = np.unique(np.concatenate([tracks.frame[own] for own in rows]), return_counts=True)
    return np.asarray(frames[counts > 1])
