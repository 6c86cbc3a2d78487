"""Measures how well each visible mouth agrees with the sound, as evidence of who speaks.

Everything is sampled at 25 Hz ("steps"). No average crosses a scene cut.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.speech_mel import VOICED
from lipsync_ray.media.time_series import averaged, correlated, mean_of_known, spread

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]

RATE = Fraction(25)  # Hz: the grid of all arrays here
LAGS = 8  # steps: largest offset between sound and picture
REACH = 15  # steps: largest lag at which a mouth and the sound are compared
_ELSEWHERE = 6  # steps from the true lag, at which mouth and sound no longer correspond
LONG = 25  # steps: sync and motion are averaged over 1 s
_SHORT = 5
_SPOKEN = 0.6  # share of the averaging window that must be voiced to estimate the lag
_TELLING = 50  # steps needed to estimate a person's own lag: 2 s
_CLEARLY = 0.03  # mean cosine by which a person's own lag must beat the common one
_MOVES = 0.02  # eye distances: standard deviation of the opening over 1 s; a poster filmed by hand has up to 0.008, speech 0.05
_STILL = 3e-3  # eye distances: noise of the landmarks
_STILLEST, _LIVELIEST = -5.5, -2.0  # range of log motion; differences outside it are not informative


@dataclass(frozen=True)
class MouthSamples:
    """Mouths detected in a video, one row per step and track.

    Attributes
    ----------
    place : (n,) int32 step, ascending
    track : (n,) int32 of the face table
    opening : (n,) float32 opening of the lips, in eye distances
    seen : (n, 128) float16 per-frame mouth features (:func:`lipsync_ray.models.sync_judge.encode_mouths`)
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
        """Concatenate consecutive samples."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def of_tracks(self, tracks: NDArray[np.integer]) -> MouthSamples:
        """The rows of some tracks."""
        kept = np.isin(self.track, tracks)
        return MouthSamples(*(getattr(self, field.name)[kept] for field in fields(self)))

    def opens_and_closes(self, track: int) -> bool:
        """Whether the mouth of a track moves as in speech, for half a second or longer; that of a poster does not."""
        own = self.track == track
        steps = self.place[own]
        if not len(steps):
            return False
        opening = np.full(int(steps[-1] - steps[0]) + 1, np.nan)
        opening[steps - steps[0]] = self.opening[own]
        return int((spread(opening, LONG) > _MOVES).sum()) >= LONG

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> MouthSamples:
        with np.load(io.BytesIO(data)) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class AudioFeatures:
    """Features of a video's own sound, at 25 Hz.

    Attributes
    ----------
    points : (n, 128) float32 sound embeddings of the sync judge, unit length
    opening : (n,) float32 mouth opening predicted from the sound, without unit
    voice : (n,) float32 probability of speech, 0–1
    timbre : (n, d) float64 cepstra of the voice (:mod:`lipsync_ray.media.timbre`)
    """

    points: F32
    opening: F32
    voice: F32
    timbre: F64


@dataclass(frozen=True)
class MouthTrack:
    """A track from its first step to its last; NaN where the mouth was not detected.

    Attributes
    ----------
    person : row of its person
    start : first step
    cosines : (n, 2 · REACH + 1) cosine of mouth and sound embeddings, with the mouth from REACH steps earlier to REACH
        steps later than the sound
    opening : (n,) opening of the lips, in eye distances
    """

    person: int
    start: int
    cosines: F64
    opening: F64

    @property
    def own(self) -> slice:
        """Its range of steps."""
        return slice(self.start, self.start + len(self.opening))


@dataclass(frozen=True)
class Evidence:
    """Evidence for each person at each step; (k, n) float64 each, NaN if unknown.

    Attributes
    ----------
    sync : cosine of mouth and sound minus its mean at other lags, averaged over 1 s
    brief : the same over 0.2 s
    motion : natural logarithm of the opening's standard deviation over 1 s, in eye distances
    follows : correlation of the opening with the one predicted from the sound, over 1 s
    """

    sync: F64
    brief: F64
    motion: F64
    follows: F64


def runs_of(
    mouths: MouthSamples, rows: Mapping[int, int], audio: AudioFeatures, follow: Callable[[F32], F32]
) -> list[MouthTrack]:
    """Compare every mouth with the sound, at each lag.

    Parameters
    ----------
    rows : track → row of its person
    follow : :func:`lipsync_ray.models.sync_judge.follow`
    """
    out = []
    for track in np.unique(mouths.track).tolist():
        own = np.flatnonzero(mouths.track == track)
        steps = mouths.place[own]
        first, length = int(steps[0]), int(steps[-1] - steps[0]) + 1
        seen = np.full((length, mouths.seen.shape[1]), np.nan, np.float32)
        opening = np.full(length, np.nan)
        seen[steps - first], opening[steps - first] = mouths.seen[own], mouths.opening[own]
        points = follow(seen)
        cosines = np.full((length, 2 * REACH + 1), np.nan)
        for column, lag in enumerate(range(-REACH, REACH + 1)):
            sound = np.arange(first, first + length) - lag
            known = (sound >= 0) & (sound < len(audio.points))
            cosines[known, column] = np.einsum("nd,nd->n", points[known], audio.points[sound[known]], dtype=np.float64)
        out.append(MouthTrack(rows[track], first, cosines, opening))
    return out


def lag_of(runs: list[MouthTrack], voice: F32) -> int:
    """The lag of a whole video in steps, positive if the lips are late.

    It maximises, over voiced steps, the agreement of whichever mouth agrees best.
    """
    best = np.full((len(voice), 2 * REACH + 1), -np.inf)
    for run in runs:
        mean = averaged(run.cosines, LONG)
        best[run.own] = np.fmax(best[run.own], mean - mean_of_known(mean)[:, None])
    spoken = averaged((voice >= VOICED).astype(np.float64), LONG) > _SPOKEN
    usable = np.isfinite(best).all(axis=1) & spoken
    return _best(best[usable].mean(axis=0)) if usable.any() else 0


def lags_of(runs: list[MouthTrack], speaker: NDArray[np.integer], people: int, usual: int) -> I32:
    """(k,) lag of each person in steps, from the steps at which they speak; with too few of them, `usual`.

    Parameters
    ----------
    speaker : (n,) row of the person who speaks at each step; −1 for nobody
    usual : lag of the video
    """
    total, count = np.zeros((people, 2 * REACH + 1)), np.zeros(people)
    for run in runs:
        spoken = speaker[run.own] == run.person
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


def evidence(runs: list[MouthTrack], audio: AudioFeatures, lags: NDArray[np.integer]) -> Evidence:
    """Compute the evidence for persons whose lips are (k,) `lags` steps late."""
    shape = (len(lags), len(audio.voice))
    out = {field.name: np.full(shape, np.nan) for field in fields(Evidence)}
    for run in runs:
        lag = int(lags[run.person])
        expected = np.full(shape[1], np.nan)
        sound = np.arange(shape[1]) - lag
        inside = (sound >= 0) & (sound < shape[1])
        expected[inside] = audio.opening[sound[inside]]
        for name, values in _evidence_of(run, lag, expected[run.own]).items():
            before = out[name][run.person, run.own]
            out[name][run.person, run.own] = np.where(np.isnan(values), before, values)
    return Evidence(**out)


def _evidence_of(run: MouthTrack, lag: int, expected: F64) -> dict[str, F64]:
    far = np.abs(np.arange(-REACH, REACH + 1) - lag) >= _ELSEWHERE
    contrast = run.cosines[:, lag + REACH] - mean_of_known(run.cosines[:, far])
    return {
        "sync": averaged(contrast, LONG),
        "brief": averaged(contrast, _SHORT),
        "motion": np.clip(np.log(spread(run.opening, LONG) + _STILL), _STILLEST, _LIVELIEST),
        "follows": correlated(run.opening, expected, LONG),
    }
