"""Geometry of the face mesh: landmarks to keep, head pose, the network's square.

Landmark numbers are MediaPipe's. A head's own coordinate frame is that of :data:`TEMPLATE`: upright, origin midway
between the outer eye corners, whose distance is 1.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import U8, Box, YuvFrame

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
C128 = NDArray[np.complex128]

SQUARE = 192  # pixels: side of the network's input

# Four rings of twenty, outermost first: each from the corner at the picture's left along the lower lip to the other corner
# (eleven), then along the upper lip from left to right (nine).
RING = 20
_RINGS = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
)
LIPS = tuple(number for ring in _RINGS for number in ring)
# fmt: off
CHIN = (  # what moves with the lips
    152, 148, 377, 176, 400, 199, 175, 200, 18, 83, 313, 201, 421, 194, 418, 182, 406, 32, 262, 43, 273, 57, 287,
    202, 422, 204, 424, 208, 428, 171, 396, 140, 369,
)
RIGID = (33, 133, 263, 362, 168, 6, 197, 195, 5, 8, 9, 55, 285, 27, 257, 130, 359, 243, 463)  # moves with the skull
STILL = (1, 2, 98, 327, 4, 50, 280, 205, 425, 117, 346, 234, 454, 129, 358, 64, 294, 165, 391, 92, 322)  # moves almost with the skull
# fmt: on
JAW = (149, 378, 150, 379, 136, 365)  # outline to either side of the chin
# fmt: off
OUTLINE = (  # of the face below the eyes, from the ear at the picture's left around the chin to the other
    234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454,
)
# fmt: on
NOSE = 4  # its tip

SPEAKING = (*LIPS, *CHIN)
KEPT = tuple(dict.fromkeys((*SPEAKING, *RIGID, *STILL, *JAW, *OUTLINE)))  # a mesh table's points, in this order
INDEX_OF = {number: index for index, number in reversed(list(enumerate(KEPT)))}
TALKING = slice(0, len(SPEAKING))
_RIGID = [INDEX_OF[number] for number in RIGID]

CHIN_INDICES = tuple(range(len(LIPS), len(SPEAKING)))  # of SPEAKING
LOWER_INNER = tuple(range(RING, RING + 11))  # of SPEAKING, from left to right, both corners included
UPPER_INNER = (RING, *range(RING + 11, 2 * RING), RING + 10)

# Largest distance from MTCNN's points, in parts of the face's size: to accept a mesh; to accept it without a retry; to
# accept a retry, since MTCNN's points are far off where a face leaves the picture.
AGREED, SURE, NEAR = 0.33, 0.2, 1.0
_EYES_AND_MOUTH = ((33, 133), (263, 362), (NOSE,), (61,), (291,))
_CENTRE = 0.45  # from between the eyes towards the mouth, in their distance
_SIZE = 3.8  # of the square, in that distance: median against MediaPipe's own square on three talking videos

_BOX_CENTRE, _BOX_SIZE = 0.05, 1.4  # below the middle of MTCNN's box; its height, likewise

# Rigid landmarks of the mean face of 1,911 clips, in its own frame.
# fmt: off
TEMPLATE = np.array((
    (-0.5000, 0.0000), (-0.1892, 0.0200), (0.5000, 0.0000), (0.1890, 0.0213), (0.0014, -0.0491), (0.0015, 0.0391),
    (0.0027, 0.1167), (0.0040, 0.1875), (0.0040, 0.2640), (0.0013, -0.1341), (0.0014, -0.2319), (-0.1398, -0.1460),
    (0.1352, -0.1486), (-0.3863, -0.1265), (0.3827, -0.1293), (-0.5316, 0.0024), (0.5309, 0.0020), (-0.1660, 0.0224),
    (0.1653, 0.0240),
))
# fmt: on


class Heads(NamedTuple):
    """Poses of heads: z ↦ turn · z + shift maps x + iy in pixels to the head's own frame. (n,) complex128 each."""

    turn: C128
    shift: C128

    def inside(self, points: NDArray[np.floating]) -> F64:
        """(n, k, 2) pixels in the heads' own frames."""
        return _pair(self.turn[:, None] * _complex(points) + self.shift[:, None])

    def moved(self, steps: F64) -> F64:
        """(n, k, 2) displacements in the heads' own frames, in pixels."""
        return _pair(_complex(steps) / self.turn[:, None])

    @property
    def eyes(self) -> F64:
        """(n,) distance of the outer eye corners in pixels, estimated from all rigid landmarks."""
        return np.asarray(1 / np.abs(self.turn), np.float64)


def heads_of(points: NDArray[np.floating]) -> Heads:
    """Poses of heads: least-squares similarity from the rigid ones of (n, len(KEPT), 2) landmarks to the template's."""
    own = _complex(points[:, _RIGID])
    target = _complex(TEMPLATE)
    own_mean, target_mean = own.mean(1), target.mean()
    centred = own - own_mean[:, None]
    turn = (np.conj(centred) * (target - target_mean)).sum(1) / (np.abs(centred) ** 2).sum(1)
    return Heads(turn, target_mean - turn * own_mean)


def speaking_of(points: NDArray[np.floating]) -> F64:
    """(n, len(SPEAKING), 2) speech landmarks, in the heads' own frames, of (n, len(KEPT), 2) landmarks."""
    return heads_of(points).inside(points[:, TALKING])


def _complex(points: NDArray[np.floating]) -> C128:
    return np.asarray(points[..., 0] + 1j * points[..., 1], np.complex128)


def _pair(z: C128) -> F64:
    return np.stack((z.real, z.imag), axis=-1)


def square_of(landmarks: F32) -> F64:
    """(2, 3) affine from the network's square to pixels, both with pixel (0, 0) from 0 to 1, by five landmarks of a
    face.
    """
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:5].mean(0)
    down, across = mouth - eyes, landmarks[1] - landmarks[0]
    angle, scale = np.arctan2(across[1], across[0]), _SIZE * np.hypot(*down) / SQUARE
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = eyes + _CENTRE * down
    return np.column_stack((turn, centre - turn @ (SQUARE / 2, SQUARE / 2)))


def square_of_box(box: NDArray[np.floating]) -> F64:
    """The same from a face's box (x0, y0, x1, y1) only: upright."""
    tall = float(box[3] - box[1])
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2 + _BOX_CENTRE * tall])
    scale = _BOX_SIZE * tall / SQUARE
    return np.column_stack((scale * np.eye(2), centre - scale * SQUARE / 2))


def five_of(points: NDArray[np.floating]) -> F64:
    """(5, 2) MTCNN's landmarks, computed from (len(KEPT), 2) landmarks."""
    return np.stack([points[[INDEX_OF[number] for number in some]].mean(0) for some in _EYES_AND_MOUTH])


def agrees(points: NDArray[np.floating], landmarks: NDArray[np.floating], within: float = AGREED) -> bool:
    """Whether (len(KEPT), 2) landmarks agree with MTCNN's five: eyes and mouth `within` a part of the face's size.

    They disagree if the face is occluded or turned away: the network then invents one.
    """
    eyes, mouth = landmarks[:2], landmarks[3:5].mean(0)
    size = max(np.linalg.norm(eyes[1] - eyes[0]), np.linalg.norm(mouth - eyes.mean(0)))
    means = [points[[INDEX_OF[number] for number in corners]].mean(0) for corners in ((33, 133), (263, 362), (61, 291))]
    return bool(np.linalg.norm(np.array(means) - [*eyes, mouth], axis=1).max() <= within * size)


def cut_square(picture: YuvFrame, square: F64, side: int = SQUARE) -> U8 | None:
    """A square of a face as (side, side, 3) uint8 RGB; the frame's edge is replicated outside. None if entirely
    outside.

    Parameters
    ----------
    square : (2, 3) affine from the square to the frame's pixels, as of :func:`square_of`; its axes may differ in scale
    side : pixels; by default the network's input size
    """
    corners = square[:, :2] @ np.array([[0, side, 0, side], [0, 0, side, side]]) + square[:, 2:]
    low, high = np.floor(corners.min(1)).astype(int), np.ceil(corners.max(1)).astype(int)
    box = Box(max(0, low[0]), max(0, low[1]), min(picture.width, high[0]), min(picture.height, high[1]))
    if box.width < 2 or box.height < 2:
        return None
    near = picture.bgr(box)
    to_near = square - np.array([[0, 0, box.x0], [0, 0, box.y0]])
    if (scale := float(np.hypot(*square[:, 0]))) > 2:  # more pixels than the square shows: average them
        small = (max(2, round(box.width / scale)), max(2, round(box.height / scale)))
        near = np.asarray(cv2.resize(near, small, interpolation=cv2.INTER_AREA), np.uint8)
        to_near = to_near * np.array([[small[0] / box.width], [small[1] / box.height]])
    centres = to_near.copy()
    centres[:, 2] += to_near[:, :2] @ (0.5, 0.5) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(near, centres, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(cut, cv2.COLOR_BGR2RGB), np.uint8)  # numpy takes thirty times as long


def gap_of(inside: F64) -> F64:
    """(n,) opening of the lips at their middle, in eye distances, of SPEAKING landmarks in the heads' own frames."""
    upper, lower = SPEAKING.index(13), SPEAKING.index(14)
    return np.asarray(np.linalg.norm(inside[:, lower] - inside[:, upper], axis=-1), np.float64)
