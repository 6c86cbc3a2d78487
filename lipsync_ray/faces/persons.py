"""Groups tracklets into persons, across gaps, occlusions and cuts, and detects faces that are only pictures."""

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

SAME_POSITION = 0.75  # of the face's width: largest distance at the same position
SAME_SIZE = 1.5
ELSEWHERE = 0.05  # added to the descriptor distance if the face is not at the person's last position
STILL = 0.2  # of a patch's contrast: a face that changes less is a picture (benchmarks/identity.py)
SPOT = 5  # pixels: size of a change that counts; pixel noise is smaller
PICTURES = 3  # patches needed to decide
SAMPLES = 24  # most patches compared, spread over the person's frames

RIM = slice(5, -5), slice(5, -5)  # border of a patch that is ignored, because camera motion reveals new content there


@dataclass
class _Person:
    members: list[int]
    frames: set[int]
    total: F64
    count: int

    def distance(self, mean: F64) -> float:
        return float(np.linalg.norm(self.total / self.count - mean)) if self.count else np.nan


def persons_of(scan: Scan, tracklets: list[Tracklet]) -> list[int]:
    """Person number of each tracklet, by first appearance.

    Tracklets that share a frame are different persons, however similar. Tracklets with descriptors are grouped by their
    distance, those with most descriptors first; one without joins the person that it continues at the same position.
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
    """Whether a tracklet starts or ends at the position and size of the person's nearest tracklet end in its scene."""
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
    """Whether a face changes only with the camera, as a poster or a photograph does; False if too little is known."""
    kept = [row for row in rows if scan.patch[row].any()]
    if len(kept) < PICTURES or scan.frame[kept[-1]] - scan.frame[kept[0]] < rate / 2:
        return False
    some = [kept[k] for k in np.unique(np.linspace(0, len(kept) - 1, SAMPLES).round().astype(int))]
    return change(scan.patch[some]) < STILL


def change(patches: NDArray[np.uint8]) -> float:
    """Change of a face's patches relative to their contrast: 75th percentile of the largest change between neighbours.

    Each pair is first aligned by the best affine map (Evangelidis and Psarakis 2008, ECC) and matched in brightness and
    contrast, so that camera motion and lighting do not count.

    Parameters
    ----------
    patches : (n, PATCH, PATCH) uint8 grey, in order of time
    """
    changes = [_change(before, after) for before, after in itertools.pairwise(patches)]
    return float(np.quantile(changes, 0.75)) if changes else 1.0


def _change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    warp = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    try:
        _, warp = cv2.findTransformECC(before, after, warp, cv2.MOTION_AFFINE, stop, None, SPOT)
    except cv2.error:  # the alignment did not converge
        return 1.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    over = cv2.warpAffine(after, warp, before.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    a, b = (cv2.GaussianBlur(picture.astype(np.float32), (SPOT, SPOT), 0) for picture in (before, over))
    a, b = (picture[RIM] - picture[RIM].mean() for picture in (a, b))
    gain = float((a * b).sum() / max((b * b).sum(), 1.0))
    left = cv2.blur(a - gain * b, (SPOT, SPOT), borderType=cv2.BORDER_CONSTANT)
    return float(np.abs(left).max()) / max(float(a.std()), 1.0)
