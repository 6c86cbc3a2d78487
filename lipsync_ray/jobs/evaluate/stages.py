"""Stages for a range of a video: crop (decode, cut, compare) and score. Plain classes; no Ray."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.faces.crop import crop_box, crop_context, crop_face
from lipsync_ray.faces.identity import FaceDescriber
from lipsync_ray.faces.mesh import KEPT, cut_square, gap_of, speaking_of, square_of_box
from lipsync_ray.faces.patch import cut_mouth
from lipsync_ray.inputs.mesh_tables import PRESENT
from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.comparing import Comparing, ImageMetrics
from lipsync_ray.jobs.evaluate.face_tracks import RATE, FaceTracks, read_face_tracks
from lipsync_ray.jobs.evaluate.judged import Lips
from lipsync_ray.jobs.evaluate.plan import ScoreRow, WindowRange
from lipsync_ray.jobs.evaluate.preview_frames import PreviewFrames, preview_folder
from lipsync_ray.media import decode
from lipsync_ray.media.picture import U8, YuvFrame
from lipsync_ray.metrics import image
from lipsync_ray.models.scorers import SCORERS, Scorer, SyncEncoder
from lipsync_ray.models.syncnet import FRAMES
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import Protocol

if TYPE_CHECKING:  # torch, which is loaded with it
    from lipsync_ray.models.face_mesh import Mesher

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

HALO = FRAMES - 1  # frames after a range that its last windows include


@dataclass(frozen=True)
class Compared:
    """A range with its crops and measurements.

    Attributes
    ----------
    row : the range
    crops : for each of its runs (count + 4, side, side, 3) uint8 BGR
    metrics : relative to the reference; None without one
    lips : the video's and its reference's; None without judges
    """

    row: ScoreRow
    crops: tuple[U8, ...]
    metrics: ImageMetrics | None
    lips: tuple[Lips, Lips] | None


class CropAndCompare:
    """Decode a range and its reference once: crop faces for the scorer, compare, and cut previews.

    Parameters
    ----------
    preview_frames : folder for previews; None for none
    """

    def __init__(
        self, scorer: str, protocol: Protocol, preview_frames: str | None = None, judges: bool = False
    ) -> None:
        one_thread()
        self._judges = judges and protocol != "lrs"
        self._mesher: Mesher | None = None
        self._scorer = SCORERS[scorer]
        self._whole = protocol == "lrs"
        self._landmarks: image.Landmarker | None = None
        self._describe: FaceDescriber | None = None
        self._preview_folder = preview_frames

    def __call__(self, row: ScoreRow) -> Compared:
        tracks = read_face_tracks(row.tracks_url)
        stop = min(row.frames, row.stop + HALO)
        numbers = np.arange(row.start, stop)
        comparing = Comparing(row, tracks) if row.reference is not None else None
        crops: list[list[U8]] = [[] for _ in row.runs]
        preview_frames = None if self._preview_folder is None else PreviewFrames(tracks)
        mouths = _Mouths(row, tracks) if self._judges else None
        videos = decode.pictures_at(row.video, tracks.shown[numbers].tolist())
        others = self._others(row, tracks, numbers)
        for number, picture, other in zip(numbers.tolist(), videos, others, strict=True):
            for run, cuts in zip(row.runs, crops, strict=True):
                if run.at <= number < run.at + run.count + HALO:
                    cuts.append(self._cut(picture, tracks, run, number, row))
            if comparing is not None and other is not None:
                comparing.add(number, picture, other)
            if mouths is not None and number < row.stop:
                mouths.add(number, picture, other)
            if preview_frames is not None and number < row.stop:
                preview_frames.add(number, picture, other)
        if preview_frames is not None and self._preview_folder is not None:
            preview_frames.commit(preview_folder(self._preview_folder, row.item), row.start)
        metrics = comparing.metrics(*self._loaded()) if comparing is not None else None
        lips = mouths.found(self._loaded_mesher()) if mouths is not None else None
        return Compared(row, tuple(map(np.stack, crops)), metrics, lips)

    def _others(self, row: ScoreRow, tracks: FaceTracks, numbers: NDArray[np.int64]) -> Iterator[YuvFrame | None]:
        if row.reference is None:
            return iter([None] * len(numbers))
        source = np.minimum(tracks.source[numbers], row.reference.frames - 1)
        return decode.pictures_at(row.reference, source.tolist())

    def _cut(self, picture: YuvFrame, tracks: FaceTracks, run: WindowRange, number: int, row: ScoreRow) -> U8:
        side = self._scorer.side
        if self._whole:
            return np.asarray(cv2.resize(picture.bgr(), (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
        at = tracks.begins(run.track) + run.first + number - run.at
        if self._scorer.context:
            return crop_context(picture, tracks.square[at], side)
        box = crop_box(tracks.track_box[at], row.pads, picture.width, picture.height)
        return crop_face(picture, box, side) if box else np.zeros((side, side, 3), np.uint8)

    def _loaded_mesher(self) -> Mesher:
        from lipsync_ray.models.face_mesh import Mesher

        self._mesher = self._mesher or Mesher("cpu")
        return self._mesher

    def _loaded(self) -> tuple[image.Landmarker, FaceDescriber]:
        from lipsync_ray.faces.landmarks import Landmarks
        from lipsync_ray.models.face_descriptor import Describer

        self._landmarks = self._landmarks or Landmarks("cpu")
        self._describe = self._describe or Describer("cpu")
        return self._landmarks, self._describe


class _Mouths:
    """Collects faces for lip measurements, from frames with exactly one face."""

    def __init__(self, row: ScoreRow, tracks: FaceTracks) -> None:
        self._row, self._tracks = row, tracks
        self._cuts: tuple[list[U8], list[U8]] = ([], [])
        self._at: tuple[list[int], list[int]] = ([], [])

    def add(self, number: int, picture: YuvFrame, other: YuvFrame | None) -> None:
        boxes = self._tracks.boxes_at(number)
        if len(boxes) != 1:
            return
        for cuts, at, one in zip(self._cuts, self._at, (picture, other), strict=True):
            if one is None:
                continue
            scale = np.tile((one.width / picture.width, one.height / picture.height), 2)
            cut = cut_square(one, square_of_box(boxes[0] * scale))
            if cut is not None:
                cuts.append(cut)
                at.append(number - self._row.start)

    def found(self, mesher: Mesher) -> tuple[Lips, Lips]:
        own, reference = zip(self._cuts, self._at, strict=True)
        return self._lips(mesher, *own), self._once(mesher, *reference)

    def _once(self, mesher: Mesher, cuts: list[U8], at: list[int]) -> Lips:
        """Measurements of the reference, cached for its other dubs by a hash of pixels and frame numbers."""
        if not self._row.lips_url or not cuts:
            return self._lips(mesher, cuts, at)
        pixels = hashlib.sha256(np.array(at).tobytes() + np.stack(cuts).tobytes()).hexdigest()[:16]
        url = storage.join(self._row.lips_url, f"{self._row.stop - self._row.start}-{pixels}.npz")
        if storage.exists(url):
            with np.load(io.BytesIO(storage.read_bytes(url))) as kept:
                return Lips(kept["opening"], kept["seen"])
        found = self._lips(mesher, cuts, at)
        buffer = io.BytesIO()
        np.savez(buffer, opening=found.opening, seen=found.embedded)
        storage.commit_bytes(url, buffer.getvalue())
        return found

    def _lips(self, mesher: Mesher, cuts: list[U8], at: list[int]) -> Lips:
        from lipsync_ray.models.sync_judge import encode_mouths

        out = Lips.none(self._row.stop - self._row.start)
        if not cuts:
            return out
        found, present = mesher(np.stack(cuts))
        known = np.flatnonzero(present >= PRESENT)
        if not len(known):
            return out
        points, numbers = found[:, list(KEPT)][known], np.array(at)[known]
        out.opening[numbers] = gap_of(speaking_of(points))
        out.embedded[numbers] = encode_mouths(
            np.stack([cut_mouth(cuts[n], p) for n, p in zip(known, points, strict=True)])
        )
        return out


class Embed:
    """Embed a range's windows and commit its numbers; returns the URL. Keeps the scorer loaded."""

    def __init__(self, scorer: str, checkpoint: Checkpoint, device: str, batch: int | None) -> None:
        one_thread()
        self._scorer: Scorer = SCORERS[scorer]
        self._expert = SyncEncoder(self._scorer, checkpoint.here(), device, batch)

    def __call__(self, compared: Compared) -> str:
        row = compared.row
        arrays: dict[str, NDArray[np.generic]] = {"start": np.array(row.start), "stop": np.array(row.stop)}
        for run, faces in zip(row.runs, compared.crops, strict=True):
            embedded = self._expert(faces, self._mel_windows(row, run))
            arrays[f"lips-{run.track}"], arrays[f"sounds-{run.track}"] = embedded
        if compared.metrics is not None:
            arrays |= vars(compared.metrics)
        if compared.lips is not None:
            for suffix, lips in zip(("", "_reference"), compared.lips, strict=True):
                arrays[f"opening{suffix}"], arrays[f"seen{suffix}"] = lips.opening, lips.embedded
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        storage.commit_bytes(row.url, buffer.getvalue())
        return row.url

    def _mel_windows(self, row: ScoreRow, run: WindowRange) -> F32:
        """(count, bands, columns) mel of each window."""
        assert row.speech is not None
        rate = self._scorer.columns_per_s
        starts = (np.arange(run.at, run.at + run.count) * rate * RATE.denominator) // RATE.numerator
        first = int(starts[0])
        columns = row.speech.read(first, int(starts[-1]) + self._scorer.columns)
        picked = np.minimum(starts[:, None] - first + np.arange(self._scorer.columns), len(columns) - 1)
        return np.ascontiguousarray(columns[picked].transpose(0, 2, 1), np.float32)
