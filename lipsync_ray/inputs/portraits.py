"""One small picture of every person of a video, by which a reviewer knows who is who."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.engine.graph import Ask, Node
from lipsync_ray.engine.stages import Failure
from lipsync_ray.faces.crop import square_around
from lipsync_ray.faces.table import read_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.io import storage
from lipsync_ray.io.reviews import PORTRAITS, portrait_name
from lipsync_ray.media import decode
from lipsync_ray.media.probe import VideoInfo

MOST = 12  # persons of a video who get a picture
SIDE = 96  # pixels
_LARGER = 1.5  # side of a picture relative to the face's
_LONG = 0.5  # of a person's longest track: a shorter one may be somebody else's, and gives no picture
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 85]


@dataclass(frozen=True)
class PortraitOrder:
    """Pictures to take: of the people of `video` by the face table at `table`, into `folder`.

    Attributes
    ----------
    key : of the video
    there : file names of pictures that an earlier run took
    """

    key: str
    video: VideoInfo
    table: str
    folder: str
    there: frozenset[str]


class Portraits:
    """Takes pictures of the people of one video after another, beside the passes.

    Parameters
    ----------
    url : a path in the run's folder
    videos : key, which changes with a video's content → the video
    on_failure : told of a video whose pictures could not be taken
    after : what calls :meth:`begin`
    """

    def __init__(
        self,
        url: Callable[..., str],
        videos: Mapping[str, VideoInfo],
        on_failure: Callable[[str, Failure], None],
        after: tuple[Node, ...],
    ) -> None:
        self._videos, self._folder, self._on_failure = videos, url(*PORTRAITS), on_failure
        self._there: dict[str, set[str]] = defaultdict(set)  # by the video's key
        for name in storage.list_names(self._folder):
            self._there[name.partition("-")[0]].add(name)
        self.node = Ask(name="portraits", task=take_portraits, on_answer=self._on_answer, after=after)

    def begin(self, key: str, table: str) -> None:
        """Take those of a video whose face table is there."""
        there = frozenset(self._there[key])
        self.node.ready.append(PortraitOrder(key, self._videos[key], table, self._folder, there))

    def _on_answer(self, order: PortraitOrder, answer: int | Failure) -> None:
        if isinstance(answer, Failure):
            self._on_failure(order.key, answer)


def take_portraits(order: PortraitOrder) -> int:
    """Commit the pictures that are missing; how many. Each costs at most a seek and the decoding of one group of pictures."""
    tracks = read_table(order.table)
    names = {person: portrait_name(order.key, person) for person in people_of(tracks)}
    rows = {person: best_row(tracks, person) for person, name in names.items() if name not in order.there}
    ranked = sorted(rows.items(), key=lambda item: int(tracks.frame[item[1]]))
    pictures = decode.pictures_at(order.video, [int(tracks.frame[row]) for _, row in ranked])
    for (person, row), picture in zip(ranked, pictures, strict=True):
        square = picture.bgr(square_around(tracks.box[row], _LARGER, picture.width, picture.height))
        side = min(SIDE, square.shape[0])
        small = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
        data = cv2.imencode(".jpg", small, _QUALITY)[1].tobytes()
        storage.commit_bytes(storage.join(order.folder, names[person]), data)
    return len(rows)


def people_of(tracks: Tracks) -> list[int]:
    """Persons who get a picture, who is seen largest and longest first: those who move, or all where nobody does."""
    rows = np.flatnonzero(tracks.of_people)
    width = tracks.box[rows, 2] - tracks.box[rows, 0]
    persons, places = np.unique(tracks.person[rows], return_inverse=True)
    worth = np.bincount(places, width, len(persons))
    return [int(persons[place]) for place in np.argsort(-worth, kind="stable")[:MOST]]


def best_row(tracks: Tracks, person: int) -> int:
    """The row of the face table that shows a person best: large, frontal, surely a face, in a track that lasts."""
    own = np.flatnonzero(tracks.person == person)
    _, places, counts = np.unique(tracks.track[own], return_inverse=True, return_counts=True)
    own = own[counts[places] >= _LONG * counts.max()]
    box = tracks.box[own].astype(np.float64)
    worth = (box[:, 2] - box[:, 0]) * tracks.score[own] * _frontal(tracks.landmarks[own])
    worth *= np.where(tracks.detected[own], 1.0, 0.5)
    return int(own[np.argmax(worth)])


def _frontal(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) 0–1 of (n, 5, 2) landmarks: 1 where the nose lies midway between the eyes, 0 in profile."""
    eyes = landmarks[:, 1] - landmarks[:, 0]
    apart = np.maximum(np.linalg.norm(eyes, axis=1), 1e-3)
    off = landmarks[:, 2] - landmarks[:, :2].mean(axis=1)
    aside = np.abs((off * eyes).sum(axis=1)) / apart**2  # along the line of the eyes
    return np.asarray(np.clip(1 - 2 * aside, 0.05, 1), np.float64)
