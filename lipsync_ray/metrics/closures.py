"""Closures of lips, from their gap in every frame: at given moments, and short ones against a reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Gaps = NDArray[np.floating]

NEAR_S = 0.12  # around a moment within which lips may close
SHORT_S = 0.24  # a longer closure is a pause
_TOLERANCE = 1  # frames by which closures may differ


def least_gaps(gaps: Gaps, frames: Sequence[int], near: int) -> F64:
    """(k,) smallest gap within `near` frames of each of k frames; `gaps` is (n,)."""
    return np.array([gaps[max(0, frame - near) : frame + near + 1].min() for frame in frames], np.float64)


def auc(higher: NDArray[np.floating], lower: NDArray[np.floating]) -> float:
    """Probability that one of `higher`, (n,), exceeds one of `lower`, (m,), where equal ones count half; 0.5 if either is
    empty.
    """
    if not len(higher) or not len(lower):
        return 0.5
    values, place = np.unique(np.concatenate((higher, lower)), return_inverse=True)
    below = np.bincount(place[len(higher) :], minlength=len(values))
    under = np.cumsum(below) - below / 2
    return float(under[place[: len(higher)]].mean() / len(lower))


def short_closures(closed: NDArray[np.bool_], most: int) -> list[slice]:
    """Runs of at most `most` closed frames, (n,), with an open frame before and after."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], closed.astype(np.int8), [0]))))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [slice(begin, end) for begin, end in pairs if begin > 0 and end < len(closed) and end - begin <= most]


def shared_closures(closed: NDArray[np.bool_], reference: NDArray[np.bool_], most: int) -> tuple[int, int]:
    """Number of short closures of `closed`, (n,), with a closed frame of `reference` within a frame of them; of all."""
    found = short_closures(closed, most)
    shared = sum(bool(reference[max(0, run.start - _TOLERANCE) : run.stop + _TOLERANCE].any()) for run in found)
    return shared, len(found)
