"""The few numbers that tell how lips are, and what they mean for a face's landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import SPEAKING, TALKING, Heads
from lipsync_ray.faces.mouth import Mouth

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


_MOST_MOVED = 0.15  # eye distances: root mean square over landmarks; 0.999 quantile of people who talk .105 to .143
_FREE = 0.7  # of a bound, up to which nothing is changed


@dataclass(frozen=True)
class LipBasis:
    """The few directions that lips and chin move in when people speak: principal components of many people's.

    Attributes
    ----------
    directions : (k, len(SPEAKING), 2) displacement of the landmarks for 1 of each, in eye distances
    readers : (k, len(SPEAKING), 2) what reads them off a displacement
    """

    directions: F32
    readers: F32

    def read(self, steps: F64) -> F64:
        """(n, k) of (n, len(SPEAKING), 2) displacements from where the landmarks rest."""
        return np.asarray(np.einsum("nsc,ksc->nk", steps, self.readers.astype(np.float64)), np.float64)

    def steps(self, lips: NDArray[np.floating]) -> F64:
        """(n, len(SPEAKING), 2) displacements of (n, k)."""
        every = self.directions.astype(np.float64)
        return np.asarray(np.einsum("nk,ksc->nsc", np.asarray(lips, np.float64), every), np.float64)

    def bounded(self, lips: NDArray[np.floating], mouth: Mouth) -> F32:
        """(n, k) that the mouth can show, of (n, k): what is within is left as it is, what is beyond draws near the bound.

        A pose is shortened as a whole, so that it keeps its shape: by how far it opens the mouth, and by how far it moves
        lips and chin in all.
        """
        steps = self.steps(lips)
        opening = (steps[:, SPEAKING.index(14)] - steps[:, SPEAKING.index(13)])[:, 1]
        factor = _shortened(opening.clip(0), mouth.widest)
        moved = np.sqrt(np.square(steps).sum(-1).mean(-1)) * factor
        return np.asarray(lips * (factor * _shortened(moved, _MOST_MOVED))[:, None], np.float32)

    def shown(self, mouth: Mouth, points: NDArray[np.floating], heads: Heads) -> F64:
        """(n, k) that the mouth shows in frames of (n, len(KEPT), 2) landmarks."""
        return self.read(heads.inside(points[:, TALKING]) - mouth.rest_of(points, heads))


def _shortened(sizes: F64, most: float) -> F64:
    """(n,) factors that bring sizes beyond a bound smoothly below it."""
    free = _FREE * most
    beyond = free + (most - free) * np.tanh((sizes - free) / (most - free))
    return np.where(sizes > free, beyond / np.maximum(sizes, free), 1.0)
