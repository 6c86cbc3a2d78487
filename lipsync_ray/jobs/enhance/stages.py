"""What is done to a range of a finished video: restore. Plain classes; no Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.crop import crop_box
from lipsync_ray.faces.table import read_table
from lipsync_ray.jobs.enhance.plan import EnhanceRow
from lipsync_ray.media import decode
from lipsync_ray.media.frame_cache import FrameCache
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.restoration.compose import DrawnSegment
from lipsync_ray.restoration.faces import FaceRestorer, Restored, RestoreFiles, Target
from lipsync_ray.settings import Precision

F32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class RestoredRow(DrawnSegment):
    """A range whose faces are restored.

    Attributes
    ----------
    crops : for each restored face the crop that lip-sync drew
    faced : frames that show any of the chosen faces, however small
    """

    row: EnhanceRow
    restored: Restored
    crops: tuple[Box | None, ...]
    faced: int

    @property
    def drawn(self) -> int:
        return self.faced

    @property
    def upscale(self) -> int:
        return self.row.upscale

    def sources(self, cache: FrameCache) -> Iterator[YuvFrame]:
        return decode.pictures(self.row.video, self.row.start, self.row.stop)

    def draw(self, place: int, source: YuvFrame) -> YuvFrame:
        return enlarged(source, self.upscale) if self.upscale > 1 else source

    def box_at(self, place: int) -> Box | None:
        low, high = np.searchsorted(self.restored.places, (place, place + 1)).tolist()
        return self.crops[low] if low < high else None

    def mouth_of(self, place: int, face: int) -> Box | None:
        return self.crops[face]

    def before(self, place: int, source: YuvFrame, drawn: YuvFrame) -> tuple[YuvFrame, ...]:
        """The frame, and of a dub the one that it was made of."""
        if self.row.source is None:
            return (source,)
        number = int(self.row.table_rows()[place])
        return next(decode.pictures(self.row.source, number, number + 1)), source


class RestoreRange:
    """Restore the chosen faces of a range. Keeps GFPGAN loaded.

    Parameters
    ----------
    retinaface : checkpoint of RetinaFace, which then looks at every frame instead of the face table
    """

    def __init__(
        self,
        files: RestoreFiles,
        device: str,
        precision: Precision,
        batch: int | None = None,
        retinaface: Checkpoint | None = None,
    ) -> None:
        self._restorer = FaceRestorer(files, device, precision, batch)
        self._detector = None
        if retinaface is not None:
            from lipsync_ray.faces.retinaface import retinaface_detector
            from lipsync_ray.models.checkpoint import read_state

            self._detector = retinaface_detector(read_state(retinaface.here()), device)

    def __call__(self, row: EnhanceRow) -> RestoredRow:
        targets: list[list[Target]] = [[] for _ in range(row.stop - row.start)]
        boxes: dict[tuple[int, int], F32] = {}
        if row.table is not None:
            self._from_table(row, row.table, targets, boxes)
        pictures = self._looked(row, targets, boxes)
        restored = self._restorer(pictures, targets, row.start)
        crops = tuple(
            crop_box(boxes[place, track], row.pads, row.video.width, row.video.height)
            for place, track in zip(restored.places.tolist(), restored.tracks.tolist(), strict=True)
        )
        faced = sum(map(bool, targets))
        return RestoredRow(row=row, restored=restored, crops=crops, faced=faced, notes=self._restorer.notes)

    def _looked(
        self, row: EnhanceRow, targets: list[list[Target]], boxes: dict[tuple[int, int], F32]
    ) -> Iterator[tuple[int, YuvFrame]]:
        for place, picture in enumerate(decode.pictures(row.video, row.start, row.stop)):
            if self._detector is not None:
                found = self._detector(np.ascontiguousarray(picture.bgr()[..., ::-1]))
                for number in range(len(found)):
                    targets[place].append(Target(number, found.landmarks[number]))
                    boxes[place, number] = found.box[number]
            yield place, picture

    @staticmethod
    def _from_table(row: EnhanceRow, url: str, targets: list[list[Target]], boxes: dict[tuple[int, int], F32]) -> None:
        seen = row.table_rows()
        scale = np.array(row.scale, np.float32)
        table = read_table(url, int(seen.min()), int(seen.max()) + 1)
        mine = np.flatnonzero(np.isin(table.track, row.chosen))
        by_frame: dict[int, list[int]] = {}
        for index in mine.tolist():
            by_frame.setdefault(int(table.frame[index]), []).append(index)
        for place, frame in enumerate(seen.tolist()):
            for index in by_frame.get(frame, []):
                track = int(table.track[index])
                targets[place].append(Target(track, table.landmarks[index] * scale))
                boxes[place, track] = table.box[index] * np.tile(scale, 2)


def enlarged(picture: YuvFrame, times: int) -> YuvFrame:
    """The frame at ``times`` its size, by Lanczos."""
    y, u, v = (
        np.asarray(
            cv2.resize(plane, None, fx=times, fy=times, interpolation=cv2.INTER_LANCZOS4),
            np.uint8,
        )
        for plane in (picture.y, picture.u, picture.v)
    )
    native = None if picture.native is None else picture.native.enlarged(times, (y, u, v))
    return YuvFrame(y, u, v, picture.colour, native)
