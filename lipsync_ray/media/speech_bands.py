"""Fills in mel bands that a recording lacks, such as a telephone's, with the expected values of speech.

Each column's missing bands are their expectation under a normal distribution of speech's columns, given the bands that are
there: the reconstruction of missing features of Raj, Seltzer and Stern (Speech Communication 43, 2004) by a single covariance.
The distribution was measured on clips of people who talk (``tools/measure_speech.py``).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.mel import BANDS, SILENCE

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

FILE = Path(__file__).parent / "data" / "speech_bands.npz"
LOUD = 0.0  # loudest band of a column, above which the column is used to find missing bands
_QUANTILE = 0.9  # of those columns
_MISSING = 1.6  # below typical speech: 20 dB
_LEAST, _MOST = 3, 40  # missing bands at an edge; with more missing, the sound is not treated as speech
_STEPS_PER_UNIT = 16
_RIDGE = 0.1


class SpeechBands(NamedTuple):
    """Statistics of speech columns at the level of :mod:`lipsync_ray.media.speech_mel`.

    Attributes
    ----------
    mean : (80,) float64
    covariance : (80, 80) float64
    usual : (80,) float64, the 0.9 quantile of loud columns
    """

    mean: F64
    covariance: F64
    usual: F64


class BandLevels:
    """Levels of a sound's bands, as one histogram per band for any length."""

    def __init__(self) -> None:
        self._counts = np.zeros((BANDS, round(-2 * SILENCE * _STEPS_PER_UNIT) + 1), np.int64)

    def add(self, columns: F32) -> None:
        """Add (n, 80) float32 mel columns."""
        loud = columns[columns.max(axis=1, initial=SILENCE) > LOUD]
        steps = np.rint((loud - SILENCE) * _STEPS_PER_UNIT).astype(np.int64)
        flat = (steps + np.arange(BANDS) * self._counts.shape[1]).ravel()
        self._counts += np.bincount(flat, minlength=self._counts.size).reshape(self._counts.shape)

    def high(self) -> F64 | None:
        """(80,) the 0.9 quantile of each band in loud columns; None without any."""
        total = int(self._counts[0].sum())
        if not total:
            return None
        level = (self._counts.cumsum(axis=1) >= _QUANTILE * total).argmax(axis=1)
        return np.asarray(level / _STEPS_PER_UNIT + SILENCE, np.float64)

    def missing(self) -> Bools:
        """(80,) bool: bands at either end of the spectrum that the sound lacks."""
        high = self.high()
        out = np.zeros(BANDS, bool)
        if high is None:
            return out
        there = high >= usual_speech().usual - _MISSING
        first, last = int(there.argmax()), BANDS - int(there[::-1].argmax())
        # The filter that removed them also attenuates the adjacent band.
        out[: first + 1 if first >= _LEAST else 0] = True
        out[last - 1 if BANDS - last >= _LEAST else BANDS :] = True
        return out if 0 < out.sum() <= _MOST else np.zeros(BANDS, bool)


def filled(columns: F32, missing: Bools) -> F32:
    """(n, 80) float32 mel with its missing bands set to their expectation given the others."""
    speech, there = usual_speech(), ~missing
    known = speech.covariance[np.ix_(there, there)] + _RIDGE * np.eye(int(there.sum()))
    weights = np.linalg.solve(known, speech.covariance[np.ix_(there, missing)])
    out = columns.copy()
    expected = speech.mean[missing] + (columns[:, there] - speech.mean[there]) @ weights
    out[:, missing] = np.clip(expected, SILENCE, -SILENCE)
    return out


@cache
def usual_speech() -> SpeechBands:
    """Load the measured statistics."""
    with np.load(FILE) as arrays:
        return SpeechBands(*(arrays[name].astype(np.float64) for name in SpeechBands._fields))
