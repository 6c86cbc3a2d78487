"""Detects faces and cuts in a range of frames, running the detector only where it is needed.

The detector runs every fifth of a second: once a second on the whole frame, in between only around known faces. If
these are not found again one for one, or the next whole frame has others, the frames between are searched whole, too.
If neither end of a second has a face, the frames inside are skipped. Between two detections, frames are skipped and
:mod:`lipsync_ray.faces.track` interpolates, provided that no cut lies between them and the faces match one for one and
have moved little; otherwise every frame is searched.

All decisions are made within groups of :data:`GROUP` steps counted from the video's start. Ranges are whole numbers of
groups, so results do not depend on how the video was split.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.appearance import PATCH, UNKNOWN, Appearance, appearances
from lipsync_ray.faces.cuts import CutFinder, faces_alike, window
from lipsync_ray.faces.detect import NO_FACES, Detector, Faces
from lipsync_ray.faces.identity import SIZE, FaceDescriber
from lipsync_ray.faces.turned import UPRIGHT, surest
from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

DETECTIONS_PER_S = 5
GROUP = 5  # steps: a second
SAME_FACE_IOU = 0.5
SAME_POSITION_IOU = 0.7
LARGEST_MOVE = 0.25  # of the face's width, over one step


@dataclass(frozen=True)
class Scan:
    """Detections in frames [start, stop).

    Attributes
    ----------
    start, stop : frame numbers in the video
    looked : (m,) int32 frames on which the detector ran, ascending
    cuts : (c,) int32 frames that begin a new scene, ascending
    frame : (n,) int32 frame of each detection, ascending; within a frame best first
    box : (n, 4) float32 x0, y0, x1, y1 in pixels of the video
    landmarks : (n, 5, 2) float32 x, y
    score : (n,) float32
    descriptor : (n, SIZE) float16, :mod:`lipsync_ray.faces.identity`; NaN if it was not needed
    patch : (n, PATCH, PATCH) uint8 grey, :mod:`lipsync_ray.faces.appearance`; 0 if none was kept
    turned : quarter turns to the left that bring the faces of a rotated video upright
        (:mod:`lipsync_ray.faces.turned`); 0 for none
    resized : number of frames stored in another size than the first, and scaled to it
    damaged : number of frames that the decoder reports as damaged
    """

    start: int
    stop: int
    looked: I32
    cuts: I32
    frame: I32
    box: F32
    landmarks: F32
    score: F32
    descriptor: NDArray[np.float16]
    patch: U8
    turned: int = 0
    resized: int = 0
    damaged: int = 0

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Scan:
        with np.load(io.BytesIO(data)) as arrays:
            values = {field.name: arrays[field.name] for field in fields(cls)}
        values |= {name: int(values[name]) for name in ("start", "stop", "turned", "resized", "damaged")}
        return cls(**values)

    @classmethod
    def joined(cls, scans: list[Scan]) -> Scan:
        """Join the scans of consecutive ranges, in order.

        Raises
        ------
        ValueError : a range is missing
        """
        for before, after in itertools.pairwise(scans):
            if before.stop != after.start:
                raise ValueError(f"ranges {before.start}–{before.stop} and {after.start}–{after.stop} are not adjacent")
        names = ("looked", "cuts", "frame", "box", "landmarks", "score", "descriptor", "patch")
        joined: dict[str, Any] = {name: np.concatenate([getattr(scan, name) for scan in scans]) for name in names}
        joined |= {name: sum(getattr(scan, name) for scan in scans) for name in ("resized", "damaged")}
        turned = max(
            (scan.turned for scan in scans), key=lambda quarter: sum(scan.turned == quarter != 0 for scan in scans)
        )
        faces = Faces(joined["box"], joined["landmarks"], joined["score"])
        joined["turned"] = 0 if surest(faces) >= UPRIGHT else turned
        return cls(scans[0].start, scans[-1].stop, **joined)


def step_of(rate: Fraction) -> int:
    """Frames between two detections."""
    return max(1, round(rate / DETECTIONS_PER_S))


def ranges_of(frames: int, rate: Fraction, seconds: float) -> list[tuple[int, int]]:
    """Split a video of ``frames`` frames into ranges [start, stop) of whole groups, each of about ``seconds``."""
    group = step_of(rate) * GROUP
    length = max(1, round(seconds * float(rate) / group)) * group
    return [(start, min(frames, start + length)) for start in range(0, frames, length)]


def needed(start: int, stop: int, total: int, rate: Fraction) -> tuple[int, int]:
    """Frames [first, last) that a scan of [start, stop) reads, including those before and after that cut detection
    needs.
    """
    before, after = window(rate)
    return max(0, start - before), min(total, stop + 1 + after)


def scan(
    frames: Iterator[U8], start: int, stop: int, total: int, rate: Fraction, detect: Detector, describe: FaceDescriber
) -> Scan:
    """Scan frames [start, stop) of a video of ``total`` frames.

    Parameters
    ----------
    frames : those of :func:`needed`; (h, w, 3) uint8 RGB
    start : a multiple of ``GROUP · step_of(rate)``
    stop : likewise, or ``total``

    Returns
    -------
    boxes and landmarks are in pixels of the given frames
    """
    step = step_of(rate)
    detections: dict[int, Faces] = {}
    appearance_of: dict[tuple[int, int], Appearance] = {}
    cuts: list[int] = []
    finder = CutFinder(rate, total)
    read: dict[int, U8] = {}
    numbered = enumerate(frames, needed(start, stop, total, rate)[0])
    for first in range(start, stop, step * GROUP):
        last = min(first + step * GROUP, total - 1)
        ahead = min(last + window(rate)[1], total - 1)
        while ahead not in read:
            number, picture = next(numbered)
            finder.add(number, picture)
            read[number] = picture
        pictures_of = {number: picture for number, picture in read.items() if first <= number <= last}
        anchors = sorted({*range(first, last + 1, step), last})
        found = {n: detections[n] for n in pictures_of if n in detections}  # the frame shared with the group before
        group_cuts = [
            n for n in range(first + 1, last + 1) if finder.is_cut(n, partial(_alike, found, n, pictures_of, detect))
        ]
        cuts += group_cuts
        if group_cuts:
            _detect(found, anchors, pictures_of, detect)
        else:
            _detect(found, [first, last], pictures_of, detect)
            _follow(found, anchors, pictures_of, detect)
        for a, b in itertools.pairwise(sorted(found)):
            if any(a < cut <= b for cut in group_cuts):
                _detect(found, list(range(a + 1, b)), pictures_of, detect)
            elif not may_interpolate(found[a], found[b]):
                _detect_around(found, a, b, pictures_of, detect)
        own = range(first, min(first + step * GROUP, total))
        appearance_of |= appearances(found, pictures_of, group_cuts, own, first // (step * GROUP), step, describe)
        detections |= found
        read = {number: picture for number, picture in read.items() if number >= last}
        finder.forget(last - window(rate)[0])
    looked = sorted(n for n in detections if start <= n < stop)
    rows = [(n, detections[n]) for n in looked if len(detections[n])] or [(0, NO_FACES)]
    kept = [appearance_of.get((n, offset), UNKNOWN) for n, faces in rows for offset in range(len(faces))]
    return Scan(
        start,
        stop,
        np.array(looked, np.int32),
        np.array([cut for cut in cuts if start < cut <= stop and cut < total], np.int32),
        np.repeat([n for n, _ in rows], [len(faces) for _, faces in rows]).astype(np.int32),
        np.concatenate([faces.box for _, faces in rows]),
        np.concatenate([faces.landmarks for _, faces in rows]),
        np.concatenate([faces.score for _, faces in rows]),
        np.array([one.descriptor for one in kept], np.float16).reshape(-1, SIZE),
        np.array([one.patch for one in kept], np.uint8).reshape(-1, PATCH, PATCH),
    )


def _alike(found: dict[int, Faces], number: int, pictures_of: dict[int, U8], detect: Detector) -> float | None:
    """Similarity of the faces in a frame and the previous one (:func:`lipsync_ray.faces.cuts.faces_alike`)."""
    _detect(found, [number - 1, number], pictures_of, detect)
    return faces_alike(pictures_of[number - 1], pictures_of[number], found[number - 1], found[number])


def _detect(found: dict[int, Faces], numbers: list[int], pictures_of: dict[int, U8], detect: Detector) -> None:
    found.update({number: detect(pictures_of[number]) for number in numbers if number not in found})


def _follow(found: dict[int, Faces], anchors: list[int], pictures_of: dict[int, U8], detect: Detector) -> None:
    """Detect at the inner anchors, around the faces known so far; the first and the last anchor are already detected."""
    first, last = anchors[0], anchors[-1]
    if not len(found[first]) and not len(found[last]):
        return
    around: list[int] = []
    before = found[first]
    for number in anchors[1:-1]:
        faces = detect(pictures_of[number], before.box) if len(before) else NO_FACES
        if len(before) and may_interpolate(before, faces):
            around.append(number)
        else:
            faces = detect(pictures_of[number])
        found[number] = before = faces
    # If not, a face has appeared, vanished or jumped, perhaps before the last step.
    if not may_interpolate(before, found[last]):
        found.update({number: detect(pictures_of[number]) for number in around})


def _detect_around(found: dict[int, Faces], a: int, b: int, pictures_of: dict[int, U8], detect: Detector) -> None:
    """Detect in every frame between two, around the faces of both and of the frame before."""
    before = found[a]
    for number in range(a + 1, b):
        near = np.concatenate((found[a].box, before.box, found[b].box))
        same = np.tril(iou(near, near), -1).max(axis=1, initial=0) >= SAME_POSITION_IOU  # covered by an earlier box
        found[number] = before = detect(pictures_of[number], near[~same])


def may_interpolate(a: Faces, b: Faces) -> bool:
    """Whether the faces of two frames match one for one and have moved little."""
    if len(a) != len(b):
        return False
    if not len(a):
        return True
    overlaps = iou(a.box, b.box)
    partner = overlaps.argmax(axis=1)
    if len(set(partner.tolist())) < len(a) or (overlaps.max(axis=1) < SAME_FACE_IOU).any():
        return False
    centres_a, centres_b = a.landmarks.mean(axis=1), b.landmarks.mean(axis=1)[partner]
    widths = a.box[:, 2] - a.box[:, 0]
    return bool((np.linalg.norm(centres_a - centres_b, axis=1) <= LARGEST_MOVE * widths).all())


def iou(a: F32, b: F32) -> F32:
    """(n, m) intersection over union of (n, 4) and (m, 4) boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = (np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (a, b))
    return np.asarray(both / np.maximum(area_a[:, None] + area_b[None] - both, 1e-9), np.float32)
