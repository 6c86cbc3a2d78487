"""Describes faces where linking needs it: after occlusions, for people who return, and to detect still pictures.

A single steady face is described every few seconds, each of several faces once a second, and faces that meet, appear or
disappear at every detection. Decisions depend only on a group of :mod:`lipsync_ray.faces.scan`, so a range of a video
gives the same result as the whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.align import inverse
from lipsync_ray.faces.detect import Faces
from lipsync_ray.faces.identity import SIZE, FaceDescriber, aligned_face, to_aligned
from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]

LARGE = 0.4  # of the width of the largest face in the frame: smaller ones are linked by position only
MOST = 3  # faces of a frame that are described
ALONE = 2  # groups between two descriptions of a single face
NEAR = 0.25  # of a face's width beyond its box: where it may be at the next detection
MEETS = 1.0  # likewise, around a meeting
PATCH = 32  # pixels: side of the small picture of a face
INNER = slice(33, 123), slice(30, 120)  # rows and columns of an aligned face: no hair, no background


@dataclass(frozen=True)
class Appearance:
    """Appearance of a detection: `patch` (PATCH, PATCH) uint8 grey, upright; `descriptor` (SIZE,) float16, NaN if only
    the patch is kept.
    """

    descriptor: NDArray[np.float16]
    patch: U8


UNKNOWN = Appearance(np.full(SIZE, np.nan, np.float16), np.zeros((PATCH, PATCH), np.uint8))


def appearances(
    detected: Mapping[int, Faces],
    pictures: Mapping[int, U8],
    cuts: Collection[int],
    own: range,
    number: int,
    step: int,
    describe: FaceDescriber,
) -> dict[tuple[int, int], Appearance]:
    """Appearances of a group's faces: (frame, index in the frame) → appearance.

    Parameters
    ----------
    detected : frame → its faces, for frames with detection, including the group's first and last
    pictures : frame → (h, w, 3) uint8 RGB, for the same frames
    cuts : frames that begin a scene
    own : frames of the group; its last belongs to the next one
    number : of the group in its video
    step : frames between two detections
    """
    described, pictured = _wanted(detected, cuts, own, number, step)
    out = {}
    for frame, rows in sorted(pictured.items()):
        for row in sorted(rows):
            points = detected[frame].landmarks[row]
            known = row in described.get(frame, ())
            descriptor = describe(pictures[frame], points[None])[0] if known else np.full(SIZE, np.nan)
            out[frame, row] = Appearance(descriptor.astype(np.float16), small_face(pictures[frame], points))
    return out


def small_face(picture: U8, landmarks: F32) -> U8:
    """(PATCH, PATCH) uint8 grey, eyes to mouth, of the face with these (5, 2) landmarks; 0 if it is not entirely in the
    picture.
    """
    rows, columns = INNER
    corners = np.array([[x, y] for x in (columns.start, columns.stop) for y in (rows.start, rows.stop)])
    back = inverse(to_aligned(landmarks))
    corners_in_frame = corners @ back[:, :2].T + back[:, 2]
    if (corners_in_frame < 0).any() or (corners_in_frame > (picture.shape[1], picture.shape[0])).any():
        return np.zeros((PATCH, PATCH), np.uint8)
    face = cv2.resize(aligned_face(picture, landmarks)[INNER], (PATCH, PATCH), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), np.uint8)


Wanted = dict[int, set[int]]


def _wanted(
    detected: Mapping[int, Faces], cuts: Collection[int], own: range, number: int, step: int
) -> tuple[Wanted, Wanted]:
    """Indices of faces by frame: those to describe, and those whose patch is kept."""
    frames = sorted(detected)
    large = {n: _large(detected[n]) for n in frames}
    unsure: Wanted = {n: set() for n in frames}
    for a, b in itertools.pairwise(frames):
        meet = _near(detected[a].box, detected[b].box, NEAR)
        if any(a < cut <= b for cut in cuts):
            meet[:] = False
        alone_a, alone_b = meet.sum(1) == 1, meet.sum(0) == 1
        unsure[a] |= {i for i in large[a] if not (alone_a[i] and alone_b[meet[i].argmax()])}
        unsure[b] |= {j for j in large[b] if not (alone_b[j] and alone_a[meet[:, j].argmax()])}
    described: Wanted = {n: set() for n in own if n in detected}
    spaced = _spaced(sorted(described), max(1, step // 2))
    for n, indices in unsure.items():
        for other in {n, *spaced} & set(described) if indices else ():
            if abs(other - n) <= step:
                around = np.flatnonzero(_near(detected[n].box[sorted(indices)], detected[other].box, MEETS).any(0))
                described[other] |= set(large[other]) & set(around.tolist())
    several = any(len(indices) > 1 for indices in large.values())
    first = own[0]
    if several or number % ALONE == 0:
        described[first] |= set(large[first])
    pictured = {n: set(indices) for n, indices in described.items()}
    if several:
        for n in range(first, own[-1] + 1, 2 * step):
            if n in pictured:
                pictured[n] |= set(large[n])
    return described, pictured


def _spaced(frames: list[int], least: int) -> list[int]:
    """A subset of frames at least `least` apart."""
    out: list[int] = []
    for n in frames:
        if not out or n - out[-1] >= least:
            out.append(n)
    return out


def _large(faces: Faces) -> list[int]:
    widths = _widths(faces)
    order = np.argsort(-widths, kind="stable")[:MOST].tolist()
    return [i for i in order if widths[i] >= LARGE * widths.max()]


def _widths(faces: Faces) -> F32:
    return faces.box[:, 2] - faces.box[:, 0]


def _near(a: F32, b: F32, beyond: float) -> NDArray[np.bool_]:
    """(n, m) whether boxes touch, each enlarged by `beyond` of its width on every side."""
    grown_a, grown_b = (
        boxes + (boxes[:, 2:3] - boxes[:, :1]) * np.array([-beyond, -beyond, beyond, beyond], np.float32)
        for boxes in (a, b)
    )
    low = np.maximum(grown_a[:, None, :2], grown_b[None, :, :2])
    high = np.minimum(grown_a[:, None, 2:], grown_b[None, :, 2:])
    return np.asarray((high > low).all(2))
