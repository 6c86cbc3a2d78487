"""The last stage of every job that draws faces: put them into their frames, encode these, commit the part. Plain; no Ray."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import cv2
import numpy as np

from lipsync_ray.io import storage
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.frame_cache import FrameCache, shared_frame_cache
from lipsync_ray.media.picture import Box, YuvFrame
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.tone import in_bt709
from lipsync_ray.provenance.frame_marks import FrameMarks
from lipsync_ray.restoration.faces import Restored
from lipsync_ray.restoration.previews import commit_row
from lipsync_ray.settings import RestoreSettings


class PartRow(Protocol):
    """Output frames [start, stop) that become a part at `url`: a picture where that ends in ".png", else video, whose parameter sets
    have the id `sets_id`."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def url(self) -> str: ...
    @property
    def video(self) -> VideoInfo: ...
    @property
    def coding(self) -> VideoCoding: ...
    @property
    def previews(self) -> tuple[tuple[int, str], ...]: ...
    @property
    def marks(self) -> FrameMarks: ...
    @property
    def sets_id(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class DrawnSegment(ABC):
    """A row and all that decides its pixels. Frames are counted from the row's start.

    Attributes
    ----------
    row : what is composed
    restored : its restored faces, where that was asked for
    notes : what a person should know of how it was drawn
    gpu_mb : most memory that the process which drew it has had of its GPU; None on a CPU
    """

    row: PartRow
    restored: Restored | None = None
    notes: tuple[str, ...] = ()
    gpu_mb: int | None = None

    @property
    @abstractmethod
    def drawn(self) -> int:
        """Frames that show a face to draw."""

    @property
    def aspect(self) -> Fraction:
        """Of the output's pixels, width over height."""
        return self.row.video.pixel_aspect

    @property
    def upscale(self) -> int:
        """Size of the output over that of the source."""
        return 1

    @abstractmethod
    def sources(self, cache: FrameCache) -> Iterator[YuvFrame]:
        """The picture that each output frame is made of; not to be written into."""

    @abstractmethod
    def draw(self, place: int, source: YuvFrame) -> YuvFrame:
        """A frame with its face drawn, in a picture of its own; `source` itself where nothing is drawn."""

    def box_at(self, place: int) -> Box | None:
        """What of a source frame its before-and-after shows; None of a frame that has none."""
        return None

    def mouth_of(self, place: int, face: int) -> Box | None:
        """The crop whose mouth a restored face keeps to, where only that is restored."""
        return self.box_at(place)

    def strength_at(self, place: int) -> float:
        """How much of a frame's restored faces goes into it, 0 to 1."""
        return 1.0

    def before(self, place: int, source: YuvFrame, drawn: YuvFrame) -> tuple[YuvFrame, ...]:
        """The states of a frame that its before-and-after shows beside the restored one."""
        return source, drawn


@dataclass(frozen=True)
class Composed:
    """A row whose part is committed: its frames, those that show a face to draw, those whose face was restored, notes, and
    the memory that its network had of a GPU."""

    frames: int
    drawn: int
    restored: int
    notes: tuple[str, ...] = ()
    gpu_mb: int | None = None


class Compose:
    """Make a row's frames, encode them and commit the part.

    Parameters
    ----------
    restore : how restored faces are mixed in
    """

    def __init__(self, restore: RestoreSettings | None = None) -> None:
        self._restore = restore
        self._cache = shared_frame_cache()

    def __call__(self, faces: DrawnSegment | Sequence[DrawnSegment]) -> Composed:
        """Compose a row.

        Parameters
        ----------
        faces : of the same output frames, drawn one after another
        """
        faces = [faces] if isinstance(faces, DrawnSegment) else list(faces)
        segment, row = faces[0], faces[0].row
        pictures = self._pictures(faces)
        if row.url.endswith(".png"):
            (picture,) = _delivered(pictures, row.video)
            height, width = row.video.height * segment.upscale, row.video.width * segment.upscale  # even or odd
            part = cv2.imencode(".png", picture.bgr()[:height, :width])[1].tobytes()
        else:
            part = encode(
                _delivered(pictures, row.video),
                row.video.rate,
                segment.aspect,
                row.coding,
                row.video.light,
                row.sets_id,
            )
        storage.commit_bytes(row.url, part)
        restored = {place for one in faces if one.restored is not None for place in one.restored.places.tolist()}
        notes = tuple(dict.fromkeys(note for one in faces for note in one.notes))
        memory = max((one.gpu_mb for one in faces if one.gpu_mb is not None), default=None)
        return Composed(row.stop - row.start, sum(one.drawn for one in faces), len(restored), notes, memory)

    def _pictures(self, faces: Sequence[DrawnSegment]) -> Iterator[YuvFrame]:
        """The frames as they are encoded."""
        row = faces[0].row
        for place, source in enumerate(faces[0].sources(self._cache)):
            picture, changed = source, False
            for segment in faces:
                before, drawn = picture, segment.draw(place, picture)
                picture = self._with_restored(segment, place, before, drawn)
                changed |= picture is not drawn or (drawn is not before and segment.upscale == 1)
            yield row.marks.put(picture, row.start + place, drawn=changed)

    def _with_restored(self, segment: DrawnSegment, place: int, source: YuvFrame, drawn: YuvFrame) -> YuvFrame:
        restored, row = segment.restored, segment.row
        if restored is None or self._restore is None:
            return drawn
        low, high = np.searchsorted(restored.places, (place, place + 1)).tolist()
        picture = drawn
        if low < high:
            picture = drawn.copy()
            how = replace(self._restore, strength=self._restore.strength * segment.strength_at(place))
            for face in range(low, high):
                restored.put(picture, face, how, segment.mouth_of(place, face), segment.upscale)
        url, box = dict(row.previews).get(row.start + place), segment.box_at(place)
        if url is not None and box is not None:
            states = (*segment.before(place, source, drawn), picture)
            commit_row(url, states, np.array(box, np.float64) * (states[0].width / source.width))
        return picture


def _delivered(pictures: Iterator[YuvFrame], video: VideoInfo) -> Iterator[YuvFrame]:
    """Pictures as they are encoded: tone-mapped ones of HDR without the source's own samples are SDR in BT.709."""
    return map(in_bt709, pictures) if video.hdr and not video.native else pictures
