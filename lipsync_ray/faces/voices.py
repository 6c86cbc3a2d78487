"""Scores which voice speaks at each 25 Hz step, learned from steps whose speaker is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.time_series import averaged

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

UNKNOWN = -1  # label of a step without a known speaker
_BLOCK = 25  # steps that are scored together, by voices learned outside them …
_APART = 8  # … and outside this many steps around them
_RIDGE = 1e-3


@dataclass(frozen=True)
class VoiceRules:
    """Parameters of the voice model.

    Attributes
    ----------
    around : steps over which the timbre is averaged; odd
    fewest : labelled steps needed to learn a voice
    diagonal : weight of the diagonal in the shrunken covariance, 0–1
    scale : factor of the log likelihoods, because neighbouring steps are correlated
    most : bound of a step's score, ±
    """

    around: int = 5
    fewest: int = 25
    diagonal: float = 0.05
    scale: float = 0.1
    most: float = 1.0


def voices(timbre: F64, labels: I64, count: int, rules: VoiceRules) -> F64:
    """(n, count) log likelihood of each voice at each step, relative to the mean of the known voices.

    Scores are 0 if fewer than two voices are known. Voices are Gaussians with one shared covariance. A step is scored
    by labels outside its neighbourhood, so a wrong label does not confirm itself.

    Parameters
    ----------
    timbre : (n, d) cepstra of each step
    labels : (n,) number of the voice, or :data:`UNKNOWN`
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
