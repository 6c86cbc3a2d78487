"""FID of an evaluation: face crops of both sides by one rule, sums in the actors, one distance per group.

A generated picture is a face crop like the dub job's (box grown by the run's pads), scaled to 224 × 224; the real
picture is the same rectangle of the corresponding reference frame. Every `fid_every`-th grid frame is used. A generated
head has no corresponding frames: its real pictures are the reference's own faces, by the reference's face table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.errors import MediaError
from lipsync_ray.faces.choices import DubbedFaces, Pads
from lipsync_ray.faces.crop import crop_box, crop_face
from lipsync_ray.faces.speaker import select_speaker
from lipsync_ray.faces.table import boxes_of, read_table
from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.face_tracks import RATE, TrackIndex, read_face_tracks
from lipsync_ray.media import decode
from lipsync_ray.media.picture import U8, YuvFrame
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import at_rate
from lipsync_ray.metrics.frechet import FeatureStats, frechet_distance
from lipsync_ray.models.weights import Checkpoint

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.jobs.evaluate.state import EvaluateState

SIDE = 224  # pixels: of a picture; pytorch-fid scales it to 299
PICTURES_PER_ROW = 1500
Side = Literal["generated", "real"]
Group = tuple[str | None, str | None]
"""(language, model); a language of None is all of them."""


@dataclass(frozen=True)
class Unit:
    """The pictures of one video on one side.

    Attributes
    ----------
    key : two units with the same key have the same pictures
    side : "generated" of the video, "real" of its reference
    video : to decode
    tracks_url : face tracks of the scored video
    width, height : of the scored video in pixels; its boxes refer to them
    pads : of the crops
    every : use every n-th grid frame
    pictures : largest number of pictures
    groups : that they count for; a group may occur twice
    table, face : face table and rule of a video with its own table; None to use `tracks_url`
    """

    key: str
    side: Side
    video: VideoInfo
    tracks_url: str
    width: int
    height: int
    pads: Pads
    every: int
    pictures: int
    groups: tuple[Group, ...]
    table: str | None = None
    face: DubbedFaces = "all"


@dataclass(frozen=True)
class FidRow:
    """Units that count for the same groups, to be summed together."""

    key: str
    side: Side
    groups: tuple[Group, ...]
    units: tuple[Unit, ...]
    url: str

    @property
    def pictures(self) -> int:
        """At most so many."""
        return sum(unit.pictures for unit in self.units)


@dataclass(frozen=True)
class FIDPart:
    """A row with committed sums: number of pictures, and key → reason of the units left out."""

    pictures: int
    left: dict[str, str]


def units_of(states: Iterable[EvaluateState], every: int) -> list[Unit]:
    """Both sides of every video that has a reference and a face.

    Parameters
    ----------
    every : use every n-th grid frame
    """
    able: list[tuple[EvaluateState, VideoInfo, VideoInfo, TrackIndex]] = []
    languages: dict[str | None, set[str | None]] = defaultdict(set)
    for state in states:
        reference = state.source or state.reference
        if state.info is not None and reference is not None and state.tracks is not None and state.tracks.faces:
            able.append((state, state.info, reference, state.tracks))
            languages[state.item.model].add(state.item.language)
    units: list[Unit] = []
    for state, info, reference, tracks in able:
        item, source = state.item, state.source
        groups: tuple[Group, ...] = ((item.language, item.model),)
        if len(languages[item.model]) > 1:
            groups += ((None, item.model),)
        count = -(-tracks.faces // every)
        shared = (str(state.table), tracks.frames, str(info.rate), item.loop, str(item.pads), item.face, every)
        # Dubs of one reference with equal length use the same reference frames, which are summed once.
        real = storage.digest(state.reference_key, *map(str, shared))
        common = (state.tracks_url, info.width, info.height, item.pads, every, count, groups)
        units.append(Unit(storage.digest(state.fingerprint, every), "generated", info, *common))
        if source is None:
            units.append(Unit(real, "real", reference, *common))
        else:
            table = item.source_table, item.face
            real = storage.digest(state.reference_key, *table, str(item.pads), every)
            shown = len(_sampled_frames(source, every))
            whole = state.tracks_url, source.width, source.height, item.pads, every, shown, groups
            units.append(Unit(real, "real", source, *whole, *table))
    return units


def fid_rows(units: Iterable[Unit], folder: str, tag: str) -> list[FidRow]:
    """Bundle units to rows; equal ones are summed once, for the groups of all of them."""
    merged: dict[tuple[Side, str], list[Unit]] = defaultdict(list)
    for unit in units:
        merged[unit.side, unit.key].append(unit)
    bundles: dict[tuple[Side, tuple[Group, ...]], list[Unit]] = defaultdict(list)
    for same in merged.values():
        groups = tuple(sorted((group for unit in same for group in unit.groups), key=str))
        bundles[same[0].side, groups].append(same[0])
    rows = []
    for (side, groups), members in bundles.items():
        for chunk in _chunks(members):
            key = storage.digest(side, tag, *(unit.key for unit in chunk))
            rows.append(FidRow(key, side, groups, tuple(chunk), storage.join(folder, f"{key}.npz")))
    return rows


def _chunks(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    chunk: list[Unit] = []
    for unit in units:
        if chunk and sum(u.pictures for u in chunk) + unit.pictures > PICTURES_PER_ROW:
            yield chunk
            chunk = []
        chunk.append(unit)
    if chunk:
        yield chunk


def face_pictures(unit: Unit) -> Iterator[U8]:
    """(224, 224, 3) uint8 RGB faces of a unit, in order.

    Raises
    ------
    MediaError : the video cannot be decoded
    """
    if unit.table is not None:
        yield from _own_faces(unit, unit.table)
        return
    tracks = read_face_tracks(unit.tracks_url)
    frames = tracks.shown if unit.side == "generated" else tracks.source
    sampled = [p for p in range(0, len(frames), unit.every) if len(tracks.boxes_at(p))]
    numbers = np.clip(frames[sampled], 0, unit.video.frames - 1)
    for number, picture in zip(sampled, decode.pictures_at(unit.video, numbers.tolist()), strict=True):
        scale = np.array([picture.width / unit.width, picture.height / unit.height] * 2, np.float32)
        yield from _cut(
            picture, tracks.boxes_at(number) * scale, unit.pads
        )  # of an enlarged dub, the reference is smaller


def _sampled_frames(video: VideoInfo, every: int) -> NDArray[np.int64]:
    """Frames of a video to crop faces from."""
    return at_rate(video.frames, video.rate, RATE)[::every]


def _own_faces(unit: Unit, url: str) -> Iterator[U8]:
    """The faces of a video that has a face table of its own."""
    table, video = read_table(url), unit.video
    chosen = select_speaker(table, unit.face, video.width, video.height)
    frames = _sampled_frames(video, unit.every)
    boxes = boxes_of(table, chosen, 0, video.frames)
    visible = [frame for frame in frames.tolist() if not np.isnan(boxes[frame]).any()]
    for frame, picture in zip(visible, decode.pictures_at(video, visible), strict=True):
        yield from _cut(picture, boxes[frame : frame + 1], unit.pads)


def _cut(picture: YuvFrame, boxes: NDArray[np.float32], pads: Pads) -> Iterator[U8]:
    """(224, 224, 3) uint8 RGB of a frame's (k, 4) boxes, of those that are large enough."""
    for box in boxes:
        if crop := crop_box(box, pads, picture.width, picture.height):
            yield np.ascontiguousarray(cv2.cvtColor(crop_face(picture, crop, SIDE), cv2.COLOR_BGR2RGB), np.uint8)


class AccumulateFID:
    """Features of a row's pictures, summed and committed. Keeps Inception loaded; decodes its own pictures."""

    def __init__(self, checkpoint: Checkpoint, dims: int, device: str, batch: int | None) -> None:
        from lipsync_ray.models.inception import (
            Inception,
        )  # imports torch, which the driver and other tasks do not need

        one_thread()
        self._network = Inception(checkpoint.here(), dims, device, batch)
        self._dims = dims

    def __call__(self, row: FidRow) -> FIDPart:
        total = FeatureStats.nothing(self._dims)
        left: dict[str, str] = {}
        for unit in row.units:
            try:
                total += self._sums(unit)
            except MediaError as error:
                left[unit.key] = str(error)
        storage.commit_bytes(row.url, total.to_bytes())
        return FIDPart(total.count, left)

    def _sums(self, unit: Unit) -> FeatureStats:
        own = FeatureStats.nothing(self._dims)
        waiting: list[U8] = []
        for picture in face_pictures(unit):
            waiting.append(picture)
            if len(waiting) == self._network.batch:
                own += FeatureStats.of(self._network(np.stack(waiting)))
                waiting = []
        return own + FeatureStats.of(self._network(np.stack(waiting))) if waiting else own


@dataclass(frozen=True)
class GroupOrder:
    """A group's distance to compute from the sums of its rows; a URL may occur twice."""

    group: Group
    dims: int
    generated: tuple[str, ...]
    real: tuple[str, ...]


@dataclass(frozen=True)
class Fid:
    """FID of one group.

    Attributes
    ----------
    language, model : of the group; a language of None is all of them
    fid : None where it cannot be computed
    generated, real : pictures on each side
    note : a warning, or why there is no number
    """

    language: str | None
    model: str | None
    fid: float | None
    generated: int
    real: int
    note: str = ""


def distance(order: GroupOrder) -> Fid:
    """Add a group's sums up and compute its FID."""
    sides = []
    for urls in (order.generated, order.real):
        total = FeatureStats.nothing(order.dims)
        for url in urls:
            total += FeatureStats.from_bytes(storage.read_bytes(url))
        sides.append(total)
    generated, real = sides
    try:
        value = frechet_distance(generated, real)
    except ValueError as error:
        return Fid(*order.group, None, generated.count, real.count, str(error))
    few = min(generated.count, real.count)
    note = (
        f"only {few} pictures a side: below {order.dims} the covariance does not have full rank, and the value is "
        "unreliable"
        if few < order.dims
        else ""
    )
    return Fid(*order.group, value, generated.count, real.count, note)
