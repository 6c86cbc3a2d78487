"""Who is who in a video: tracklets of one person, over gaps, passers-by and cuts, and which faces are but pictures of one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.identity import DIFFERENT
from lipsync_ray.faces.scan import Scan
from lipsync_ray.faces.tracklets import Tracklet

F64 = NDArray[np.float64]

SAME_POSITION = 0.75  # of the face's width
SAME_SIZE = 1.5
ELSEWHERE = 0.05  # added to the distance of descriptions where a face is not found again where it was
STILL = 0.2  # of a small picture's contrast: what changes less is a picture (benchmarks/identity.py)
SPOT = 5  # pixels: a change of this size counts, noise of one does not
PICTURES = 3  # small pictures from which on that can be said
SAMPLES = 24  # of them, at most, over all that is seen

RIM = slice(5, -5), slice(5, -5)  # of a small picture: what may have come in from outside is left out


@dataclass
class _Person:
    members: list[int]
    frames: set[int]
    total: F64
    count: int

    def distance(self, mean: F64) -> float:
        return float(np.linalg.norm(self.total / self.count - mean)) if self.count else np.nan


def persons_of(scan: Scan, tracklets: list[Tracklet]) -> list[int]:
    """A number for each tracklet, equal for those of one person; by first appearance.

    Two that share a frame are two persons, however alike. Faces that were described go together where their descriptions
    do, the surest first; what has none goes with whom it follows at the same place.
    """
    known = ~np.isnan(scan.descriptor[:, 0])
    described = [[row for row in one.rows if known[row]] for one in tracklets]
    order = sorted(range(len(tracklets)), key=lambda i: (-len(described[i]), i))
    persons: list[_Person] = []
    for i in order:
        rows = scan.descriptor[described[i]].astype(np.float64)
        frames = set(scan.frame[tracklets[i].rows].tolist())
        best, chosen = np.inf, None
        for person in persons:
            if frames & person.frames:
                continue
            here = _follows(scan, tracklets, i, person.members)
            apart = person.distance(rows.mean(axis=0)) if len(rows) else np.nan
            worth = (0.0 if here else np.inf) if np.isnan(apart) else apart + (0.0 if here else ELSEWHERE)
            if worth < min(best, DIFFERENT):
                best, chosen = worth, person
        if chosen is None:
            chosen = _Person([], set(), np.zeros(scan.descriptor.shape[1]), 0)
            persons.append(chosen)
        chosen.members.append(i)
        chosen.frames |= frames
        chosen.total, chosen.count = chosen.total + rows.sum(axis=0), chosen.count + len(rows)
    out = [0] * len(tracklets)
    for number, person in enumerate(sorted(persons, key=lambda person: min(person.members))):
        for i in person.members:
            out[i] = number
    return out


def _follows(scan: Scan, tracklets: list[Tracklet], i: int, members: list[int]) -> bool:
    """Whether a tracklet begins or ends where, and as large as, the nearest of a person's in its scene was."""
    own = tracklets[i]
    mine = np.array([own.rows[0], own.rows[-1]])
    ends = np.array(
        [
            end
            for k in members
            if tracklets[k].scene == own.scene
            for end in (tracklets[k].rows[0], tracklets[k].rows[-1])
        ]
    )
    if not len(ends):
        return False
    gaps = np.abs(scan.frame[mine][:, None] - scan.frame[ends][None])
    a, b = np.unravel_index(int(gaps.argmin()), gaps.shape)
    one, other = scan.box[mine[a]].astype(np.float64), scan.box[ends[b]].astype(np.float64)
    side, side_other = one[2] - one[0], other[2] - other[0]
    moved = np.linalg.norm((one[:2] + one[2:] - other[:2] - other[2:]) / 2)
    ratio = side / max(side_other, 1e-6)
    return bool(moved <= SAME_POSITION * max(side, side_other) and 1 / SAME_SIZE <= ratio <= SAME_SIZE)


def is_still(scan: Scan, rows: list[int], rate: Fraction) -> bool:
    """Whether a face never changes but with the camera: a poster, a photograph. False where too little is known."""
    kept = [row for row in rows if scan.patch[row].any()]
    if len(kept) < PICTURES or scan.frame[kept[-1]] - scan.frame[kept[0]] < rate / 2:
        return False
    some = [kept[k] for k in np.unique(np.linspace(0, len(kept) - 1, SAMPLES).round().astype(int))]
    return change(scan.patch[some]) < STILL


def change(patches: NDArray[np.uint8]) -> float:
    """How much small pictures of a face change, in their contrast: the 75th percentile of the largest change from one to
    the next.

    Each is first laid over the other by the affine map that suits best (Evangelidis and Psarakis 2008), and brought to its
    brightness and contrast: a camera that moves, or light that changes, is not the face's doing. A mouth and eyes change in their
    place, noise does everywhere.
    """
    changes = [_change(before, after) for before, after in itertools.pairwise(patches)]
    return float(np.quantile(changes, 0.75)) if changes else 1.0


def _change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    warp = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        _, warp = cv2.findTransformECC(before, after, warp, cv2.MOTION_AFFINE, stop, None, SPOT)
    except cv2.error:  # they have nothing in common
        return 1.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    over = cv2.warpAffine(after, warp, before.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    a, b = (cv2.GaussianBlur(picture.astype(np.float32), (SPOT, SPOT), 0) for picture in (before, over))
    a, b = (picture[RIM] - picture[RIM].mean() for picture in (a, b))
    gain = float((a * b).sum() / max((b * b).sum(), 1.0))
    left = cv2.blur(a - gain * b, (SPOT, SPOT), borderType=cv2.BORDER_CONSTANT)
    return float(np.abs(left).max()) / max(float(a.std()), 1.0)
