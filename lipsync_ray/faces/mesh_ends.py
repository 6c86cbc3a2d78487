"""Extends mesh landmarks to the ends of a track, where there is a face but no mesh: they move with the face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.align import fitted

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

LONGEST = 5  # frames filled in at either end of a track


def extend_ends(points: F32, tracks: I32, faces: F32) -> None:
    """Fill short runs without a mesh at the ends of tracks, in place: the nearest mesh, moved with the detector's
    points.

    Parameters
    ----------
    points : (frames, len(KEPT), 2); NaN where there is none
    tracks : (frames,) track that each frame's face belongs to; −1 where there is no face
    faces : (frames, 5, 2) the detector's landmarks; NaN where there is no face
    """
    there = ~np.isnan(points[:, 0, 0])
    for track in np.unique(tracks[tracks >= 0]).tolist():
        own = np.flatnonzero(tracks == track)
        known = own[there[own]]
        if not len(known):
            continue
        for nearest, run in ((known[0], own[own < known[0]]), (known[-1], own[own > known[-1]])):
            if 0 < len(run) <= LONGEST:
                for frame in run.tolist():
                    points[frame] = _moved(points[nearest], faces[nearest], faces[frame])


def _moved(points: F32, before: F32, after: F32) -> F32:
    """Transform points by the least-squares similarity between two sets of five landmarks."""
    matrix = fitted(before, after.astype(np.float64))
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)
