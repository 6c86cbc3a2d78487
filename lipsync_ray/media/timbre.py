"""How a voice sounds: cepstra of speech's mel, place by place, by which one recording's voices are told apart."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import mel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_AROUND = (-2, -1, 0, 1)  # columns beside a place's middle that make it


def timbre(columns: F32, places: int, rate: Fraction, coefficients: int) -> F64:
    """(places, coefficients) cepstra of (c, 80) mel without the first, which is loudness, at places of a rate.

    Beyond the sound's end its last column goes on.
    """
    bands = np.arange(mel.BANDS)
    waves = np.cos(np.pi / mel.BANDS * (bands + 0.5) * np.arange(1, coefficients + 1)[:, None])
    every = columns.astype(np.float64) @ (waves.T * np.sqrt(2 / mel.BANDS))
    if not len(every):
        return np.zeros((places, coefficients))
    middles = ((2 * np.arange(places) + 1) * mel.COLUMNS_PER_S * rate.denominator) // (2 * rate.numerator)
    return np.asarray(
        np.mean([every[np.clip(middles + step, 0, len(every) - 1)] for step in _AROUND], axis=0), np.float64
    )
