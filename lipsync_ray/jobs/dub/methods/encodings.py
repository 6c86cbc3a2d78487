"""Encoding tables: what a model is shown of every face of a source video, made once for all of its languages.

A table is a folder of stretches, each an ``.npz`` of the frames that have a face, their boxes, their encodings and, where a
parser says what of them may be drawn, their masks (PNG); the file beside it says that all of them are there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoPass, once
from lipsync_ray.faces.box_rules import BoxRule, boxes_by
from lipsync_ray.faces.choices import ParsedBlend
from lipsync_ray.faces.crop import crop_face
from lipsync_ray.faces.mesh import cut_square, square_of
from lipsync_ray.faces.parsed import covers, cut_expanded, mask_of
from lipsync_ray.faces.sight import sight_of
from lipsync_ray.faces.table import landmarks_of, read_table, scenes_of
from lipsync_ray.inputs.faced_videos import FacedPerson, FacedRow, FacedVideo, faced_rows
from lipsync_ray.io import storage
from lipsync_ray.media import decode
from lipsync_ray.media.picture import Box
from lipsync_ray.settings import Precision

if TYPE_CHECKING:  # torch, which readers of tables do without
    from lipsync_ray.models.lip_sync import GeneratorSpec
    from lipsync_ray.models.weights import Checkpoint

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]

STAGE = "encode"
VERSION = 2  # raise when the same faces would get another table
ROW_S = 2.0  # seconds of video in one row
UNPARSED = "the face parser saw no face in some frames; there the mouth was blended by feather"
_CACHED = 8  # stretches that a worker holds: segments that follow one another share them


@dataclass(frozen=True)
class Encodings:
    """What some frames of a video are shown by.

    Attributes
    ----------
    frames : (m,) int64 source frames that have a face, in order
    boxes : (m, 4) int32 x0, y0, x1, y1 of the crops
    shown : (m, …) float16
    masks : of what may be drawn, as PNG, empty where the parser saw no face; none of them where no parser looked
    notes : what a person should know of how they were made
    """

    frames: I64
    boxes: NDArray[np.int32]
    shown: NDArray[np.float16]
    masks: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """As an .npz."""
        buffer = io.BytesIO()
        lengths = np.array([len(mask) for mask in self.masks], np.int64)
        masks = np.frombuffer(b"".join(self.masks), np.uint8)
        notes = np.array(json.dumps(self.notes))
        np.savez(
            buffer, frames=self.frames, boxes=self.boxes, shown=self.shown, masks=masks, lengths=lengths, notes=notes
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Encodings:
        """The other way."""
        with np.load(io.BytesIO(data)) as part_frames:
            ends = np.cumsum(part_frames["lengths"]).tolist()
            masks = part_frames["masks"].tobytes()
            cut = tuple(masks[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=False))
            return cls(
                part_frames["frames"],
                part_frames["boxes"],
                part_frames["shown"],
                cut,
                tuple(json.loads(str(part_frames["notes"]))),
            )


@dataclass(frozen=True)
class EncodingTable:
    """A committed table; `url` of the file that says so."""

    url: str

    def read(self, frames: I64) -> Encodings:
        """What source frames are shown by, in their order, those without a face left out.

        Parameters
        ----------
        frames : (n,) in any order; a frame may be there many times
        """
        parts = [
            _read_part(storage.join(self.folder, f"{start}-{stop}.npz"))
            for start, stop in _ranges(self.url)
            if ((frames >= start) & (frames < stop)).any()
        ]
        part_frames = np.concatenate([part.frames for part in parts])
        boxes, shown = (np.concatenate([getattr(part, name) for part in parts]) for name in ("boxes", "shown"))
        masks = [mask for part in parts for mask in part.masks]
        at = np.searchsorted(part_frames, frames).clip(0, max(0, len(part_frames) - 1))
        rows = at[part_frames[at] == frames] if len(part_frames) else np.zeros(0, np.int64)
        notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
        return Encodings(
            part_frames[rows], boxes[rows], shown[rows], tuple(masks[row] for row in rows) if masks else (), notes
        )

    @property
    def sight_url(self) -> str:
        """Of the :class:`~lipsync_ray.faces.sight.Sight`."""
        return f"{self.folder}.sight"

    @property
    def folder(self) -> str:
        """Of its stretches."""
        return self.url.removesuffix(".json")

    def is_among(self, names: set[str]) -> bool:
        """Whether it is among the names of its folder; it is committed after its sight."""
        return storage.name_of(self.url) in names


@lru_cache(maxsize=4)
def _ranges(url: str) -> tuple[tuple[int, int], ...]:
    return tuple((start, stop) for start, stop in json.loads(storage.read_bytes(url))["parts"])


@lru_cache(maxsize=_CACHED)
def _read_part(url: str) -> Encodings:
    return Encodings.from_bytes(storage.read_bytes(url))


@dataclass(frozen=True)
class Encoding:
    """How a run's faces are encoded.

    Attributes
    ----------
    generator, checkpoint : the lip-sync model
    device, precision, batch : of its encoder
    rule : what of a frame is the face
    parser, blend : the network that says what of it may be drawn, and how that is made a mask; None for no masks
    """

    generator: GeneratorSpec
    checkpoint: Checkpoint
    device: str
    precision: Precision
    batch: int | None
    rule: BoxRule
    parser: Checkpoint | None = None
    blend: ParsedBlend | None = None


class Encode:
    """Decode a row's frames, cut out its faces, encode them, look at their mouths and commit that. Keeps the networks loaded."""

    def __init__(self, how: Encoding) -> None:
        from lipsync_ray.models.visibility import Visibility

        one_thread()
        self._how = how
        self._encoder = how.generator.how.encode(how.checkpoint, how.device, how.precision, how.batch)
        self._visibility = Visibility(how.device)
        self._parse: Any = None
        if how.parser is not None:
            from lipsync_ray.models.bisenet import FaceParser

            self._parse = FaceParser(how.parser, how.device, how.precision)

    def __call__(self, row: FacedRow) -> int:
        """How many faces there are."""
        return sum(map(self._encode, row.each()))

    def _encode(self, row: FacedRow) -> int:
        video, side = row.video, self._how.generator.crop_side
        tracks = read_table(row.table, row.start, row.stop)
        wanted = boxes_by(self._how.rule, tracks, row.chosen, row.start, row.stop, video.width, video.height)
        frames: list[int] = []
        boxes: list[Box] = []
        faces: list[U8] = []
        masks: list[bytes] = []
        known = landmarks_of(tracks, row.chosen, row.start, row.stop)
        places: list[int] = []
        squares: list[U8] = []
        for place, picture in enumerate(decode.pictures(video, row.start, row.stop)):
            if (box := wanted[place]) is None:
                continue
            frames.append(row.start + place)
            if (
                not np.isnan(known[place]).any()
                and (square := cut_square(picture, square_of(known[place]))) is not None
            ):
                places.append(place)
                squares.append(square)
            boxes.append(box)
            faces.append(crop_face(picture, box, side))
            if self._parse is not None and self._how.blend is not None:
                mask = mask_of(self._parse(cut_expanded(picture, box)), self._how.blend)
                masks.append(cv2.imencode(".png", mask)[1].tobytes() if covers(mask, box) else b"")
        shown = self._encoder(np.stack(faces) if faces else np.zeros((0, side, side, 3), np.uint8))
        boxes_array = np.array(boxes, np.int32).reshape(-1, 4)
        notes = (*self._encoder.notes, *([UNPARSED] if b"" in masks else []))
        made = Encodings(np.array(frames, np.int64), boxes_array, shown, tuple(masks), notes)
        visible = np.full(row.stop - row.start, np.nan, "<f4")
        visible[places] = self._visibility(squares)
        storage.commit_bytes(_visible_url(row.url), visible.tobytes())  # before the stretch that says both are there
        storage.commit_bytes(row.url, made.to_bytes())
        return len(frames)


@dataclass(frozen=True)
class EncodingOrder:
    """The encoding tables of a video, all of whose stretches are committed.

    Attributes
    ----------
    table : of its faces
    persons : and their tables
    parts : [start, stop) of the stretches
    """

    key: str
    table: str
    persons: tuple[FacedPerson, ...]
    parts: tuple[tuple[int, int], ...]


def _visible_url(url: str) -> str:
    """Of how likely the mouths of a stretch are visible: (frames,) raw little-endian float32."""
    return f"{url}.visible"


def close_tables(order: EncodingOrder) -> None:
    """Commit where each person's mouth is visible, and that the tables are complete."""
    faces = read_table(order.table)
    for person in order.persons:
        table = EncodingTable(person.url)
        urls = [storage.join(table.folder, f"{start}-{stop}.npz") for start, stop in order.parts]
        visible = np.concatenate([np.frombuffer(storage.read_bytes(_visible_url(url)), "<f4") for url in urls])
        scenes = scenes_of(faces, person.chosen, 0, len(visible))
        storage.commit_bytes(table.sight_url, sight_of(visible, scenes).to_bytes())
        storage.commit_bytes(person.url, json.dumps({"parts": order.parts}).encode())


def encoding_pass(
    active: dict[str, FacedVideo],
    pool: Pool,
    folder: str,
    how: Encoding,
    on_end: Callable[[FacedVideo, Failure | None], None],
) -> VideoPass[FacedVideo, EncodingOrder, None]:
    """The pass that makes encoding tables.

    Parameters
    ----------
    active : key → video; one that has ended is taken out
    on_end : told of each video whose table is there, or why it is not
    """
    batch = how.generator.batch(how.batch, how.device)

    def rows(video: FacedVideo) -> list[FacedRow]:
        return faced_rows(video, lambda one: EncodingTable(one.url).folder, ".npz", ROW_S, batch)

    def order(video: FacedVideo) -> EncodingOrder:
        parts = tuple((row.start, row.stop) for row in rows(video))
        return EncodingOrder(video.key, video.table, video.persons, parts)

    end = once(active, on_end)
    return VideoPass(
        name="encode",
        folder=folder,
        active=active,
        parts_of=rows,
        stages=[pool.stage(STAGE, partial(Encode, how))],
        assemble_args=order,
        assemble=("close encodings", close_tables),
        on_done=lambda video, made: end(video),
        fail=end,
    )
