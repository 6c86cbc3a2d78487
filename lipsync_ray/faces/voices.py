"""Which voice is heard at each place, by the places in which it is known whose it is: each voice has its face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.courses import averaged

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

UNKNOWN = -1  # label of a place that tells no voice
_BLOCK = 25  # places that are judged by other places' voices alone …
_APART = 8  # … so far away at least
_RIDGE = 1e-3


@dataclass(frozen=True)
class VoiceRules:
    """How voices are told apart.

    Attributes
    ----------
    around : places, an odd number, over which the timbre is averaged
    fewest : places that make a voice known
    diagonal : how much of the covariance is that of coefficients each for itself, 0–1
    scale : of logarithms of likelihoods: neighbouring places tell much the same
    most : of one place, either way
    """

    around: int = 5
    fewest: int = 25
    diagonal: float = 0.05
    scale: float = 0.1
    most: float = 1.0


def voices(timbre: F64, labels: I64, count: int, rules: VoiceRules) -> F64:
    """(n, count) how much likelier each of the voices is at each place, beside the mean of those that are known.

    0 where fewer than two are known. Voices are Gaussians of one covariance. A place is judged by what is labelled elsewhere, so that
    a wrong label does not confirm itself.

    Parameters
    ----------
    timbre : (n, d) of each place
    labels : (n,) number of the voice, :data:`UNKNOWN` where it says nothing
    """
    smooth = np.nan_to_num(averaged(timbre, rules.around))
    own = np.stack([labels == number for number in range(count)], axis=1)
    total = own.sum(axis=0)
    out = np.zeros((len(labels), count))
    if (total >= rules.fewest).sum() < 2:
        return out
    within = np.concatenate([smooth[some] - smooth[some].mean(axis=0) for some in own.T if some.any()])
    spread = within.T @ within / len(within)
    spread = (1 - rules.diagonal) * spread + rules.diagonal * np.diag(np.diag(spread))
    white = smooth @ np.linalg.cholesky(np.linalg.inv(spread + _RIDGE * np.eye(len(spread))))
    sums = own.T.astype(np.float64) @ white
    for first in range(0, len(labels), _BLOCK):
        last = min(len(labels), first + _BLOCK)
        low, high = max(0, first - _APART), min(len(labels), last + _APART)
        left = total - own[low:high].sum(axis=0)
        known = np.flatnonzero(left >= rules.fewest)
        if len(known) < 2:
            continue
        means = (sums - own[low:high].T.astype(np.float64) @ white[low:high])[known] / left[known, None]
        near = -0.5 * ((white[first:last, None] - means) ** 2).sum(axis=2)
        out[first:last, known] = rules.scale * (near - near.mean(axis=1, keepdims=True))
    return np.clip(out, -rules.most, rules.most)
