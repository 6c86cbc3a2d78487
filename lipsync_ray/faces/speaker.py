"""Which of a video's faces speaks: decided by what each did over its whole scene, never frame by frame."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.track import Tracks

FaceRule = Literal["largest", "center", "left", "right"]
FACE_RULES: tuple[str, ...] = get_args(FaceRule)
FaceChoice = FaceRule | Literal["all"]

CENTRAL = 0.25  # of the frame's diagonal: how far from the middle a face still counts as central
PRESENT = 0.5  # left and right mean among the faces seen at least this part of the longest-seen one's time …
PROMINENT = 0.25  # … whose area is at least this part of the largest one's among them
SAME_PLACE = 0.75  # of the face's width
SAME_SIZE = 1.5


def select_speaker(tracks: Tracks, rule: FaceChoice, width: int, height: int) -> tuple[int, ...]:
    """The tracks of the one person who speaks in each scene; no two of them share a frame. Every track, of "all".

    largest: most area, summed over the scene. center: most time near the middle. left, right: the outermost of the
    faces that are large and long in view. A track that begins where and as large as the chosen one was, at another
    time of the scene, is the same person found again.
    """
    if rule == "all":
        return tuple(np.unique(tracks.track).tolist())
    out: list[int] = []
    for scene in np.unique(tracks.scene):
        inside = np.flatnonzero(tracks.scene == scene)
        rows = {int(t): inside[tracks.track[inside] == t] for t in np.unique(tracks.track[inside])}
        best = _best(tracks, rows, rule, width, height)
        taken = rows.pop(best)
        out.append(best)
        for track, own in sorted(rows.items(), key=lambda item: (-len(item[1]), item[0])):
            if not np.isin(tracks.frame[own], tracks.frame[taken]).any() and _same_person(tracks, own, taken):
                out.append(track)
                taken = np.concatenate((taken, own))
    return tuple(sorted(out))


def _best(tracks: Tracks, rows: dict[int, NDArray[np.intp]], rule: FaceRule, width: int, height: int) -> int:
    box = {t: tracks.box[own].astype(np.float64) for t, own in rows.items()}
    area = {t: np.prod(b[:, 2:] - b[:, :2], axis=1) for t, b in box.items()}
    centre = {t: (b[:, :2] + b[:, 2:]) / 2 for t, b in box.items()}
    if rule == "largest":
        worth = {t: float(a.sum()) for t, a in area.items()}
    elif rule == "center":
        reach = CENTRAL * np.hypot(width, height)
        middle = np.array([width, height]) / 2
        worth = {
            t: float(np.exp(-((np.linalg.norm(c - middle, axis=1) / reach) ** 2)).sum()) for t, c in centre.items()
        }
    else:
        longest = max(map(len, rows.values()))
        present = [t for t in rows if len(rows[t]) >= PRESENT * longest]
        largest = max(float(area[t].mean()) for t in present)
        sign = 1 if rule == "right" else -1
        prominent = [t for t in present if area[t].mean() >= PROMINENT * largest]
        worth = {t: sign * float(centre[t][:, 0].mean()) for t in prominent}
    return min(worth, key=lambda t: (-worth[t], t))


def _same_person(tracks: Tracks, own: NDArray[np.intp], taken: NDArray[np.intp]) -> bool:
    """Whether a track begins or ends where the chosen one was at the nearest time."""
    frames = tracks.frame[taken]
    mine = own[[0, -1]]
    gaps = np.abs(frames[None, :] - tracks.frame[mine][:, None])
    end, other = np.unravel_index(int(gaps.argmin()), gaps.shape)
    a, b = tracks.box[mine[end]].astype(np.float64), tracks.box[taken[other]].astype(np.float64)
    size_a, size_b = a[2:] - a[:2], b[2:] - b[:2]
    moved = np.linalg.norm((a[:2] + a[2:] - b[:2] - b[2:]) / 2)
    ratio = float(size_a[0] / max(size_b[0], 1e-6))
    return bool(moved <= SAME_PLACE * max(size_a[0], size_b[0]) and 1 / SAME_SIZE <= ratio <= SAME_SIZE)
