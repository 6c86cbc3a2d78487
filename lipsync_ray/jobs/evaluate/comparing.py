"""Compares a range of a video with its reference: the picture, the mouths, and what a viewer would see at once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.crop import crop_box
from lipsync_ray.faces.identity import FaceDescriber
from lipsync_ray.jobs.evaluate.face_tracks import FaceTracks
from lipsync_ray.jobs.evaluate.plan import ScoreRow
from lipsync_ray.media.picture import U8, Box, YuvFrame
from lipsync_ray.metrics import image, visible_faults

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

COMPARE_EVERY = 25  # grid frames between two pixel comparisons: one a second
EDGES_EVERY = 10  # likewise, between two looks for seams
DESCRIBE_EVERY = 2 * COMPARE_EVERY  # likewise, between two descriptions of the faces
_AROUND = 0.5  # of a face's square, beyond it: what its description may see


@dataclass(frozen=True)
class ImageMetrics:
    """Image metrics of a range relative to the reference.

    Attributes
    ----------
    places : (k,) int64 frames of the grid that were compared
    mse, ssim : (k,) of the picture outside the mouths
    sharpness, sharpness_reference : (k,) of the mouths; NaN where there is no face
    edges : (e, ROWS, COLUMNS) float16 edges of faces that the reference has not, of one face each
    jitter, jitter_reference : (j,) one value for each three frames with a face
    flicker : (f,) levels, one for each three frames of the range; NaN without exactly one face
    light : (n, 3) levels by which Y, U, V of the lower face differ, of each frame of the range; likewise
    change : (n,) levels by which the whole picture differs
    face_distance : (d,) distance of the faces' descriptors
    """

    places: NDArray[np.int64]
    mse: F64
    ssim: F64
    sharpness: F64
    sharpness_reference: F64
    edges: NDArray[np.float16]
    jitter: F64
    jitter_reference: F64
    flicker: F64
    light: F64
    change: F64
    face_distance: F64


class Comparing:
    """Compares a range with its reference, frame by frame."""

    def __init__(self, row: ScoreRow, tracks: FaceTracks) -> None:
        self._row, self._tracks = row, tracks
        self._rows: list[tuple[int, float, float, float, float]] = []
        self._edges: list[F32] = []
        self._cuts: tuple[list[U8 | None], list[U8 | None]] = ([], [])
        self._boxes: list[Box | None] = []
        self._light: list[tuple[float, float, float]] = []
        self._change: list[float] = []
        # Place in the cuts, surroundings of a face, both pictures
        self._faces: list[tuple[int, Box, tuple[U8, U8]]] = []

    def add(self, number: int, picture: YuvFrame, other: YuvFrame) -> None:
        from lipsync_ray.faces.landmarks import cut, face_square

        if other.y.shape != picture.y.shape:
            other = _resized(other, picture)
        boxes = self._tracks.boxes_at(number)
        square = face_square(boxes[0], picture.width, picture.height) if len(boxes) == 1 else None
        self._boxes.append(square)
        for cuts, one in zip(self._cuts, (picture, other), strict=True):
            cuts.append(cut(one, square) if square else None)
        crops = [c for b in boxes if (c := crop_box(b, self._row.pads, picture.width, picture.height))]
        light = visible_faults.light_of(picture, other, crops[0]) if len(boxes) == len(crops) == 1 else (np.nan,) * 3
        self._light.append(light)
        if number >= self._row.stop:
            return
        self._change.append(visible_faults.change(picture.y, other.y))
        if number % COMPARE_EVERY == 0:
            self._rows.append((number, *_compared(picture, other, crops)))
        if number % EDGES_EVERY == 0:
            self._edges += [visible_faults.edges(picture.y, other.y, crop) for crop in crops]
        if number % DESCRIBE_EVERY == 0 and square:
            around = _grown(square, picture)
            self._faces.append((len(self._boxes) - 1, around, (picture.bgr(around), other.bgr(around))))

    def metrics(self, landmarks: image.Landmarker, describe: FaceDescriber) -> ImageMetrics:
        own = self._row.stop - self._row.start  # three frames belong to the range in which they start
        points = [landmarks(cuts, self._boxes) for cuts in self._cuts]
        shakes = [image.jitter(one)[:own] for one in points]
        both = ~(np.isnan(shakes[0]) | np.isnan(shakes[1]))
        table = np.array(self._rows, np.float64).reshape(-1, 5)
        light = np.array(self._light, np.float64).reshape(-1, 3)
        distances = [
            _distance(describe, pictures, [one[place] - (around.x0, around.y0) for one in points])
            for place, around, pictures in self._faces
        ]
        edges = np.array(self._edges, np.float16).reshape(-1, visible_faults.ROWS, visible_faults.COLUMNS)
        return ImageMetrics(
            places=table[:, 0].astype(np.int64),
            mse=table[:, 1],
            ssim=table[:, 2],
            sharpness=table[:, 3],
            sharpness_reference=table[:, 4],
            edges=edges,
            jitter=shakes[0][both],
            jitter_reference=shakes[1][both],
            flicker=visible_faults.flicker(light[:, 0])[:own],
            light=light[:own],
            change=np.array(self._change, np.float64),
            face_distance=np.array(distances, np.float64),
        )


def _compared(picture: YuvFrame, other: YuvFrame, crops: list[Box]) -> tuple[float, float, float, float]:
    """Mean squared difference, SSIM and both sharpnesses of one frame; NaN where there is none."""
    outside = image.compare_outside(picture.y, other.y, crops)
    sharp = [np.mean([image.sharpness(one.y, c) for c in crops]) if crops else np.nan for one in (picture, other)]
    mse, ssim = (outside.mse, outside.ssim) if outside else (np.nan, np.nan)
    return mse, ssim, float(sharp[0]), float(sharp[1])


def _grown(square: Box, picture: YuvFrame) -> Box:
    more = round(_AROUND * square.width)
    return Box(
        max(0, square.x0 - more),
        max(0, square.y0 - more),
        min(picture.width, square.x1 + more),
        min(picture.height, square.y1 + more),
    )


def _distance(describe: FaceDescriber, pictures: tuple[U8, U8], points: list[F64]) -> float:
    """Distance of the descriptors of two (h, w, 3) BGR faces with (5, 2) landmarks."""
    ours, theirs = (
        describe(np.ascontiguousarray(picture[..., ::-1]), own[None].astype(np.float32))[0]
        for picture, own in zip(pictures, points, strict=True)
    )
    return float(np.linalg.norm(ours - theirs))


def _resized(other: YuvFrame, picture: YuvFrame) -> YuvFrame:
    """Scale a reference to the size of an upscaled video."""
    half = (picture.width // 2, picture.height // 2)
    y, u, v = (
        np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LANCZOS4), np.uint8)
        for plane, size in ((other.y, (picture.width, picture.height)), (other.u, half), (other.v, half))
    )
    return YuvFrame(y, u, v, other.colour)
