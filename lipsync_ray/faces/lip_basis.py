"""The few numbers that tell how lips are, and what they mean for a face's landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import TALKING, Heads
from lipsync_ray.faces.mouth import Mouth

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


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

    def shown(self, mouth: Mouth, points: NDArray[np.floating], heads: Heads) -> F64:
        """(n, k) that the mouth shows in frames of (n, len(KEPT), 2) landmarks."""
        return self.read(heads.inside(points[:, TALKING]) - mouth.rest_of(points, heads))
