"""A low-dimensional basis of lip poses and its map to face landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import SPEAKING, TALKING, Heads
from lipsync_ray.faces.mouth import Mouth

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


_MOST_MOVED = 0.15  # eye distances: root mean square over landmarks; 0.999 quantile of people who talk .105 to .143
_FREE = 0.7  # of a bound, below which nothing is changed


@dataclass(frozen=True)
class LipBasis:
    """Principal components of lip and chin movement in speech, over many people.

    Attributes
    ----------
    directions : (k, len(SPEAKING), 2) displacement of the landmarks for a coefficient of 1, in eye distances
    readers : (k, len(SPEAKING), 2) dual vectors that give the coefficients of a displacement
    """

    directions: F32
    readers: F32

    def read(self, steps: F64) -> F64:
        """(n, k) coefficients of (n, len(SPEAKING), 2) displacements from rest."""
        return np.asarray(np.einsum("nsc,ksc->nk", steps, self.readers.astype(np.float64)), np.float64)

    def steps(self, lips: NDArray[np.floating]) -> F64:
        """(n, len(SPEAKING), 2) displacements of (n, k) coefficients."""
        every = self.directions.astype(np.float64)
        return np.asarray(np.einsum("nk,ksc->nsc", np.asarray(lips, np.float64), every), np.float64)

    def bounded(self, lips: NDArray[np.floating], mouth: Mouth) -> F32:
        """Limit (n, k) poses to what the mouth can do: poses within the bounds are unchanged, others are compressed
        towards them.

        A pose is scaled as a whole to keep its shape; bounds apply to the opening and to the total movement of lips and
        chin.
        """
        steps = self.steps(lips)
        opening = (steps[:, SPEAKING.index(14)] - steps[:, SPEAKING.index(13)])[:, 1]
        factor = _shortened(opening.clip(0), mouth.widest)
        moved = np.sqrt(np.square(steps).sum(-1).mean(-1)) * factor
        return np.asarray(lips * (factor * _shortened(moved, _MOST_MOVED))[:, None], np.float32)

    def displayed(self, mouth: Mouth, points: NDArray[np.floating], heads: Heads) -> F64:
        """(n, k) coefficients of the mouth in frames with (n, len(KEPT), 2) landmarks."""
        return self.read(heads.inside(points[:, TALKING]) - mouth.rest_of(points, heads))


def _shortened(sizes: F64, most: float) -> F64:
    """(n,) factors that smoothly compress sizes to a bound."""
    free = _FREE * most
    beyond = free + (most - free) * np.tanh((sizes - free) / (most - free))
    return np.where(sizes > free, beyond / np.maximum(sizes, free), 1.0)
