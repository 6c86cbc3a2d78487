"""How many of a dub's frames can be drawn, found from the tables before anything is drawn, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.box_rules import BoxRule, boxes_by
from lipsync_ray.faces.sight import Sight
from lipsync_ray.faces.speaker import frames_of_others
from lipsync_ray.faces.table import read_table
from lipsync_ray.inputs.speakers import SpeakingPerson, flags_of
from lipsync_ray.media.probe import VideoInfo

Flags = NDArray[np.bool_]
I64 = NDArray[np.int64]

LEAST_DRAWN = 0.5  # of the frames that show the speaking face: a dub of fewer is none
LEAST_SEEN = 1 / 3  # of the frames that show the speaking face or others alone: fewer, and another one speaks here


@dataclass(frozen=True)
class Counts:
    """Output frames of a dub.

    Attributes
    ----------
    faced : show the speaking face
    hidden : of these, with something before its mouth
    lost : of these, neither hidden nor with the landmarks that the model needs
    faceless : without a face, or without those landmarks
    others : of these, show other people alone, who are no bystanders
    by_turns : faces are drawn where they speak in the source
    """

    faced: int
    hidden: int
    lost: int
    faceless: int
    others: int = 0
    by_turns: bool = False

    @property
    def elsewhere(self) -> str | None:
        """Why the person who was taken to speak is not the one to dub here; None where it may be."""
        if self.faced and self.faced >= LEAST_SEEN * (self.faced + self.others):
            return None
        lasts = self.faced + self.faceless - self.lost
        if self.by_turns:
            return (
                f"in none of the {lasts} frames that this sound lasts, somebody in view speaks in the source. Nothing was written; "
                "choose a face by --face left, right, center, largest or all, or say who speaks by --speakers"
            )
        alone = f", {self.others} show other people alone" if self.others else ""
        return (
            f"of the {lasts} frames that this sound lasts, {self.faced or 'none'} show the person who is taken "
            f"to speak in this video{alone}. Nothing was written; cut the video to what is dubbed, or choose another person by "
            "--face left, right, center, largest or all"
        )

    @property
    def too_few(self) -> str | None:
        """Why this is no dub; None where at least half of the frames that show the face are drawn."""
        left = self.hidden + self.lost
        if self.faced - left >= LEAST_DRAWN * self.faced:
            return None
        causes = []
        if self.hidden:
            causes.append(f"something is before the mouth in {self.hidden} (a hand, a microphone, a mask, a title?)")
        if self.lost:
            causes.append(
                f"{self.lost} show no landmarks (the chin outside the picture, a profile, a mask, a drawing?)"
            )
        return (
            f"only {self.faced - left} of {self.faced} frames with the speaking face can be dubbed, at least half have to be: "
            f"{'; '.join(causes)}. Nothing was written; use a part or a take of the video that shows the whole mouth and chin"
        )

    @property
    def warning(self) -> str | None:
        """What a person should know of frames that pass through because their mouth is hidden."""
        if not self.hidden:
            return None
        return f"something is before the mouth in {self.hidden} of {self.faced} frames with the speaking face; they pass through"


@dataclass(frozen=True)
class Coverage:
    """What can be drawn in each frame of a source video.

    Attributes
    ----------
    faced : (frames,) bool: shows a speaking face
    hidden : (frames,) bool: and something before its mouth
    marked : (frames,) bool: and the landmarks that the model needs
    others : (frames,) bool: shows other people alone
    by_turns : faces are drawn where they speak in the source
    """

    faced: Flags
    hidden: Flags
    marked: Flags
    others: Flags
    by_turns: bool = False

    @property
    def drawable(self) -> Flags:
        """(frames,) bool: a face may be drawn; in no other frame something is."""
        return self.faced & self.marked & ~self.hidden

    def counts(self, shown: I64) -> Counts:
        """Of a dub whose output frames show these source frames."""
        faced, hidden = self.faced[shown], self.hidden[shown]
        lost = faced & ~hidden & ~self.marked[shown]
        others = int((self.others[shown] & ~faced).sum())
        return Counts(
            int(faced.sum()), int(hidden.sum()), int(lost.sum()), int((~faced | lost).sum()), others, self.by_turns
        )


@dataclass(frozen=True)
class FaceSight:
    """What a video's frames show of a person to draw.

    Attributes
    ----------
    person : whose face it is
    sight : where the mouth is visible
    marked : (frames,) bool: has the landmarks that the model needs; None where it needs none
    """

    person: SpeakingPerson
    sight: Sight
    marked: Flags | None = None


def coverage_of(video: VideoInfo, table: str, faces: Sequence[FaceSight], rule: BoxRule) -> Coverage:
    """Found from the tables alone.

    Parameters
    ----------
    table : the face table
    faces : that are drawn; a frame counts as hidden, or without landmarks, where none of its faces can be drawn
    rule : what of a frame is the face
    """
    tracks = read_table(table)
    faced, hidden, marked, able = (np.zeros(video.frames, np.bool_) for _ in range(4))
    for face in faces:
        boxes = boxes_by(rule, tracks, face.person.chosen, 0, video.frames, video.width, video.height)
        shown = np.array([box is not None for box in boxes]) & flags_of(face.person.spans, video.frames)
        landmarks = shown if face.marked is None else shown & face.marked
        faced |= shown
        hidden |= shown & face.sight.hidden
        marked |= landmarks
        able |= landmarks & ~face.sight.hidden
    others = np.zeros(video.frames, np.bool_)
    by_turns = any(face.person.spans is not None for face in faces)
    if not by_turns:
        chosen = tuple(track for face in faces for track in face.person.chosen)
        others[frames_of_others(tracks, chosen, video.width, video.height)] = True
    return Coverage(faced, hidden & ~able, marked, others, by_turns)
