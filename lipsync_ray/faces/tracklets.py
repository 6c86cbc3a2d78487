"""Links detections within a scene by predicted position and, where known, by face descriptor."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.identity import DIFFERENT, SAME
from lipsync_ray.faces.scan import Scan, iou

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

LINK_IOU = 0.3  # overlap with the last or the predicted box
LOST_S = 2.0  # seconds: a face found again after longer starts a new tracklet
GOES_ON_S = 0.4  # seconds for which the motion of a lost face is extrapolated
PACE_S = 0.2  # seconds over which its speed is measured
SEARCH_RADIUS = 1.5  # of its width: distance from the predicted position at which a matching descriptor is accepted
SIZES = 1.6  # largest ratio of sizes for the same
RECENT = 5  # most recent descriptors of a tracklet to compare with
_NEVER = 1e6


@dataclass
class Tracklet:
    """Rows of a scan that belong to one face in one scene, ascending by frame."""

    scene: int
    rows: list[int] = field(default_factory=list)


def tracklets_of(scan: Scan, rate: Fraction) -> list[Tracklet]:
    """The tracklets of a video, by first frame."""
    scenes = np.concatenate(([scan.start], scan.cuts))
    known = ~np.isnan(scan.descriptor[:, 0])
    out: list[Tracklet] = []
    active: list[Tracklet] = []
    scene_now = -1
    bounds = np.searchsorted(scan.frame, scan.looked), np.searchsorted(scan.frame, scan.looked, side="right")
    for number, low, high in zip(scan.looked.tolist(), *(b.tolist() for b in bounds), strict=True):
        scene = int(np.searchsorted(scenes, number, side="right")) - 1
        if scene != scene_now:
            active, scene_now = [], scene
        active = [one for one in active if number - scan.frame[one.rows[-1]] <= LOST_S * rate]
        rows = list(range(low, high))
        for tracklet, row in _pairs(scan, known, active, rows, number, rate):
            tracklet.rows.append(row)
            rows.remove(row)
        for row in rows:
            active.append(Tracklet(scene, [row]))
            out.append(active[-1])
    return out


def _pairs(
    scan: Scan, known: NDArray[np.bool_], active: list[Tracklet], rows: list[int], number: int, rate: Fraction
) -> list[tuple[Tracklet, int]]:
    """Assign detections to tracklets at the least total cost."""
    if not active or not rows:
        return []
    cost = np.full((len(active), len(rows)), _NEVER)
    there = scan.box[rows]
    for i, tracklet in enumerate(active):
        last = scan.box[tracklet.rows[-1]]
        expected = last + np.tile(_moved(scan, tracklet, number, rate), 2)
        overlap = iou(np.stack((last, expected)), there).max(axis=0)
        apart, near = _apart(scan, known, tracklet, rows), _near(expected, there)
        fits = ((overlap >= LINK_IOU) & ~(apart > DIFFERENT)) | (near & (apart < SAME))
        # Without descriptors, position alone decides.
        cost[i] = np.where(fits, 1 - overlap + np.where(np.isnan(apart), 0, apart - SAME), _NEVER)
    if len(active) == 1 or len(rows) == 1:
        flat = int(cost.argmin())
        pairs = [divmod(flat, len(rows))]
    else:
        from scipy.optimize import linear_sum_assignment  # slow import; other stages of this process do not need it

        pairs = list(zip(*(side.tolist() for side in linear_sum_assignment(cost)), strict=True))
    return [(active[i], rows[j]) for i, j in pairs if cost[i, j] < _NEVER]


def _moved(scan: Scan, tracklet: Tracklet, number: int, rate: Fraction) -> F64:
    """(2,) predicted displacement since the last detection, by extrapolation; 0 if the speed is unknown."""
    last = tracklet.rows[-1]
    frames = scan.frame[tracklet.rows]
    before = int(np.searchsorted(frames, frames[-1] - PACE_S * rate, side="right")) - 1
    passed = float(frames[-1] - frames[before]) if before >= 0 else 0.0
    if not 0 < passed <= 2 * PACE_S * rate:
        return np.zeros(2)
    centres = scan.landmarks[[tracklet.rows[before], last]].mean(axis=1).astype(np.float64)
    steps = min(number - float(frames[-1]), float(GOES_ON_S * rate))
    return np.asarray((centres[1] - centres[0]) / passed * steps, np.float64)


def _near(expected: F64, there: F32) -> NDArray[np.bool_]:
    side = expected[2] - expected[0]
    sides = there[:, 2] - there[:, 0]
    centre, centres = (expected[:2] + expected[2:]) / 2, (there[:, :2] + there[:, 2:]) / 2
    close = np.linalg.norm(centres - centre, axis=1) <= SEARCH_RADIUS * side
    return np.asarray(close & (sides <= SIZES * side) & (side <= SIZES * sides))


def _apart(scan: Scan, known: NDArray[np.bool_], tracklet: Tracklet, rows: list[int]) -> F64:
    """(rows,) distance of each detection's descriptor to the nearest recent one of the tracklet; NaN without
    descriptors.
    """
    out = np.full(len(rows), np.nan)
    recent = [row for row in tracklet.rows if known[row]][-RECENT:]
    if recent:
        own = scan.descriptor[recent].astype(np.float64)
        for j, row in enumerate(rows):
            if known[row]:
                out[j] = np.linalg.norm(own - scan.descriptor[row].astype(np.float64), axis=1).min()
    return out
