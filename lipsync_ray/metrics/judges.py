"""What judges say of lips and sound: pure functions on courses of 25 numbers a second.

An opening is the distance of the lips at their middle in distances of the eyes' outer corners, NaN where there is no face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Course = NDArray[np.floating]

LAGS = 8  # places to either side
FARTHEST = 15  # likewise, for both judges together: as far as a scorer looks
FEWEST = 50  # places that a correlation is told of: two seconds
_STILL = 3e-3  # eye distances: what moves less is the noise of its landmarks
_FEWEST_SILENT = 10


@dataclass(frozen=True)
class AtLags:
    """How lips follow a sound, at several lags.

    Attributes
    ----------
    r : correlation of the opening with the expected one, or mean cosine of a sync expert's points, at no lag
    best, lag : the highest within ±8 places, and where; positive where the lips come late
    """

    r: float
    best: float
    lag: int


def correlation(a: Course, b: Course) -> float | None:
    """Pearson's, over the places where both are known; None of fewer than fifty, or of one that does not move."""
    length = min(len(a), len(b))
    a, b = np.asarray(a[:length], np.float64), np.asarray(b[:length], np.float64)
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < FEWEST or a[known].std() < _STILL or b[known].std() < _STILL:
        return None
    return float(np.corrcoef(a[known], b[known])[0, 1])


def openness_at_lags(opening: Course, expected: Course) -> AtLags | None:
    """How an opening follows the one that a sound asks for; None where too little is known."""
    return _over_lags(correlation, opening, expected)


def motion(opening: Course, reference: Course) -> float | None:
    """How much lips move beside the reference's: the ratio of the openings' standard deviations, where both are known."""
    length = min(len(opening), len(reference))
    a, b = opening[:length], reference[:length]
    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < FEWEST or b[known].std() < _STILL:
        return None
    return float(a[known].std() / b[known].std())


def restlessness(opening: Course, silent: NDArray[np.bool_]) -> float | None:
    """Mean change of the opening from a place to the next, of places where nobody speaks; None where there are few."""
    length = min(len(opening), len(silent))
    steps = np.abs(np.diff(opening[:length].astype(np.float64)))
    still = silent[:length]
    silent_steps = still[:-1] & still[1:] & ~np.isnan(steps)
    return float(steps[silent_steps].mean()) if silent_steps.sum() >= _FEWEST_SILENT else None


def sync_cosine(lips: Course, sound: Course) -> float | None:
    """Mean cosine of (n, d) points of frames and (m, d) of a sound, each of length one, at the same places.

    Points are NaN where nothing is known; None of fewer than fifty places.
    """
    length = min(len(lips), len(sound))
    cosines = np.einsum("nd,nd->n", lips[:length], sound[:length], dtype=np.float64)
    known = ~np.isnan(cosines)
    return float(cosines[known].mean()) if known.sum() >= FEWEST else None


def sync_at_lags(lips: Course, sound: Course) -> AtLags | None:
    """How far frames agree with a sound: at once, and at the best lag; None where too little is known."""
    return _over_lags(sync_cosine, lips, sound)


def spread(opening: Course, spoken: NDArray[np.bool_]) -> float | None:
    """Standard deviation of an opening where somebody speaks; None of fewer than fifty places."""
    length = min(len(opening), len(spoken))
    there = np.asarray(opening[:length], np.float64)[spoken[:length]]
    there = there[~np.isnan(there)]
    return float(there.std()) if len(there) >= FEWEST else None


def widest(opening: Course) -> float | None:
    """The opening that 99 in 100 places stay below; None of fewer than fifty."""
    there = np.asarray(opening, np.float64)[~np.isnan(opening)]
    return float(np.percentile(there, 99)) if len(there) >= FEWEST else None


@dataclass(frozen=True)
class JointLag:
    """Where lips fit a sound best by both judges: `lag` places by which they come late, `gain` over no lag."""

    lag: int
    gain: float


def joint_lag(opening: Course, expected: Course, lips: Course, sound: Course) -> JointLag | None:
    """The lag at which correlation of the opening and twice the mean cosine are largest together.

    Parameters
    ----------
    opening, expected : (n,) and (m,), as for :func:`openness_at_lags`
    lips, sound : (n, d) and (m, d), as for :func:`sync_at_lags`

    Returns
    -------
    None where one of them is unknown at a lag
    """
    found = {}
    for lag in range(-FARTHEST, FARTHEST + 1):
        ours, theirs = slice(max(0, lag), None), slice(max(0, -lag), None)
        r, cosine = correlation(opening[ours], expected[theirs]), sync_cosine(lips[ours], sound[theirs])
        if r is None or cosine is None:
            return None
        found[lag] = r + 2 * cosine
    lag = max(found, key=lambda at: (found[at], -abs(at)))
    return JointLag(lag, found[lag] - found[0])


def _over_lags(measure: Callable[[Course, Course], float | None], lips: Course, sound: Course) -> AtLags | None:
    at_once = measure(lips, sound)
    if at_once is None:
        return None
    lagged = {0: at_once}
    for lag in range(-LAGS, LAGS + 1):
        found = measure(lips[max(0, lag) :], sound[max(0, -lag) :])
        if found is not None:
            lagged[lag] = found
    lag = max(lagged, key=lambda at: (lagged[at], -abs(at)))
    return AtLags(at_once, lagged[lag], lag)
