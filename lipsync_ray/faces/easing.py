"""Smooth transition of weights from 0 to 1."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)


def smoothstep(part: NDArray[Real]) -> NDArray[Real]:
    """3t² − 2t³ with t clipped to 0–1; the slope is 0 at both ends. Keeps shape and dtype."""
    t = part.clip(0, 1)
    eased: NDArray[Real] = t * t * (3 - 2 * t)
    return eased
