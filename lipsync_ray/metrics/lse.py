"""LSE-D, LSE-C and the AV offset from embeddings.

Prajwal et al. 2020; Chung & Zisserman 2016; ``calc_pdist`` and ``evaluate`` of github.com/joonson/syncnet_python.

Each lip window is compared with the sound 15 frames before it to 15 after. The mean distance over all windows, as a
function of the shift, is the curve; LSE-D is its minimum, LSE-C how far that lies below the median, and where it lies
is the offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MAX_SHIFT = 15  # frames of 40 ms, either way
SHIFTS = 2 * MAX_SHIFT + 1
SMOOTH = 9  # windows: median filter of the per-frame confidence
_EPS = 1e-6  # that torch's pairwise_distance adds to each difference
_CHUNK = 256


@dataclass(frozen=True)
class SyncScore:
    """How well one face track and its sound agree.

    Attributes
    ----------
    distance : the curve's minimum (LSE-D for SyncNet); lower is better
    confidence : the curve's median less its minimum (LSE-C); higher is better
    offset : frames of 40 ms by which the sound leads the picture at the minimum; 0 is in sync
    curve : (31,) mean distance at shifts +15 … −15; NaN at one that a very short track has no pair for
    per_window : confidence around each window, smoothed over nine
    """

    distance: float
    confidence: float
    offset: int
    curve: tuple[float, ...]
    per_window: tuple[float, ...]

    @property
    def windows(self) -> int:
        return len(self.per_window)


def score(lips: F32, sounds: F32, padded: bool) -> SyncScore:
    """The score of one track.

    Parameters
    ----------
    lips, sounds : (n, d), n ≥ 1
    padded : beyond its ends the sound is zero vectors, which enter the mean (as published); else only pairs that exist
        do
    """
    distances = shifted_distances(lips, sounds, padded)
    curve = mean_curve(distances)
    best = int(np.nanargmin(curve))
    near = float(curve[best])
    middle = float(np.nanmedian(curve))
    own = np.nan_to_num(middle - distances[:, best].astype(np.float64), nan=0.0)
    return SyncScore(
        near, middle - near, MAX_SHIFT - best, tuple(curve.tolist()), tuple(median_filter(own, SMOOTH).tolist())
    )


def mean_curve(rows: NDArray[np.floating[Any]]) -> F64:
    """(31,) mean of (n, 31) rows, of what is not NaN."""
    there = ~np.isnan(rows)
    total = np.where(there, rows, 0).sum(axis=0, dtype=np.float64)
    count = there.sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float64)


def shifted_distances(lips: F32, sounds: F32, padded: bool) -> F32:
    """(n, 31): distance of each lip window to the sounds around it, column s to window i + s − 15.

    NaN beyond the ends, unless ``padded``.
    """
    count = len(lips)
    around = np.pad(sounds, ((MAX_SHIFT, MAX_SHIFT), (0, 0)))
    near = np.lib.stride_tricks.sliding_window_view(around, SHIFTS, axis=0)  # (n, d, 31), nothing copied
    out = np.empty((count, SHIFTS), np.float32)
    for start in range(0, count, _CHUNK):
        difference = lips[start : start + _CHUNK, :, None] - near[start : start + _CHUNK] + np.float32(_EPS)
        out[start : start + _CHUNK] = np.sqrt(np.einsum("nds,nds->ns", difference, difference))
    if not padded:
        other = np.arange(count)[:, None] + np.arange(SHIFTS)[None] - MAX_SHIFT
        out[(other < 0) | (other >= count)] = np.nan
    return out


def windows_of(frames: int, samples: int) -> int:
    """Windows that a track of so many frames at 25/s and 16 kHz samples is scored by: one fewer than would fit."""
    return max(0, min(frames, samples // 640) - 5)


def median_filter(values: F64, size: int) -> F64:
    """The median of the ``size`` (odd) values around each one; zeros beyond the ends, as scipy's medfilt in the originals."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(values, size // 2), size)
    return np.asarray(np.median(around, axis=-1), np.float64)
