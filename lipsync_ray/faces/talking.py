"""What the mouths of a video's people do beside what is heard: evidence of who speaks, place by place.

All is on a grid of 25 places a second. Nothing is smoothed over a cut.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.courses import averaged, correlated, mean_of_known, spread
from lipsync_ray.media.speech_mel import VOICED

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

RATE = Fraction(25)  # places a second
LAGS = 8  # places by which the sound of a video may be off …
REACH = 15  # … and up to which its sound is compared with a mouth
_ELSEWHERE = 6  # places from the lag at which a mouth does not go with the sound any more
LONG = 25  # places: sync and motion are averaged over a second
_SHORT = 5
_SPOKEN = 0.6  # of a second with a voice in it, from which on it tells the lag
_TELLING = 50  # places that tell a lag: two seconds
_CLEARLY = 0.03  # of the mean cosine by which a person's own lag must be better than everybody's
_STILL = 3e-3  # eye distances: the noise of landmarks
_STILLEST, _LIVELIEST = -5.5, -2.0  # logarithms of motion beyond which a difference says nothing


@dataclass(frozen=True)
class MouthSamples:
    """MouthSamples that were seen, one row for each place and track.

    Attributes
    ----------
    place : (n,) int32, rising
    track : (n,) int32 of the face table
    opening : (n,) float32 of the lips, in distances of the eyes
    seen : (n, 128) float16 of the sync expert, each frame for itself
    """

    place: I32
    track: I32
    opening: F32
    seen: NDArray[np.float16]

    @classmethod
    def none(cls) -> MouthSamples:
        nothing = np.zeros(0, np.int32)
        return cls(nothing, nothing, np.zeros(0, np.float32), np.zeros((0, 128), np.float16))

    @classmethod
    def joined(cls, parts: list[MouthSamples]) -> MouthSamples:
        """Of rows that follow each other."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> MouthSamples:
        with np.load(io.BytesIO(data)) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Heard:
    """A video's own sound, place by place.

    Attributes
    ----------
    points : (n, 128) float32 of the sync expert, of length one
    opening : (n,) float32 course of the opening that goes with it
    voice : (n,) float32 probability that somebody speaks
    timbre : (n, d) float64 of the voice (:mod:`lipsync_ray.media.timbre`)
    """

    points: F32
    opening: F32
    voice: F32
    timbre: F64


@dataclass(frozen=True)
class Run:
    """One track from its first place to its last, NaN where nothing was seen.

    Attributes
    ----------
    person : row of the person
    place : of the first
    cosines : (n, 2 · REACH + 1) of the mouth and the sound, from REACH places later to REACH places earlier than it
    opening : (n,) of the lips, in eye distances
    """

    person: int
    place: int
    cosines: F64
    opening: F64

    @property
    def own(self) -> slice:
        """Its places."""
        return slice(self.place, self.place + len(self.opening))


@dataclass(frozen=True)
class Evidence:
    """What speaks for each person at each place; (k, n) float64 each, NaN where that is not known.

    Attributes
    ----------
    sync : how much better the mouth goes with the sound than with the sound of other moments, over a second
    brief : likewise over a fifth of a second
    motion : logarithm of the opening's standard deviation over a second, in eye distances
    follows : correlation of the opening with the one that is heard, likewise
    """

    sync: F64
    brief: F64
    motion: F64
    follows: F64


def runs_of(mouths: MouthSamples, rows: Mapping[int, int], heard: Heard, follow: Callable[[F32], F32]) -> list[Run]:
    """Compare every mouth with the sound, at each lag.

    Parameters
    ----------
    rows : track → row of its person
    follow : :func:`lipsync_ray.models.sync_judge.follow`
    """
    out = []
    for track in np.unique(mouths.track).tolist():
        own = np.flatnonzero(mouths.track == track)
        places = mouths.place[own]
        first, length = int(places[0]), int(places[-1] - places[0]) + 1
        seen = np.full((length, mouths.seen.shape[1]), np.nan, np.float32)
        opening = np.full(length, np.nan)
        seen[places - first], opening[places - first] = mouths.seen[own], mouths.opening[own]
        points = follow(seen)
        cosines = np.full((length, 2 * REACH + 1), np.nan)
        for column, lag in enumerate(range(-REACH, REACH + 1)):
            sound = np.arange(first, first + length) - lag
            known = (sound >= 0) & (sound < len(heard.points))
            cosines[known, column] = np.einsum("nd,nd->n", points[known], heard.points[sound[known]], dtype=np.float64)
        out.append(Run(rows[track], first, cosines, opening))
    return out


def lag_of(runs: list[Run], voice: F32) -> int:
    """The lag of a whole video: where, while somebody speaks, the mouth that suits best suits best."""
    best = np.full((len(voice), 2 * REACH + 1), -np.inf)
    for run in runs:
        mean = averaged(run.cosines, LONG)
        best[run.own] = np.fmax(best[run.own], mean - mean_of_known(mean)[:, None])
    spoken = averaged((voice >= VOICED).astype(np.float64), LONG) > _SPOKEN
    told = np.isfinite(best).all(axis=1) & spoken
    return _best(best[told].mean(axis=0)) if told.any() else 0


def lags_of(runs: list[Run], course: NDArray[np.integer], people: int, usual: int) -> I32:
    """(k,) the lag of each person, by the places in which that one is taken to speak; the usual one where they are few.

    Parameters
    ----------
    course : (n,) row of the person who speaks at each place; −1 for nobody
    """
    total, count = np.zeros((people, 2 * REACH + 1)), np.zeros(people)
    for run in runs:
        spoken = course[run.own] == run.person
        known = spoken & ~np.isnan(run.cosines).any(axis=1)
        total[run.person] += run.cosines[known].sum(axis=0)
        count[run.person] += known.sum()
    everybody = _best(total.sum(axis=0)) if count.sum() >= _TELLING else usual
    out = np.full(people, everybody, np.int32)
    for person in np.flatnonzero(count >= _TELLING):
        mean, own = total[person] / count[person], _best(total[person])
        if mean[own + REACH] > mean[everybody + REACH] + _CLEARLY:
            out[person] = own
    return out


def _best(by_lag: F64) -> int:
    return int(by_lag[REACH - LAGS : REACH + LAGS + 1].argmax()) - LAGS


def evidence(runs: list[Run], heard: Heard, lags: NDArray[np.integer]) -> Evidence:
    """What speaks for each of the persons, whose lips come late by (k,) places."""
    shape = (len(lags), len(heard.voice))
    out = {field.name: np.full(shape, np.nan) for field in fields(Evidence)}
    for run in runs:
        lag = int(lags[run.person])
        expected = np.full(shape[1], np.nan)
        sound = np.arange(shape[1]) - lag
        inside = (sound >= 0) & (sound < shape[1])
        expected[inside] = heard.opening[sound[inside]]
        for name, course in _courses(run, lag, expected[run.own]).items():
            before = out[name][run.person, run.own]
            out[name][run.person, run.own] = np.where(np.isnan(course), before, course)
    return Evidence(**out)


def _courses(run: Run, lag: int, expected: F64) -> dict[str, F64]:
    far = np.abs(np.arange(-REACH, REACH + 1) - lag) >= _ELSEWHERE
    contrast = run.cosines[:, lag + REACH] - mean_of_known(run.cosines[:, far])
    return {
        "sync": averaged(contrast, LONG),
        "brief": averaged(contrast, _SHORT),
        "motion": np.clip(np.log(spread(run.opening, LONG) + _STILL), _STILLEST, _LIVELIEST),
        "follows": correlated(run.opening, expected, LONG),
    }
