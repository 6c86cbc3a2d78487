"""Builds face tracks from detections: links, interpolates and smooths. Works on whole videos, so splitting has no
effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.persons import is_still, persons_of
from lipsync_ray.faces.scan import Scan
from lipsync_ray.faces.tracklets import Tracklet, tracklets_of

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

BRIDGE_S = 0.2  # seconds: a shorter gap between detections is a miss of the detector and is interpolated
SURE_SCORE = 0.95  # a track needs at least one detection with this score
SHORTEST_S = 0.12  # seconds: shorter tracks are dropped, unless they last their whole scene
POSITION_SIGMA_S = 0.06  # seconds: smoothing of the face's position
SHAPE_SIGMA_S = 0.5  # seconds: smoothing of the box's size, which is noisier


@dataclass(frozen=True)
class Tracks:
    """All tracked faces of a video, one row per frame and track.

    Attributes
    ----------
    frame, track, scene : (n,) int32; rows sorted by (frame, track). A track is one person in one scene
    person : (n,) int32; equal for all tracks of one person in all scenes
    still : (n,) bool; the person moves only with the camera, like a poster; False if nobody else is in the video
    box : (n, 4) float32 smoothed x0, y0, x1, y1 in pixels
    landmarks : (n, 5, 2) float32 smoothed x, y
    score : (n,) float32 probability, interpolated like the box
    detected : (n,) bool; False if interpolated
    """

    frame: I32
    track: I32
    scene: I32
    person: I32
    still: NDArray[np.bool_]
    box: F32
    landmarks: F32
    score: F32
    detected: NDArray[np.bool_]

    @property
    def of_people(self) -> NDArray[np.bool_]:
        """(n,) bool; whose face is no picture: those who move, or all where nobody does."""
        return np.ones_like(self.still) if self.still.all() else ~self.still


def link(scan: Scan, rate: Fraction) -> Tracks:
    """Link a whole video's detections to tracks, interpolate frames without detection, and smooth.

    Parameters
    ----------
    scan : of all frames of the video
    rate : frames/s
    """
    scenes = np.concatenate(([scan.start], scan.cuts, [scan.stop]))
    lengths = np.diff(scenes)
    tracklets = [one for one in tracklets_of(scan, rate) if _is_face(one, scan, int(lengths[one.scene]), rate)]
    persons = persons_of(scan, tracklets)
    rows: dict[int, list[int]] = {}
    tracks: dict[tuple[int, int], list[int]] = {}
    for tracklet, person in zip(tracklets, persons, strict=True):
        rows.setdefault(person, []).extend(tracklet.rows)
        tracks.setdefault((tracklet.scene, person), []).extend(tracklet.rows)
    still = {person: is_still(scan, sorted(own), rate) for person, own in rows.items()} if len(rows) > 1 else {}
    return _table(
        [
            _filled(_Track(number, scene, person, still.get(person, False), sorted(own)), scan, rate)
            for number, ((scene, person), own) in enumerate(tracks.items())
        ]
    )


class _Track(NamedTuple):
    number: int
    scene: int
    person: int
    still: bool
    rows: list[int]


def _is_face(track: Tracklet, scan: Scan, scene_frames: int, rate: Fraction) -> bool:
    first, last = scan.frame[track.rows[0]], scan.frame[track.rows[-1]]
    lasts = last - first + 1 >= min(SHORTEST_S * rate, scene_frames)
    return bool(lasts and scan.score[track.rows].max() >= SURE_SCORE)


def _filled(track: _Track, scan: Scan, rate: Fraction) -> Tracks:
    known = scan.frame[track.rows]
    values = np.concatenate(
        (scan.box[track.rows], scan.landmarks[track.rows].reshape(-1, 10), scan.score[track.rows, None]), axis=1
    ).astype(np.float64)
    # Frames between two detections are interpolated if the detector did not run there, or missed the face briefly.
    at_detection = np.searchsorted(scan.looked, known)
    near = (np.diff(at_detection) == 1) | (np.diff(known) <= max(1, BRIDGE_S * rate))
    pieces = np.split(np.arange(len(known)), np.flatnonzero(~near) + 1)
    frames, smooth, seen = [], [], []
    for piece in pieces:
        run = np.arange(known[piece[0]], known[piece[-1]] + 1)
        raw = np.stack([np.interp(run, known[piece], values[piece, c]) for c in range(values.shape[1])], axis=1)
        frames.append(run)
        smooth.append(_smoothed(raw, rate))
        seen.append(np.isin(run, known[piece]))
    frame, value = np.concatenate(frames).astype(np.int32), np.concatenate(smooth).astype(np.float32)
    return Tracks(
        frame,
        np.full(len(frame), track.number, np.int32),
        np.full(len(frame), track.scene, np.int32),
        np.full(len(frame), track.person, np.int32),
        np.full(len(frame), track.still),
        value[:, :4],
        value[:, 4:14].reshape(-1, 5, 2),
        value[:, 14],
        np.concatenate(seen),
    )


def _smoothed(raw: NDArray[np.float64], rate: Fraction) -> NDArray[np.float64]:
    """(n, 15) smoothed box, landmarks and score of one run without gaps.

    The box follows the landmarks' centre, which the detector locates well. Its size and its offset from that centre are
    noisier and are smoothed over a longer time.
    """
    box, points = raw[:, :4], raw[:, 4:14].reshape(-1, 5, 2)
    centre = points.mean(axis=1)
    shape = gaussian(box - np.tile(centre, 2), float(SHAPE_SIGMA_S * rate))
    position = gaussian(centre, float(POSITION_SIGMA_S * rate))
    steady = gaussian((points - centre[:, None]).reshape(-1, 10), float(POSITION_SIGMA_S * 2 * rate))
    landmarks = steady.reshape(-1, 5, 2) + position[:, None]
    return np.concatenate((shape + np.tile(position, 2), landmarks.reshape(-1, 10), raw[:, 14:]), axis=1)


def gaussian(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian filter of (n, c) along n. Ends are extended by point reflection, so steady motion is unchanged."""
    radius = min(len(values) - 1, int(np.ceil(3 * sigma)))
    if radius < 1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    before = 2 * values[0] - values[radius:0:-1]
    after = 2 * values[-1] - values[-2 : -radius - 2 : -1]
    padded = np.concatenate((before, values, after))
    return np.stack([np.convolve(padded[:, c], kernel, mode="valid") for c in range(values.shape[1])], axis=1)


_NONE, _NEVER = np.zeros(0, np.int32), np.zeros(0, np.bool_)
NO_TRACKS = Tracks(
    _NONE, _NONE, _NONE, _NONE, _NEVER,
    np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32), _NEVER,
)  # fmt: skip


def _table(tracks: list[Tracks]) -> Tracks:
    if not tracks:
        return NO_TRACKS
    names = ("frame", "track", "scene", "person", "still", "box", "landmarks", "score", "detected")
    arrays = [np.concatenate([getattr(t, name) for t in tracks]) for name in names]
    order = np.lexsort((arrays[1], arrays[0]))
    return Tracks(*(array[order] for array in arrays))
