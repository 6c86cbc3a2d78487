"""The stage between sync and compose: restore the drawn faces. A plain class; no Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lipsync_ray.dub.stages import Crops
from lipsync_ray.faces.blend import paste
from lipsync_ray.faces.table import landmarks_of, read_table
from lipsync_ray.media import decode
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.restoration.faces import FaceRestorer, RestoreFiles, Target
from lipsync_ray.settings import Precision


class Restore:
    """Restore every drawn face, aligned by its smoothed landmarks. Keeps GFPGAN loaded."""

    def __init__(self, files: RestoreFiles, device: str, precision: Precision) -> None:
        self._restorer = FaceRestorer(files, device, precision)

    def __call__(self, crops: Crops) -> Crops:
        segment = crops.segment
        shown = segment.source_frames()
        low, high = int(shown.min()), int(shown.max()) + 1
        known = landmarks_of(read_table(segment.table, low, high), segment.chosen, low, high)[shown - low]
        targets: list[list[Target]] = [[] for _ in shown]
        for place in crops.places.tolist():
            targets[place].append(Target(0, known[place]))
        restored = self._restorer(self._drawn(crops), targets, segment.start)
        return replace(crops, restored=restored, notes=(*crops.notes, *self._restorer.notes))

    @staticmethod
    def _drawn(crops: Crops) -> Iterator[tuple[int, YuvFrame]]:
        """(place, frame) with the generator's faces in them."""
        segment = crops.segment
        shown = segment.source_frames()[crops.places].tolist()
        for row, picture in enumerate(decode.pictures_at(segment.video, shown)):
            drawn = picture.copy()
            paste(drawn, Box(*crops.boxes[row].tolist()), crops.faces[row], segment.blend)
            yield int(crops.places[row]), drawn
