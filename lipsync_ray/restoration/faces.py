"""Restore the faces of a run of frames, and put them back. Plain classes; no Ray."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.faces.align import LEAST_EYE_DISTANCE, SIDE, aligned, eye_distance, similarity
from lipsync_ray.faces.masks import ellipse_mask, parsing_mask
from lipsync_ray.faces.restored import paste_restored
from lipsync_ray.media.picture import U8, Box, YuvFrame
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import Precision, RestoreSettings

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

PARSE_EVERY = 4  # frames that share one parsed mask; segments begin at multiples of it
ROW_S = 1.6  # seconds in a row of work whose faces are restored: it carries 0.8 MB a face


@dataclass(frozen=True)
class RestoreFiles:
    """Checkpoints: of GFPGAN, and of ParseNet where masks are parsed."""

    gfpgan: Checkpoint
    parsenet: Checkpoint | None = None


@dataclass(frozen=True)
class Target:
    """A face to restore: whose it is, and its (5, 2) landmarks in pixels of the frame."""

    track: int
    landmarks: F32


@dataclass(frozen=True)
class Restored:
    """Restored faces of a run of frames.

    Attributes
    ----------
    places : (r,) int64 frames, counted from the run's start, rising
    tracks : (r,) int64 whose face it is
    matrices : (r, 2, 3) float64 frame → template
    faces : (r, 512, 512, 3) uint8 BGR on the template
    masks : (q, 512, 512) uint8 parsed masks, 255 = the restored face; none for the constant ellipse
    mask_of : (r,) int64 which mask belongs to each face
    """

    places: I64
    tracks: I64
    matrices: F64
    faces: U8
    masks: U8
    mask_of: I64

    def mask(self, row: int) -> F32:
        """(512, 512) float32 weights of one face."""
        if not len(self.masks):
            return ellipse_mask()
        return np.asarray(self.masks[self.mask_of[row]] / np.float32(255), np.float32)

    def put(
        self, picture: YuvFrame, row: int, settings: RestoreSettings, mouth_of: Box | None = None, upscale: int = 1
    ) -> None:
        """Mix one face into its frame, in place.

        Parameters
        ----------
        mouth_of : the face crop that lip-sync drew, to which `settings.region` "mouth" keeps
        upscale : how many times larger the frame is than the one that was restored
        """
        mouth = mouth_of if settings.region == "mouth" else None
        if mouth is not None and upscale > 1:
            mouth = Box(*(edge * upscale for edge in mouth))
        matrix = self.matrices[row].copy()
        # Enlarging keeps the centres of pixels: p = (p′ + ½) / upscale − ½.
        matrix[:, 2] += matrix[:, :2] @ np.full(2, 0.5 / upscale - 0.5)
        matrix[:, :2] /= upscale
        paste_restored(picture, self.faces[row], matrix, self.mask(row), settings.strength, mouth)


class FaceRestorer:
    """Align faces by their landmarks and restore them. Keeps GFPGAN loaded, and ParseNet where masks are parsed."""

    def __init__(self, files: RestoreFiles, device: str, precision: Precision, batch: int | None = None) -> None:
        from lipsync_ray.models.gfpgan import Restorer  # torch, which other stages do without
        from lipsync_ray.models.parsing import Parser

        one_thread()
        self._restorer = Restorer(files.gfpgan.here(), device, precision, batch)
        self._parser = Parser(files.parsenet.here(), device, precision) if files.parsenet else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the faces were restored."""
        return self._restorer.notes

    def __call__(
        self, pictures: Iterable[tuple[int, YuvFrame]], targets: Sequence[Sequence[Target]], start: int
    ) -> Restored:
        """Restore a run of frames.

        Parameters
        ----------
        pictures : (place, frame), rising
        targets : the faces of each place; one whose eyes are less than five pixels apart is left alone
        start : global number of place 0, by which frames share their masks
        """
        places: list[int] = []
        tracks: list[int] = []
        matrices: list[F64] = []
        faces: list[U8] = []
        for place, picture in pictures:
            for target in targets[place]:
                if eye_distance(target.landmarks) >= LEAST_EYE_DISTANCE:
                    places.append(place)
                    tracks.append(target.track)
                    matrices.append(similarity(target.landmarks))
                    faces.append(aligned(picture, matrices[-1]))
        if not faces:
            nothing = np.zeros(0, np.int64)
            empty = np.zeros((0, SIDE, SIDE), np.uint8)
            return Restored(nothing, nothing, np.zeros((0, 2, 3)), empty[..., None].repeat(3, -1), empty, nothing)
        restored = self._restorer(np.stack(faces))
        own = np.array(places, np.int64)
        masks, mask_of = self._masks(own + start, np.array(tracks, np.int64), restored)
        return Restored(own, np.array(tracks, np.int64), np.stack(matrices), restored, masks, mask_of)

    def _masks(self, frames: I64, tracks: I64, restored: U8) -> tuple[U8, I64]:
        """(q, 512, 512) masks and (r,) which of them each face takes: a track's first one of each four frames."""
        if self._parser is None:
            return np.zeros((0, SIDE, SIDE), np.uint8), np.zeros(0, np.int64)
        from lipsync_ray.models.parsing import NOT_FACE

        groups = np.stack((frames // PARSE_EVERY, tracks), axis=1)
        _, firsts, mask_of = np.unique(groups, axis=0, return_index=True, return_inverse=True)
        masks = [np.rint(255 * parsing_mask(self._parser(restored[i]), NOT_FACE)) for i in firsts.tolist()]
        return np.stack(masks).astype(np.uint8), mask_of.reshape(-1).astype(np.int64)
