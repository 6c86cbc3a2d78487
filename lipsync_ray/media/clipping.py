"""Detects clipped samples by a pile-up at the highest level, and reconstructs them with a spline.

A cubic spline goes through all unclipped samples, as in Audacity's ClipFix and other interpolating declippers. It
restores the course of a peak, not its lost detail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

_STEP_DB = 0.1  # of the histogram of levels
_LOWEST_DB, _HIGHEST_DB = -140.0, 60.0
_NEAR = 4  # steps below the loudest one, for comparison
_SHARE = 5e-4  # of all samples at the ceiling, above which a sound is clipped
_PILE = 2.0  # times as many at the ceiling as in the steps below: of a full sine there are 0.8 times as many
_CEILING = 10 ** (-_STEP_DB / 20)
_HIGHEST_PEAK = 4.0  # times the ceiling
_LEAST = 32768  # samples repaired at a time
_AROUND = 512  # samples on either side that a curve is drawn with


@dataclass(frozen=True)
class Clipping:
    """Where a sound is clipped.

    Attributes
    ----------
    ceiling : absolute sample value, full scale being 1, from which a sample counts as clipped
    share : of the samples, 0–1
    """

    ceiling: float
    share: float


class Levels:
    """Histogram of a sound's sample levels, with 2,000 bins for any length."""

    def __init__(self) -> None:
        self._counts = np.zeros(round((_HIGHEST_DB - _LOWEST_DB) / _STEP_DB), np.int64)
        self._samples = 0
        self.peak = 0.0

    def add(self, block: F32) -> None:
        """(n,) float32 more of the sound."""
        sizes = np.abs(block)
        self.peak = max(self.peak, float(sizes.max(initial=0)))
        self._samples += len(sizes)
        sizes = sizes[sizes > 0]
        steps = ((20 * np.log10(sizes) - _LOWEST_DB) / _STEP_DB).astype(np.int64)
        self._counts += np.bincount(steps.clip(0, len(self._counts) - 1), minlength=len(self._counts))

    def clipping(self) -> Clipping | None:
        """Detect clipping: the loudest tenth of a decibel has more samples than the next four. None if not clipped."""
        if not self.peak:
            return None
        top = int(np.flatnonzero(self._counts)[-1])
        # A ceiling at the edge of a bin falls into two bins.
        at = int(self._counts[top - 1 : top + 1].sum())
        near = int(self._counts[top - 1 - _NEAR : top - 1].sum())
        if at < _SHARE * self._samples or at < _PILE * near:
            return None
        return Clipping(self.peak * _CEILING, at / self._samples)


def declipped(blocks: Iterable[F32], ceiling: float) -> Iterator[F32]:
    """Reconstruct clipped peaks, at most four times as high; other samples are unchanged.

    Parameters
    ----------
    blocks : (n_i,) float32
    ceiling : see :class:`Clipping`
    """
    pending, known = np.zeros(0, np.float32), 0  # samples not yielded yet, after `known` samples of context that were
    for block in blocks:
        pending = np.concatenate((pending, block))
        if len(pending) - known >= _LEAST:
            ready = len(pending) - _AROUND
            yield _repaired(pending, ceiling)[known:ready]
            pending, known = pending[ready - _AROUND :], _AROUND
    if len(pending) > known:
        yield _repaired(pending, ceiling)[known:]


def _repaired(samples: F32, ceiling: float) -> F32:
    from scipy.interpolate import CubicSpline

    cut = np.abs(samples) >= ceiling
    whole = np.flatnonzero(~cut)
    if len(whole) < 4 or not cut.any():
        return samples
    # A spline is undefined beyond the first and the last unclipped sample.
    inside = cut.copy()
    inside[: whole[0]] = inside[whole[-1] + 1 :] = False
    indices = np.flatnonzero(inside)
    sign = np.sign(samples[indices])
    sizes = CubicSpline(whole, samples[whole].astype(np.float64))(indices) * sign
    out = samples.copy()
    out[indices] = sign * np.clip(sizes, np.abs(samples[indices]), _HIGHEST_PEAK * ceiling)
    return out
