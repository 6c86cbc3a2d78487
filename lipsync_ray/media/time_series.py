"""Arithmetic on series: numbers at places one after the other, NaN where nothing is known."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_KNOWN = 0.3  # of a window's places, from which on it is told of …
_FEWEST = 3  # … and so many at least
_FLAT = 1e-4  # sum of squares below which a series does not move


def averaged(series: F64, width: int) -> F64:
    """(n, …) means over `width` places around each, an odd number; NaN where too few of them are known."""
    known = ~np.isnan(series)
    count = _summed(known.astype(np.float64), width)
    total = _summed(np.where(known, series, 0.0), width)
    return np.where(count >= max(_FEWEST, _KNOWN * width), total / np.maximum(count, 1), np.nan)


def mean_of_known(series: F64) -> F64:
    """(n,) means of the known numbers of (n, m); NaN where there are none."""
    known = ~np.isnan(series)
    total = np.where(known, series, 0.0).sum(axis=1)
    return np.asarray(np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan), np.float64)


def spread(series: F64, width: int) -> F64:
    """(n,) standard deviations, likewise."""
    mean = averaged(series, width)
    return np.asarray(np.sqrt(np.maximum(averaged(series**2, width) - mean**2, 0)), np.float64)


def correlated(a: F64, b: F64, width: int) -> F64:
    """(n,) Pearson's correlations of two series over `width` places around each; towards 0 where they hardly move."""
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = np.where(known, a, np.nan), np.where(known, b, np.nan)
    count = np.maximum(_summed(known.astype(np.float64), width), 1)
    mean_a, mean_b = averaged(a, width), averaged(b, width)
    both = (averaged(a * b, width) - mean_a * mean_b) * count
    moved_a = np.maximum(averaged(a * a, width) - mean_a**2, 0) * count
    moved_b = np.maximum(averaged(b * b, width) - mean_b**2, 0) * count
    return np.asarray(both / np.sqrt((moved_a + _FLAT) * (moved_b + _FLAT)), np.float64)


def _summed(series: F64, width: int) -> F64:
    """Sums over places around each, fewer at the ends."""
    half = width // 2
    # Of small windows, not differences of one long sum: a place's result must not depend on what lies far from it.
    out = np.zeros_like(series)
    for step in range(-half, half + 1):
        low, high = max(0, step), min(len(series), len(series) + step)
        if high > low:
            out[low - step : high - step] += series[low:high]
    return out


def equal_runs(numbers: NDArray[Any]) -> list[tuple[int, int]]:
    """[first, last) of each run of one number, in order."""
    edges = (np.flatnonzero(np.diff(numbers)) + 1).tolist()
    return list(pairwise([0, *edges, len(numbers)])) if len(numbers) else []
