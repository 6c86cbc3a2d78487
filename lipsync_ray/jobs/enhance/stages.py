"""What is done to a range of a finished video: restore, compose. Plain classes; no Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.crop import crop_box
from lipsync_ray.faces.table import read_table
from lipsync_ray.io import storage
from lipsync_ray.jobs.enhance.plan import EnhanceRow
from lipsync_ray.media import decode
from lipsync_ray.media.encode import encode
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.restoration.faces import FaceRestorer, Restored, RestoreFiles, Target
from lipsync_ray.restoration.previews import commit_row
from lipsync_ray.settings import Precision, RestoreSettings

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class RestoredRow:
    """A range whose faces are restored.

    Attributes
    ----------
    row : the range
    restored : its faces
    crops : for each of them the crop that lip-sync drew
    faces : frames that show any of the chosen faces, however small
    notes : what a person should know of how they were restored
    """

    row: EnhanceRow
    restored: Restored
    crops: tuple[Box | None, ...]
    faces: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Composed:
    """A range whose part is committed: its frames, those without a face, those with a restored one."""

    item: str
    start: int
    frames: int
    faceless: int
    restored: int
    notes: tuple[str, ...] = ()


class Restore:
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
            self._from_table(row, targets, boxes)
        pictures = self._looked(row, targets, boxes)
        restored = self._restorer(pictures, targets, row.start)
        crops = tuple(
            crop_box(boxes[place, track], row.pads, row.video.width, row.video.height)
            for place, track in zip(restored.places.tolist(), restored.tracks.tolist(), strict=True)
        )
        return RestoredRow(row, restored, crops, sum(map(bool, targets)), self._restorer.notes)

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
    def _from_table(row: EnhanceRow, targets: list[list[Target]], boxes: dict[tuple[int, int], F32]) -> None:
        assert row.table is not None
        seen = row.seen()
        scale = np.array(row.scale, np.float32)
        table = read_table(row.table, int(seen.min()), int(seen.max()) + 1)
        mine = np.flatnonzero(np.isin(table.track, row.chosen))
        by_frame: dict[int, list[int]] = {}
        for index in mine.tolist():
            by_frame.setdefault(int(table.frame[index]), []).append(index)
        for place, frame in enumerate(seen.tolist()):
            for index in by_frame.get(frame, []):
                track = int(table.track[index])
                targets[place].append(Target(track, table.landmarks[index] * scale))
                boxes[place, track] = table.box[index] * np.tile(scale, 2)


class Compose:
    """Decode a range again, enlarge it where that is asked for, put the faces in, encode it and commit the part."""

    def __init__(self, settings: RestoreSettings) -> None:
        self._settings = settings

    def __call__(self, ready: RestoredRow) -> Composed:
        row = ready.row
        if row.video.picture:
            (picture,) = self._pictures(ready)
            height, width = row.video.height * row.upscale, row.video.width * row.upscale  # as they were, even or odd
            part = cv2.imencode(".png", picture.bgr()[:height, :width])[1].tobytes()
        else:
            part = encode(self._pictures(ready), row.video.rate, row.video.pixel_aspect, row.coding)
        storage.commit_bytes(row.url, part)
        frames = row.stop - row.start
        restored = len(np.unique(ready.restored.places))
        return Composed(row.item, row.start, frames, frames - ready.faces, restored, ready.notes)

    def _pictures(self, ready: RestoredRow) -> Iterator[YuvFrame]:
        row, restored = ready.row, ready.restored
        for place, source in enumerate(decode.pictures(row.video, row.start, row.stop)):
            low, high = np.searchsorted(restored.places, (place, place + 1)).tolist()
            picture = enlarged(source, row.upscale) if row.upscale > 1 else source
            if low < high and picture is source:
                picture = source.copy()
            for face in range(low, high):
                restored.put(picture, face, self._settings, ready.crops[face], row.upscale)
            url = dict(row.previews).get(row.start + place)
            if low < high and url is not None:
                self._show(url, ready, place, source, picture)
            yield row.marks.put(picture, row.start + place, drawn=low < high)

    @staticmethod
    def _show(url: str, ready: RestoredRow, place: int, source: YuvFrame, picture: YuvFrame) -> None:
        """Commit before and after; of a dub, the frame it was made of too."""
        row = ready.row
        first = int(np.searchsorted(ready.restored.places, place))
        box = ready.crops[first]
        if box is None:
            return
        states = [source, picture]
        if row.source is not None:
            number = int(row.seen()[place])
            states.insert(0, next(decode.pictures(row.source, number, number + 1)))
        scale = states[0].width / source.width
        commit_row(url, states, np.array(box, np.float64) * scale)


def enlarged(picture: YuvFrame, times: int) -> YuvFrame:
    """The frame at ``times`` its size, by Lanczos."""
    y, u, v = (
        np.asarray(
            cv2.resize(plane, None, fx=times, fy=times, interpolation=cv2.INTER_LANCZOS4),
            np.uint8,
        )
        for plane in (picture.y, picture.u, picture.v)
    )
    return YuvFrame(y, u, v, picture.colour)
