"""Face tracks of a scored video on a grid of 25 frames/s, the rate of both scorers.

Face tracks follow the published rule (:mod:`lipsync_ray.metrics.face_squares`), from a face table instead of its own
detector.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.choices import DubbedFaces
from lipsync_ray.faces.speaker import select_speaker
from lipsync_ray.faces.table import read_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.speakers import in_turns
from lipsync_ray.io import storage
from lipsync_ray.io.turns import Turn
from lipsync_ray.media.choices import Loop
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import at_rate, source_frames
from lipsync_ray.metrics.face_squares import find_tracks, squares

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

RATE = Fraction(25)  # frames/s of the grid


@dataclass(frozen=True)
class FaceTracks:
    """The faces of one video.

    Attributes
    ----------
    shown : (n,) int64 frame of the video at each frame of the grid
    source : (n,) int64 corresponding frame of the reference; −1 if there is none
    face_place : (m,) int64 grid frame of each face, rising; several faces may share one
    face_box : (m, 4) float32 x0, y0, x1, y1 in pixels of the video
    start, length : (p,) int64 first grid frame and length of each scored track
    square : (Σ length, 3) float64 centre x, y and half side s of each track, one after the other
    track_box : (Σ length, 4) float32 its boxes
    """

    shown: I64
    source: I64
    face_place: I64
    face_box: F32
    start: I64
    length: I64
    square: F64
    track_box: F32

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> FaceTracks:
        with np.load(io.BytesIO(data)) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def boxes_at(self, place: int) -> F32:
        """(k, 4) boxes of the faces at one frame of the grid."""
        low, high = np.searchsorted(self.face_place, (place, place + 1))
        return self.face_box[low:high]

    def begins(self, track: int) -> int:
        """Where a track's rows begin in `square` and `track_box`."""
        return int(self.length[:track].sum())


@lru_cache(maxsize=4)
def read_face_tracks(url: str) -> FaceTracks:
    """Read committed tracks; cached, since a worker processes many ranges of one video."""
    return FaceTracks.from_bytes(storage.read_bytes(url))


@dataclass(frozen=True)
class FaceTracksOrder:
    """Tracks to build.

    Attributes
    ----------
    key : of the item
    video, reference : the scored video, and its reference
    loop : how reference frames follow from video frames; None if they are the same
    table : face table, of the reference if `table_of_reference`, else of the video; None for whole frames
    face : whose tracks
    turns : instead of that, where the table is of the reference: who was dubbed when, in its time
    min_track, min_face : only tracks longer than this, in frames, with larger faces, in pixels, are scored
    url : where it is committed
    """

    key: str
    video: VideoInfo
    reference: VideoInfo | None
    loop: Loop | None
    table: str | None
    table_of_reference: bool
    face: DubbedFaces
    turns: tuple[Turn, ...] | None
    min_track: int
    min_face: int
    url: str


@dataclass(frozen=True)
class TrackIndex:
    """Summary of committed tracks.

    Attributes
    ----------
    frames : of the grid
    start, length : of the tracks
    faces : number over all grid frames
    reason : why there is no track
    """

    frames: int
    start: tuple[int, ...]
    length: tuple[int, ...]
    faces: int
    reason: str

    @classmethod
    def unknown(cls, video: VideoInfo) -> TrackIndex:
        """Summary for a video whose faces are not known yet."""
        return cls(len(at_rate(video.frames, video.rate, RATE)), (), (), 0, "")


def build_tracks(order: FaceTracksOrder) -> TrackIndex:
    """Find a video's tracks and commit them."""
    video, reference = order.video, order.reference
    shown = at_rate(video.frames, video.rate, RATE)
    source = np.full(len(shown), -1, np.int64)
    if reference is not None:
        source = shown if order.loop is None else source_frames(shown, reference.frames, order.loop)
    if order.table is None:
        reason, rows, tracks = "", _no_faces(), [np.tile(_whole(video), (len(shown), 1))]
        starts = [0]
    else:
        table = _scaled(read_table(order.table), order)
        numbers = source if order.table_of_reference else shown
        if order.turns and order.table_of_reference and order.reference is not None:
            table = in_turns(table, order.turns, order.reference.rate)
            chosen = tuple(np.unique(table.track).tolist())
        else:
            chosen = select_speaker(table, order.face, video.width, video.height)
        starts, tracks, reason = find_tracks(table, chosen, numbers, order.min_track, order.min_face)
        rows = _faces(table, chosen, numbers)
    found = FaceTracks(
        shown,
        source,
        *rows,
        np.array(starts, np.int64),
        np.array([len(track) for track in tracks], np.int64),
        np.concatenate([squares(track) for track in tracks]) if tracks else np.zeros((0, 3)),
        np.concatenate(tracks).astype(np.float32) if tracks else np.zeros((0, 4), np.float32),
    )
    storage.commit_bytes(order.url, found.to_bytes())
    lengths = tuple(len(track) for track in tracks)
    return TrackIndex(len(shown), tuple(starts), lengths, len(found.face_place), reason)


def _faces(table: Tracks, chosen: tuple[int, ...], numbers: I64) -> tuple[I64, F32]:
    """(grid frame, box) of every face of the chosen tracks."""
    rows = np.flatnonzero(np.isin(table.track, chosen))
    rows = rows[np.argsort(table.frame[rows], kind="stable")]
    low = np.searchsorted(table.frame[rows], numbers)
    count = np.searchsorted(table.frame[rows], numbers, side="right") - low
    frames = np.repeat(np.arange(len(numbers)), count)
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return frames.astype(np.int64), table.box[rows[np.repeat(low, count) + within]]


def _no_faces() -> tuple[I64, F32]:
    return np.zeros(0, np.int64), np.zeros((0, 4), np.float32)


def _whole(video: VideoInfo) -> F64:
    return np.array([0.0, 0.0, video.width, video.height])


def _scaled(table: Tracks, order: FaceTracksOrder) -> Tracks:
    """The table in pixels of the scored video, which may be larger than its reference (upscaled)."""
    if not order.table_of_reference or order.reference is None:
        return table
    given = np.array([side + side % 2 for side in (order.reference.width, order.reference.height)])
    scale = (np.array([order.video.width, order.video.height]) / given).astype(np.float32)
    if (scale == 1).all():
        return table
    return replace(table, box=table.box * np.tile(scale, 2), landmarks=table.landmarks * scale)
