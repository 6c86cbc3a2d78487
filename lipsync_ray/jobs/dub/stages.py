"""What is done to a segment: crop, sync, restore, compose. Plain classes; no Ray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import compress

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.blend import fade, paste
from lipsync_ray.faces.box_rules import boxes_by
from lipsync_ray.faces.crop import crop_face
from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.parsed import paste_parsed
from lipsync_ray.faces.table import landmarks_of, read_table
from lipsync_ray.inputs.face_tables import one_thread
from lipsync_ray.inputs.sights import read_sight
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.lips import Draw, Generating, Lips, closing, heard_by, hushed
from lipsync_ray.jobs.dub.plan import Segment
from lipsync_ray.media.encode import encode
from lipsync_ray.media.frame_cache import FrameCache, shared_frame_cache
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.restoration.faces import FaceRestorer, Restored, RestoreFiles, Target
from lipsync_ray.restoration.previews import commit_row
from lipsync_ray.settings import Precision, RestoreSettings

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Crops:
    """A segment and the faces in it.

    Attributes
    ----------
    segment : the row
    places : (m,) int64 output frames, counted from the segment's start, that have a face
    boxes : (m, 4) int32 x0, y0, x1, y1 that were cropped
    faces : (m, side, side, 3) uint8 BGR: of the source after crop, drawn anew after sync
    strength : (m,) float32 how much of each goes into its frame: less beside frames whose mouth is hidden
    restored : after restore, where that is asked for
    masks : of what may be drawn, as PNG, empty where a parser saw no face; none of them where none has looked
    notes : what a person should know of how they were drawn
    gpu_mb : most memory that the generator's process has had of its GPU; None on a CPU
    """

    segment: Segment
    places: NDArray[np.int64]
    boxes: NDArray[np.int32]
    faces: U8
    strength: F32
    restored: Restored | None = None
    masks: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()
    gpu_mb: int | None = None

    def drawing(self) -> Draw:
        """How they come into their frames."""

        def draw(row: int, picture: YuvFrame) -> None:
            box, strength = Box(*self.boxes[row].tolist()), float(self.strength[row])
            before = picture.copy() if strength < 1 else picture
            if self.masks and self.masks[row]:
                mask = cv2.imdecode(np.frombuffer(self.masks[row], np.uint8), cv2.IMREAD_GRAYSCALE)
                paste_parsed(picture, box, self.faces[row], np.asarray(mask, np.uint8))
            else:
                paste(picture, box, self.faces[row], "hard" if self.segment.blend == "hard" else "feather")
            if strength < 1:
                fade(picture, before, strength)

        return draw


Drawn = Crops | Lips


def source_pictures(segment: Segment, held: FrameCache) -> Iterator[YuvFrame]:
    """The source's picture for each of a segment's output frames; not to be written into."""
    return held.pictures_at(segment.table, segment.video, segment.source_frames().tolist())


def placed_pictures(crops: Drawn, held: FrameCache) -> Iterator[tuple[int, YuvFrame, int | None]]:
    """(place, the source's picture, row of its face) for each of a segment's output frames; None where it has no face."""
    rows = {place: row for row, place in enumerate(crops.places.tolist())}
    for place, picture in enumerate(source_pictures(crops.segment, held)):
        yield place, picture, rows.get(place)


@dataclass(frozen=True)
class Composed:
    """A segment whose part is committed: its frames, those that were drawn, those whose face was restored, notes, and the memory
    that its generator had of a GPU."""

    dub: str
    start: int
    frames: int
    drawn: int
    restored: int
    notes: tuple[str, ...] = ()
    gpu_mb: int | None = None


class Crop:
    """Decode a segment's range and cut out the speaking face of every frame; once for all the languages that come together.

    Parameters
    ----------
    side : pixels of the square crop
    closing : the checkpoint whose basis closes the mouth before it is cropped; None crops it as it is
    """

    def __init__(self, side: int, closing: Checkpoint | None = None) -> None:
        self._side = side
        self._held = shared_frame_cache()
        self._last: Crops | None = None
        self._basis: LipBasis | None = None
        if closing is not None:
            from lipsync_ray.models.hear import listener_of

            one_thread()
            self._basis = listener_of(closing.here()).basis()

    def __call__(self, segment: Segment) -> Crops:
        if self._last is None or self._last.segment.seen != segment.seen:
            self._last = self._cropped(segment)
        return replace(self._last, segment=segment)

    def _cropped(self, segment: Segment) -> Crops:
        video = segment.video
        shown = segment.source_frames()
        low, high = int(shown.min()), int(shown.max()) + 1
        table = read_table(segment.table, low, high)
        known = boxes_by(segment.box, table, segment.chosen, low, high, video.width, video.height)
        places: list[int] = []
        boxes: list[Box] = []
        faces: list[U8] = []
        last: tuple[YuvFrame, U8] | None = None
        strength = read_sight(segment.sight).strengths()[shown]
        close = closing(segment, self._basis) if self._basis is not None else None
        for place, (index, picture) in enumerate(zip(shown, source_pictures(segment, self._held), strict=True)):
            if (box := known[index - low]) is None or not strength[place]:
                continue
            if last is None or last[0] is not picture or boxes[-1] != box:
                seen = close(int(index), picture) if close is not None else picture
                last = (picture, crop_face(seen, box, self._side))
            places.append(place)
            boxes.append(box)
            faces.append(last[1])
        return Crops(
            segment,
            np.array(places, np.int64),
            np.array(boxes, np.int32).reshape(-1, 4),
            np.stack(faces) if faces else np.zeros((0, self._side, self._side, 3), np.uint8),
            strength[places],
        )


class Sync(Generating):
    """Make the cropped faces say the audio."""

    def __call__(self, crops: Crops) -> Crops:
        if not len(crops.places):
            return crops
        heard = heard_by(crops.segment, crops.places, self._window)
        if self._window.front_end in ("mel", "speech-mel"):
            segment = crops.segment
            frames = crops.places + segment.start
            heard = hushed(heard, segment.speech.silence(frames, segment.video.rate, segment.pauses))
        drawn = self._model(crops.faces, heard)
        return replace(crops, faces=drawn, notes=self._model.notes, gpu_mb=self._model.peak_mb)


class SyncEncoded(Generating):
    """Draw faces that say the audio, of encodings that were made for all languages."""

    def __call__(self, segment: Segment) -> Crops:
        assert segment.encodings is not None
        shown = segment.source_frames()
        seen = segment.encodings.read(shown)
        strength = read_sight(segment.sight).strengths()[shown]
        known = np.flatnonzero(np.isin(shown, seen.frames))
        drawn = strength[known] > 0
        places = known[drawn]
        faces = self._model(seen.shown[drawn], heard_by(segment, places, self._window))
        notes = tuple(dict.fromkeys((*seen.notes, *self._model.notes)))
        masks = tuple(compress(seen.masks, drawn.tolist()))
        gpu_mb = self._model.peak_mb
        return Crops(
            segment, places, seen.boxes[drawn], faces, strength[places], masks=masks, notes=notes, gpu_mb=gpu_mb
        )


class Restore:
    """Restore every drawn face, aligned by its smoothed landmarks. Keeps GFPGAN loaded."""

    def __init__(self, files: RestoreFiles, device: str, precision: Precision) -> None:
        self._restorer = FaceRestorer(files, device, precision)
        self._held = shared_frame_cache()

    def __call__(self, crops: Drawn) -> Drawn:
        segment = crops.segment
        shown = segment.source_frames()
        low, high = int(shown.min()), int(shown.max()) + 1
        known = landmarks_of(read_table(segment.table, low, high), segment.chosen, low, high)[shown - low]
        targets: list[list[Target]] = [[] for _ in shown]
        for place in crops.places.tolist():
            targets[place].append(Target(0, known[place]))
        restored = self._restorer(self._drawn(crops), targets, segment.start)
        return replace(crops, restored=restored, notes=(*crops.notes, *self._restorer.notes))

    def _drawn(self, crops: Drawn) -> Iterator[tuple[int, YuvFrame]]:
        """(place, frame) with the generator's faces in them."""
        draw = crops.drawing()
        for place, picture, row in placed_pictures(crops, self._held):
            if row is not None:
                drawn = picture.copy()
                draw(row, drawn)
                yield place, drawn


class Compose:
    """Decode a segment's range again, put the faces in, encode it and commit the part.

    Parameters
    ----------
    restore : how restored faces are mixed in
    """

    def __init__(self, restore: RestoreSettings | None = None) -> None:
        self._restore = restore
        self._held = shared_frame_cache()

    def __call__(self, crops: Drawn) -> Composed:
        segment = crops.segment
        part = encode(self._pictures(crops), segment.video.rate, segment.video.pixel_aspect, segment.coding)
        storage.commit_bytes(segment.url, part)
        frames = segment.stop - segment.start
        restored = len(crops.restored.places) if crops.restored else 0
        return Composed(segment.dub, segment.start, frames, len(crops.places), restored, crops.notes, crops.gpu_mb)

    def _pictures(self, crops: Drawn) -> Iterator[YuvFrame]:
        segment = crops.segment
        draw = crops.drawing()
        for place, picture, row in placed_pictures(crops, self._held):
            if row is not None:
                box = Box(*crops.boxes[row].tolist())
                source, picture = picture, picture.copy()
                draw(row, picture)
                if crops.restored is not None and self._restore is not None:
                    drawn, picture = picture, picture.copy()
                    how = replace(self._restore, strength=self._restore.strength * float(crops.strength[row]))
                    for face in np.flatnonzero(crops.restored.places == place).tolist():
                        crops.restored.put(picture, face, how, box)
                    if (url := segment.shown_at(place)) is not None:
                        commit_row(url, (source, drawn, picture), crops.boxes[row])
            yield segment.marks.put(picture, segment.start + place, drawn=row is not None)
