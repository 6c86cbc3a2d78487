"""A person's mouth, measured over a whole video: rest shape by head pose, closed shape, widest opening."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.easing import smoothstep
from lipsync_ray.faces.mesh import INDEX_OF, NOSE, RING, SPEAKING, TALKING, Heads, gap_of, heads_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

_FITTED = 50  # frames needed to model the effect of the head's pose
_RIDGE = 1e-3
_CLOSED, _OPEN = 0.05, 0.98  # quantiles of the opening
_STILL = 0.012  # eye distances: a mouth that moves less is not speaking
_USUAL = 0.038  # the same: median of 1,911 clips of 1.2 s
_AMPLITUDES = (0.6, 1.6)
_AS_WIDE = 0.7  # of a person's widest opening: a track that reaches it uses its own frame for the teeth
# Opening beyond rest in eye distances, over 155 clips: median of the widest frame, and 0.999 quantile of all frames.
_WIDEST = (0.12, 0.24)
_RESTING = (0.05, 0.02)  # lip gap at rest, in eye distances: people who talk all the time have .05 to .12
_ROLLED_IN = (
    0.66,
    0.78,
)  # of the red's height at rest: lips pressed together have .6; others, over four videos, .71 and more
_MIDDLE = (4, 5, 6, 14, 15, 16)  # of a ring of lip landmarks: the lower lip's middle, and the upper one's
_HOLE = 5  # frames without a mesh that are filled in


@dataclass(frozen=True)
class Mouth:
    """A track's mouth, in the head's own frame (:mod:`lipsync_ray.faces.mesh`), from all frames of its person.

    Attributes
    ----------
    track : of the face table
    pose : (2,) median position of the tip of the nose, which depends on the head's rotation
    rest : (4, len(SPEAKING), 2) float32 rest positions of the landmarks, as coefficients of 1, yaw, pitch, yaw²
    closed : (len(SPEAKING), 2) float32 displacements from rest in its most closed frames
    open_frame : a frame with the mouth wide open
    open_gap : gap between the lips there, in eye distances
    spread : standard deviation of the gap
    frames : number of measured frames
    """

    track: int
    pose: F32
    rest: F32
    closed: F32
    open_frame: int
    open_gap: float
    spread: float
    frames: int

    @property
    def speaks(self) -> bool:
        """Whether the mouth moved: its rest is then the mean of speech, else its constant, mostly closed, shape."""
        return self.spread >= _STILL

    @property
    def amplitude(self) -> float:
        """How far this person opens the mouth in speech, relative to most people; 1 with too few frames."""
        if self.frames < _FITTED or not self.speaks:
            return 1.0
        return float(np.clip(self.spread / _USUAL, *_AMPLITUDES))

    @property
    def widest(self) -> float:
        """Largest opening beyond rest, in eye distances: 1.5 × the measured one, within the range of people who talk."""
        if self.frames < _FITTED or not self.speaks:
            return _WIDEST[1]
        return float(np.clip(1.5 * (self.open_gap - float(gap_of(self.rest[:1].astype(np.float64))[0])), *_WIDEST))

    @property
    def shut(self) -> float:
        """How far the mouth at rest is shut, 0 to 1. A person who is silent most of the time rests so, and their lips would
        meet too often in speech, whose mean is open.
        """
        open_at, shut_at = _RESTING
        return float(np.clip((open_at - gap_of(self.rest[:1].astype(np.float64))[0]) / (open_at - shut_at), 0, 1))

    def rolled_in(self, points: NDArray[np.floating], heads: Heads) -> F64:
        """(n,) how far the lips are rolled in in frames with (n, len(KEPT), 2) landmarks, 0 to 1: the red of them is thinner than
        this person's at rest. What is not seen cannot be moved.
        """
        lips = _thickness(heads.inside(points[:, TALKING])) / _thickness(self.rest_of(points, heads))
        hidden, visible = _ROLLED_IN
        return smoothstep((visible - lips) / (visible - hidden))

    def rest_of(self, points: NDArray[np.floating], heads: Heads) -> F64:
        """(n, len(SPEAKING), 2) rest positions for the head poses of (n, len(KEPT), 2) landmarks."""
        turned = _terms(_nose(points, heads) - self.pose)
        return np.asarray(np.einsum("nk,ksc->nsc", turned, self.rest.astype(np.float64)), np.float64)

    def closed_of(self, points: NDArray[np.floating], heads: Heads) -> F64:
        """The same of the most closed lips."""
        return self.rest_of(points, heads) + self.closed


def _thickness(inside: F64) -> F64:
    """(n,) height of the red of both lips in their middle."""
    parts = inside[:, _MIDDLE] - inside[:, [RING + at for at in _MIDDLE]]
    return np.asarray(np.linalg.norm(parts, axis=-1).mean(1), np.float64)


def mouth_of(track: int, frames: NDArray[np.integer], points: NDArray[np.floating]) -> Mouth:
    """Measure a mouth from (n, len(KEPT), 2) landmarks of a person's frames; n at least 1."""
    heads = heads_of(points)
    inside = heads.inside(points[:, TALKING])
    nose = _nose(points, heads)
    pose = np.median(nose, axis=0).astype(np.float32)
    terms = _terms(nose - pose)
    rest = np.zeros((4, len(SPEAKING), 2))
    if len(points) >= _FITTED:
        turned = terms[:, 1:] - terms[:, 1:].mean(0)
        moment = turned.T @ turned
        # A head that does not move gives no pose dependence: the ridge then makes it zero.
        scale = moment + (_RIDGE * np.trace(moment) / 3 + 1e-9 * len(points)) * np.eye(3)
        flat = (inside - inside.mean(0)).reshape(len(points), -1)
        rest[1:] = np.linalg.solve(scale, turned.T @ flat).reshape(3, len(SPEAKING), 2)
    rest[0] = np.median(inside - np.einsum("nk,ksc->nsc", terms, rest), axis=0)
    steps = inside - np.einsum("nk,ksc->nsc", terms, rest)
    gaps = gap_of(inside)
    rising = np.argsort(gaps, kind="stable")
    few = rising[: max(1, int(np.ceil(_CLOSED * len(gaps))))]
    widest = _widest(gaps)
    return Mouth(
        track,
        pose,
        rest.astype(np.float32),
        steps[few].mean(0).astype(np.float32),
        int(frames[widest]),
        float(gaps[widest]),
        float(gaps.std()),
        len(gaps),
    )


def _nose(points: NDArray[np.floating], heads: Heads) -> F64:
    """(n, 2) tip of the nose in the head's own frame: right of the middle as the head turns, down as it nods."""
    return heads.inside(points[:, [INDEX_OF[NOSE]]])[:, 0]


def _terms(turned: F64) -> F64:
    yaw, pitch = turned[:, 0], turned[:, 1]
    return np.stack((np.ones_like(yaw), yaw, pitch, yaw * yaw), axis=1)


class Mouths(NamedTuple):
    """The mouths of a dub's chosen tracks, and the track of each source frame.

    Attributes
    ----------
    tracks : (frames,) int32 track of each frame of the video; −1 where there is no mesh
    by_track : track → its mouth
    """

    tracks: I32
    by_track: dict[int, Mouth]

    def to_bytes(self) -> bytes:
        mouths = list(self.by_track.values())
        arrays: dict[str, Any] = {
            field.name: np.array([getattr(mouth, field.name) for mouth in mouths]) for field in fields(Mouth)
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, tracks=self.tracks, **{f"mouth_{name}": array for name, array in arrays.items()})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Mouths:
        with np.load(io.BytesIO(data)) as arrays:
            tracks = arrays["tracks"]
            columns = {field.name: arrays[f"mouth_{field.name}"] for field in fields(Mouth)}
        mouths = [
            Mouth(int(track), pose, rest, closed, int(frame), float(gap), float(spread), int(count))
            for track, pose, rest, closed, frame, gap, spread, count in zip(*columns.values(), strict=True)
        ]
        return cls(tracks, {mouth.track: mouth for mouth in mouths})


def fill_holes(points: F32, tracks: I32) -> None:
    """Fill short runs of frames without a mesh, in place: linear between the frames around them, within a track.

    Parameters
    ----------
    points : (frames, len(KEPT), 2); NaN where there is none
    tracks : (frames,) track that each frame's face belongs to; −1 where there is no face
    """
    there = np.flatnonzero(~np.isnan(points[:, 0, 0]))
    for before, after in zip(there[:-1].tolist(), there[1:].tolist(), strict=True):
        run = range(before + 1, after)
        if 0 < len(run) <= _HOLE and all(tracks[frame] == tracks[before] == tracks[after] for frame in run):
            for frame in run:
                part = np.float32((frame - before) / (after - before))
                points[frame] = points[before] + part * (points[after] - points[before])


def mouths_of(points: F32, tracks: I32, persons: Mapping[int, int]) -> Mouths:
    """Measure mouths; each from all frames of its person, in all scenes.

    Parameters
    ----------
    points : (frames, len(KEPT), 2); frames with NaN belong to no mouth
    tracks : (frames,) track that each frame's face belongs to; −1 where there is no face
    persons : track → person
    """
    tracks_at = np.where(np.isnan(points[:, 0, 0]), -1, tracks).astype(np.int32)
    own = {track: np.flatnonzero(tracks_at == track) for track in np.unique(tracks_at).tolist() if track >= 0}
    by_person: dict[int, list[int]] = {}
    for track in own:
        by_person.setdefault(persons[track], []).append(track)
    by_track: dict[int, Mouth] = {}
    for several in by_person.values():
        frames = np.sort(np.concatenate([own[track] for track in several]))
        mouth = mouth_of(several[0], frames, points[frames])
        by_track |= {track: _in_own_light(mouth, track, own[track], points) for track in several}
    return Mouths(tracks_at, dict(sorted(by_track.items())))


def _in_own_light(mouth: Mouth, track: int, frames: NDArray[np.intp], points: F32) -> Mouth:
    """A person's mouth with the open frame of this track, if it opens wide there, too."""
    visible = points[frames]
    gaps = gap_of(heads_of(visible).inside(visible[:, TALKING]))
    widest = _widest(gaps)
    if gaps[widest] < _AS_WIDE * mouth.open_gap:
        return replace(mouth, track=track)
    return replace(mouth, track=track, open_frame=int(frames[widest]), open_gap=float(gaps[widest]))


def _widest(gaps: F64) -> int:
    return int(np.argsort(gaps, kind="stable")[int(_OPEN * (len(gaps) - 1))])
