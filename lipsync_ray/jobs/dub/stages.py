"""What is done to a segment whatever its model: find its faces, hear its sound, restore. Plain classes; no Ray."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.faces.box_rules import boxes_by
from lipsync_ray.faces.table import landmarks_of, read_table
from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.sights import read_sight
from lipsync_ray.jobs.dub.segment import Segment, SegmentFaces
from lipsync_ray.media import mel
from lipsync_ray.media.frame_cache import FrameCache, shared_frame_cache
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.restoration.compose import DrawnSegment
from lipsync_ray.restoration.faces import FaceRestorer, RestoreFiles, Target
from lipsync_ray.settings import Precision

if TYPE_CHECKING:  # torch, which the other stages do without
    from lipsync_ray.models.lip_sync import AudioWindow, GeneratorSpec
    from lipsync_ray.models.weights import Checkpoint

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DrawnFaces(DrawnSegment):
    """A segment whose faces are drawn into the source's own frames.

    Attributes
    ----------
    places : (m,) int64 output frames, counted from the segment's start, that have a face to draw
    boxes : (m, 4) int32 x0, y0, x1, y1 of these faces
    strength : (m,) float32 how much of each is drawn, 0 to 1: less beside frames whose mouth is hidden
    """

    row: Segment
    places: I64
    boxes: I32
    strength: F32

    @abstractmethod
    def paint(self, face: int, picture: YuvFrame) -> None:
        """Draw one of the m faces into its picture, in place."""

    @property
    def drawn(self) -> int:
        return len(self.places)

    @cached_property
    def _face_of(self) -> dict[int, int]:
        return {place: face for face, place in enumerate(self.places.tolist())}

    def sources(self, cache: FrameCache) -> Iterator[YuvFrame]:
        return source_pictures(self.row, cache)

    def draw(self, place: int, source: YuvFrame) -> YuvFrame:
        if (face := self._face_of.get(place)) is None:
            return source
        picture = source.copy()
        self.paint(face, picture)
        return picture

    def box_at(self, place: int) -> Box | None:
        face = self._face_of.get(place)
        return None if face is None else Box(*self.boxes[face].tolist())

    def strength_at(self, place: int) -> float:
        face = self._face_of.get(place)
        return 0.0 if face is None else float(self.strength[face])


Faces = TypeVar("Faces", bound=DrawnFaces)


def source_pictures(segment: Segment, cache: FrameCache) -> Iterator[YuvFrame]:
    """The source's picture for each of a segment's output frames; not to be written into."""
    return cache.pictures_at(segment.table, segment.video, segment.source_frames().tolist())


def drawable(segment: Segment, marked: NDArray[np.bool_] | None = None) -> tuple[I64, I32, F32]:
    """Where a segment shows a face to draw: `places`, `boxes` and `strength` of :class:`DrawnFaces`.

    Parameters
    ----------
    marked : (source frames,) bool: has what the model needs besides a face; None where it needs nothing
    """
    video, shown = segment.video, segment.source_frames()
    low, high = int(shown.min()), int(shown.max()) + 1
    spoken = segment.spoken
    able = marked if spoken is None else spoken if marked is None else spoken & marked
    strength = read_sight(segment.sight).strengths(able)[shown]
    table = read_table(segment.table, low, high)
    known = boxes_by(segment.box, table, segment.chosen, low, high, video.width, video.height)
    boxes = [known[index] for index in (shown - low).tolist()]
    places = [place for place, box in enumerate(boxes) if box is not None and strength[place] > 0]
    boxes_array = np.array([boxes[place] for place in places], np.int32).reshape(-1, 4)
    return np.array(places, np.int64), boxes_array, strength[places]


def heard_by(segment: Segment, places: I64, window: AudioWindow) -> F32:
    """(m, bands, columns) float32 windows of sound of a segment's frames."""
    rate, speech = segment.video.rate, segment.speech
    starts = np.array([window.first(frame, rate) for frame in (places + segment.start).tolist()], np.int64)
    if not len(starts):
        return np.zeros((0, speech.bands, window.columns), np.float32)
    first = min(int(starts.min()), speech.columns - window.columns)
    columns = speech.read(first, int(starts.max()) + window.columns)
    silence = audio_features.SILENCE[window.front_end]
    return mel.windows(columns, starts, max(0, first), speech.columns, window.columns, window.silent_end, silence)


def pauses_in(segment: Segment, places: I64) -> F32:
    """(m,) float32 how far the mouth of each frame is to be closed, 0 to 1."""
    return segment.speech.silence(places + segment.start, segment.video.rate, segment.pauses)


class EachFace:
    """A stage for every face of a row.

    Parameters
    ----------
    make : builds the stage for one face
    """

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._stage = make()

    def __call__(self, row: SegmentFaces | tuple[Any, ...]) -> tuple[Any, ...]:
        faces = row.faces if isinstance(row, SegmentFaces) else row
        return tuple(map(self._stage, faces))


class Generating:
    """A stage that keeps a generator loaded.

    Parameters
    ----------
    generator : which model
    checkpoint : its weights
    batch : frames a pass; None for the device's default
    """

    def __init__(
        self, generator: GeneratorSpec, checkpoint: Checkpoint, device: str, precision: Precision, batch: int | None
    ) -> None:
        one_thread()
        self._window = generator.audio
        self._model = generator.load(checkpoint, device, precision, batch)


class RestoreDrawn:
    """Restore every drawn face, aligned by its smoothed landmarks. Keeps GFPGAN loaded."""

    def __init__(self, files: RestoreFiles, device: str, precision: Precision) -> None:
        self._restorer = FaceRestorer(files, device, precision)
        self._cache = shared_frame_cache()

    def __call__(self, faces: Faces) -> Faces:
        segment = faces.row
        shown = segment.source_frames()
        low, high = int(shown.min()), int(shown.max()) + 1
        known = landmarks_of(read_table(segment.table, low, high), segment.chosen, low, high)[shown - low]
        targets: list[list[Target]] = [[] for _ in shown]
        for place in faces.places.tolist():
            targets[place].append(Target(0, known[place]))
        restored = self._restorer(self._drawn(faces), targets, segment.start)
        return replace(faces, restored=restored, notes=(*faces.notes, *self._restorer.notes))

    def _drawn(self, faces: DrawnFaces) -> Iterator[tuple[int, YuvFrame]]:
        """(place, frame) with the model's faces in them."""
        for place, source in enumerate(faces.sources(self._cache)):
            if (picture := faces.draw(place, source)) is not source:
                yield place, picture
