"""Cepstra of speech, as features that tell the voices of one recording apart."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import mel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_AROUND = (-2, -1, 0, 1)  # mel columns around a step's middle that are averaged


def timbre(columns: F32, steps: int, rate: Fraction, coefficients: int) -> F64:
    """(steps, coefficients) cepstra of (c, 80) mel at a given rate, without coefficient 0, the loudness.

    After the sound's end its last column is repeated.

    Parameters
    ----------
    columns : (c, 80) float32 mel (:mod:`lipsync_ray.media.mel`)
    steps : number of rows
    rate : rows per second
    coefficients : numbers per row
    """
    bands = np.arange(mel.BANDS)
    waves = np.cos(np.pi / mel.BANDS * (bands + 0.5) * np.arange(1, coefficients + 1)[:, None])
    every = columns.astype(np.float64) @ (waves.T * np.sqrt(2 / mel.BANDS))
    if not len(every):
        return np.zeros((steps, coefficients))
    middles = ((2 * np.arange(steps) + 1) * mel.COLUMNS_PER_S * rate.denominator) // (2 * rate.numerator)
    return np.asarray(
        np.mean([every[np.clip(middles + step, 0, len(every) - 1)] for step in _AROUND], axis=0), np.float64
    )
