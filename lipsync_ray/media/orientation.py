"""Rotation and mirroring that bring a stored picture upright: the eight orientations of display matrices and EXIF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.errors import ProbeError


@dataclass(frozen=True)
class Orientation:
    """Transformation of a stored picture.

    Attributes
    ----------
    rotation : degrees it is turned counter-clockwise: 0, 90, 180 or 270
    mirrored : whether left and right are exchanged after that
    """

    rotation: int = 0
    mirrored: bool = False

    def upright(self, picture: NDArray[Any]) -> NDArray[Any]:
        """(h, w, …) upright pixels; a view."""
        turned = np.rot90(picture, self.rotation // 90)
        return turned[:, ::-1] if self.mirrored else turned

    @property
    def swaps_sides(self) -> bool:
        """Whether width and height are exchanged."""
        return self.rotation % 180 != 0


AS_STORED = Orientation()
# EXIF 2.32, tag 0x0112
_BY_EXIF = {
    1: Orientation(0),
    2: Orientation(0, True),
    3: Orientation(180),
    4: Orientation(180, True),
    5: Orientation(270, True),
    6: Orientation(270),
    7: Orientation(90, True),
    8: Orientation(90),
}
# (a, b, c, d) of ISO 14496-12's matrix: a stored point (x, y) is shown at (a·x + c·y, b·x + d·y), y downwards
_ROTATIONS = {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}
_BY_MATRIX = {
    (-a if mirrored else a, b, -c if mirrored else c, d): Orientation(rotation, mirrored)
    for rotation, (a, b, c, d) in _ROTATIONS.items()
    for mirrored in (False, True)
}


def of_exif(value: int) -> Orientation:
    """The orientation of an EXIF tag; as stored for an invalid value."""
    return _BY_EXIF.get(value, AS_STORED)


def of_matrix(matrix: bytes) -> Orientation:
    """The orientation of a display matrix: nine 32-bit numbers, of which the first, second, fourth and fifth turn.

    Raises
    ------
    ValueError : anything but quarter turns and mirrors; the message says by how much
    """
    a, b, _, c, d = (value / 65536 for value in np.frombuffer(matrix, "<i4")[:5].tolist())
    scale = math.hypot(a, b) or 1.0
    signs = tuple(round(value / scale) for value in (a, b, c, d))
    angle = math.degrees(math.atan2(b, a))
    if signs not in _BY_MATRIX or abs(angle - round(angle / 90) * 90) > 1:
        raise ValueError(f"turned by {-angle % 360:.0f}°")
    return _BY_MATRIX[signs]


def of_frame(frame: Any, url: str) -> Orientation:
    """The orientation that a decoded frame carries.

    Raises
    ------
    ProbeError : it is turned by anything but quarter turns
    """
    try:
        matrix = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    except ValueError:  # PyAV does not know every kind of side data, and then shows none
        matrix = None
        if frame.rotation % 90:
            raise ProbeError(f"{url}: turned by {frame.rotation % 360}°; only quarter turns are understood") from None
        return Orientation(round(frame.rotation) % 360)
    if matrix is None:
        return AS_STORED
    try:
        return of_matrix(matrix)
    except ValueError as error:
        raise ProbeError(f"{url}: {error}; only quarter turns are understood") from error
