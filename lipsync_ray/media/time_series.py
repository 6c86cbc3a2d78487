"""Sliding-window statistics of time series with missing values (NaN)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_KNOWN = 0.3  # share of a window's values that must be known …
_FEWEST = 3  # … and their least number
_FLAT = 1e-4  # sum of squares below which a series counts as constant


def averaged(series: F64, width: int) -> F64:
    """(n, …) mean over a centred window of `width` values, an odd number; NaN if too few are known."""
    known = ~np.isnan(series)
    count = _summed(known.astype(np.float64), width)
    total = _summed(np.where(known, series, 0.0), width)
    return np.where(count >= max(_FEWEST, _KNOWN * width), total / np.maximum(count, 1), np.nan)


def mean_of_known(series: F64) -> F64:
    """(n,) mean of the known values in each row of (n, m); NaN without any."""
    known = ~np.isnan(series)
    total = np.where(known, series, 0.0).sum(axis=1)
    return np.asarray(np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan), np.float64)


def spread(series: F64, width: int) -> F64:
    """(n,) standard deviation over the same windows."""
    mean = averaged(series, width)
    return np.asarray(np.sqrt(np.maximum(averaged(series**2, width) - mean**2, 0)), np.float64)


def correlated(a: F64, b: F64, width: int) -> F64:
    """(n,) Pearson correlation of two series over centred windows of `width` values; shrinks to 0 for nearly constant
    series.
    """
    known = ~(np.isnan(a) | np.isnan(b))
    a, b = np.where(known, a, np.nan), np.where(known, b, np.nan)
    count = np.maximum(_summed(known.astype(np.float64), width), 1)
    mean_a, mean_b = averaged(a, width), averaged(b, width)
    both = (averaged(a * b, width) - mean_a * mean_b) * count
    moved_a = np.maximum(averaged(a * a, width) - mean_a**2, 0) * count
    moved_b = np.maximum(averaged(b * b, width) - mean_b**2, 0) * count
    return np.asarray(both / np.sqrt((moved_a + _FLAT) * (moved_b + _FLAT)), np.float64)


def _summed(series: F64, width: int) -> F64:
    """Sum over a centred window, which is shorter at the ends."""
    half = width // 2
    # Summed per window, not as differences of a cumulative sum: rounding must not depend on distant values.
    out = np.zeros_like(series)
    for step in range(-half, half + 1):
        low, high = max(0, step), min(len(series), len(series) + step)
        if high > low:
            out[low - step : high - step] += series[low:high]
    return out


def true_runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[first, last) of each run of true values, in order."""
    return [run for run in equal_runs(flags) if flags[run[0]]]


def equal_runs(numbers: NDArray[Any]) -> list[tuple[int, int]]:
    """[first, last) of each run of equal values, in order."""
    edges = (np.flatnonzero(np.diff(numbers)) + 1).tolist()
    return list(pairwise([0, *edges, len(numbers)])) if len(numbers) else []
