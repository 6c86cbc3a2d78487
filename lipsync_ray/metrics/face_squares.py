"""Face tracks and face squares by the rule that SyncNet's published scores are made with.

As the published ``run_pipeline.py`` makes them (github.com/joonson/syncnet_python): frames of one track at most 25 apart
whose boxes overlap by more than half, gaps filled in between, kept when seen long enough and large enough; centre and
size of the square are median-filtered over 13 frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.scan import iou
from lipsync_ray.faces.track import Tracks
from lipsync_ray.metrics.lse import median_filter

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

LARGEST_GAP = 25  # frames of the grid that a track may be lost for
SAME_FACE_IOU = 0.5
MEDIAN = 13  # frames


def find_tracks(
    table: Tracks, chosen: tuple[int, ...], numbers: I64, min_track: int, min_face: int
) -> tuple[list[int], list[F64], str]:
    """The tracks to score: the place each begins at, its (n, 4) boxes, and, where there is none, why.

    Parameters
    ----------
    table : of the video whose frames `numbers` names
    chosen : tracks of the table
    numbers : (n,) frame of that video at each place of the grid
    """
    starts: list[int] = []
    out: list[F64] = []
    longest, largest = 0, 0.0
    for track in chosen:
        rows = np.flatnonzero(table.track == track)
        row_of = np.full(int(max(numbers.max(initial=0), table.frame[rows].max())) + 1, -1, np.int64)
        row_of[table.frame[rows]] = rows
        at = row_of[numbers]
        rows_at = np.flatnonzero(at >= 0)
        if not len(rows_at):
            continue
        boxes = table.box[at[rows_at]].astype(np.float64)
        for piece in _unbroken(rows_at, boxes):
            own, box = rows_at[piece], boxes[piece]
            sides = box[:, 2:] - box[:, :2]
            size = float(sides.mean(axis=0).max())
            longest, largest = max(longest, len(own)), max(largest, size)
            if len(own) > min_track and size > min_face:
                filled = np.arange(own[0], own[-1] + 1)
                starts.append(int(own[0]))
                out.append(np.stack([np.interp(filled, own, box[:, c]) for c in range(4)], axis=1))
    order = np.argsort(starts, kind="stable")
    reason = ""
    if not out:
        reason = (
            f"no face track of more than {min_track} frames at 25 a second and a face of more than {min_face} pixels "
            f"(longest: {longest} frames; largest: {largest:.0f} pixels). See --min-track and --min-face"
            if longest
            else "no face is seen in it"
        )
    return [starts[i] for i in order], [out[i] for i in order], reason


def _unbroken(rows_at: I64, boxes: F64) -> list[NDArray[np.intp]]:
    """Runs of sightings that belong to one track by the published rule: near in time, overlapping."""
    one = np.asarray(boxes, np.float32)
    overlaps = np.array([iou(one[i : i + 1], one[i + 1 : i + 2])[0, 0] for i in range(len(one) - 1)])
    breaks = (np.diff(rows_at) > LARGEST_GAP) | (overlaps <= SAME_FACE_IOU)
    return np.split(np.arange(len(rows_at)), np.flatnonzero(breaks) + 1)


def squares(boxes: F64) -> F64:
    """(n, 3) median-filtered centre x, y and half side of a track's (n, 4) boxes.

    The filter sees zeros beyond a track's ends, as scipy's does in the original.
    """
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) / 2
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.stack([median_filter(column, MEDIAN) for column in (centre[:, 0], centre[:, 1], half)], axis=1)
