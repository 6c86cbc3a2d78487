"""Scores which voice speaks at each 25 Hz step, learned from steps whose speaker is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.time_series import averaged

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

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
    scale: float = 0.15
    most: float = 1.0


def voices(timbre: F64, labels: I64, count: int, rules: VoiceRules, voiced: Bools) -> F64:
    """(n, count) log likelihood of each voice at each step, relative to the mean of the known voices.

    If a single voice is known, all voiced steps without a label stand for the others. Unknown voices score 0 otherwise.
    Voices are Gaussians with one shared covariance. A step is scored by labels outside its neighbourhood, so a wrong
    label does not confirm itself.

    Parameters
    ----------
    timbre : (n, d) cepstra of each step
    labels : (n,) number of the voice, or :data:`UNKNOWN`
    voiced : (n,) somebody speaks
    """
    smooth = np.nan_to_num(averaged(timbre, rules.around))
    own = np.stack([labels == number for number in range(count)], axis=1)
    out = np.zeros((len(labels), count))
    if not well_known(labels, count, rules).any():
        return out
    within = np.concatenate([smooth[some] - smooth[some].mean(axis=0) for some in own.T if some.any()])
    if well_known(labels, count, rules).sum() == 1:
        own = np.concatenate((own, ((labels == UNKNOWN) & voiced)[:, None]), axis=1)
    total = own.sum(axis=0)
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
        scores = rules.scale * (near - near.mean(axis=1, keepdims=True))
        if known[-1] == count:  # the others, together
            out[first:last] = scores[:, -1:]
        named = known < count
        out[first:last, known[named]] = scores[:, named]
    return np.clip(out, -rules.most, rules.most)


def well_known(labels: I64, count: int, rules: VoiceRules) -> Bools:
    """(count,) whether a voice has labels enough to be learned."""
    return np.asarray(np.bincount(labels[labels != UNKNOWN], minlength=count) >= rules.fewest)
