"""Samples that a recording has cut off at a ceiling: found by how many lie there, and drawn anew as a curve through their neighbours.

The curve is a cubic spline through all samples that are not cut off, as Audacity's ClipFix and other declippers by interpolation
draw it. It brings back the course of a peak, not what was lost of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

_STEP_DB = 0.1  # of the histogram of levels
_LOWEST_DB, _HIGHEST_DB = -140.0, 60.0
_NEAR = 4  # steps below the loudest one that it is compared with
_SHARE = 5e-4  # of all samples, at the ceiling, from which on a sound is clipped
_PILE = 2.0  # times as many at the ceiling as in the steps below: of a full sine there are 0.8 times as many
_CEILING = 10 ** (-_STEP_DB / 20)
_HIGHEST_PEAK = 4.0  # times the ceiling
_LEAST = 32768  # samples repaired at a time
_AROUND = 512  # samples on either side that a curve is drawn with


@dataclass(frozen=True)
class Clipping:
    """Where a sound is cut off.

    Attributes
    ----------
    ceiling : size of a sample, full scale being 1, from which on it counts as cut off
    share : of the samples, 0–1
    """

    ceiling: float
    share: float


class Levels:
    """How many samples of a sound have which level; keeps 2,000 numbers, whatever the length."""

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
        """Where the sound is cut off: its loudest tenth of a decibel holds more samples than the next four; None of others."""
        if not self.peak:
            return None
        top = int(np.flatnonzero(self._counts)[-1])
        # A ceiling that lies at the edge of a step falls into two.
        at = int(self._counts[top - 1 : top + 1].sum())
        near = int(self._counts[top - 1 - _NEAR : top - 1].sum())
        if at < _SHARE * self._samples or at < _PILE * near:
            return None
        return Clipping(self.peak * _CEILING, at / self._samples)


def declipped(blocks: Iterable[F32], ceiling: float) -> Iterator[F32]:
    """The sound with its cut-off peaks drawn anew, at most four times as high; other samples stay as they are.

    Parameters
    ----------
    blocks : (n_i,) float32
    ceiling : see :class:`Clipping`
    """
    held, known = np.zeros(0, np.float32), 0  # what is not given out yet, behind so many samples that are
    for block in blocks:
        held = np.concatenate((held, block))
        if len(held) - known >= _LEAST:
            ready = len(held) - _AROUND
            yield _repaired(held, ceiling)[known:ready]
            held, known = held[ready - _AROUND :], _AROUND
    if len(held) > known:
        yield _repaired(held, ceiling)[known:]


def _repaired(samples: F32, ceiling: float) -> F32:
    from scipy.interpolate import CubicSpline

    cut = np.abs(samples) >= ceiling
    whole = np.flatnonzero(~cut)
    if len(whole) < 4 or not cut.any():
        return samples
    # Beyond the first and the last whole sample a spline says nothing.
    inside = cut.copy()
    inside[: whole[0]] = inside[whole[-1] + 1 :] = False
    places = np.flatnonzero(inside)
    sign = np.sign(samples[places])
    sizes = CubicSpline(whole, samples[whole].astype(np.float64))(places) * sign
    out = samples.copy()
    out[places] = sign * np.clip(sizes, np.abs(samples[places]), _HIGHEST_PEAK * ceiling)
    return out
