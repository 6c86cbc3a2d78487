"""Mesh tables: the landmarks of the speaking face in every frame of a source video, made once for all of its languages.

A table is raw little-endian float32, (frames, len(KEPT), 2) pixels with NaN where there is no face, so that a worker reads just
the frames of its segment; beside it lies what all frames together say of the mouth (:mod:`lipsync_ray.faces.mouth`), and where
it can be seen (:mod:`lipsync_ray.faces.sight`).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoPass, once
from lipsync_ray.faces.mesh import INDEX_OF, KEPT, NEAR, SURE, agrees, cut_square, five_of, square_of
from lipsync_ray.faces.mesh_ends import extend_ends
from lipsync_ray.faces.mouth import Mouths, fill_holes, mouths_of
from lipsync_ray.faces.sight import sight_of
from lipsync_ray.faces.table import landmarks_of, read_table, scenes_of, tracks_of
from lipsync_ray.inputs.faced_videos import FacedPerson, FacedRow, FacedVideo, faced_rows
from lipsync_ray.io import storage
from lipsync_ray.io.block_cache import read_range
from lipsync_ray.media import decode

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

STAGE = "mesh"
VERSION = 2  # raise when the same faces would get another table
ROW_S = 8.0  # seconds of video in one row
PRESENT = 0.95  # probability from which on a face is one: what hides a face, or turns it away, lowers it
_RETRIES = 4  # more of them, where the first gives no face
_AT_REST = 0.15  # eye distances that the landmarks move from one look to the next
_ROW = len(KEPT) * 2 * 4  # bytes a frame


@dataclass(frozen=True)
class MeshTable:
    """A committed mesh table: `url` of the landmarks; what they say of the mouth lies at `url` + ".mouths", where it is visible at + ".sight"."""

    url: str

    def read(self, start: int, stop: int) -> F32:
        """(stop − start, len(KEPT), 2) float32 landmarks of source frames in pixels; NaN where there is no face."""
        data = read_range(self.url, start * _ROW, (stop - start) * _ROW)
        return np.frombuffer(data, "<f4").reshape(-1, len(KEPT), 2)

    def mouths(self) -> Mouths:
        """Of all tracks."""
        return _read_mouths(self.mouths_url)

    @property
    def mouths_url(self) -> str:
        return f"{self.url}.mouths"

    @property
    def sight_url(self) -> str:
        """Of the :class:`~lipsync_ray.faces.sight.Sight`."""
        return f"{self.url}.sight"

    def is_among(self, names: set[str]) -> bool:
        """Whether the table and what lies beside it are among the names of its folder."""
        return {storage.name_of(url) for url in (self.url, self.mouths_url, self.sight_url)} <= names


@lru_cache(maxsize=4)
def _read_mouths(url: str) -> Mouths:
    """Every stage of every segment of a video asks for them."""
    return Mouths.from_bytes(storage.read_bytes(url))


class FindMesh:
    """Find the landmarks of a row's faces, look whether their mouths are visible, and commit that. Keeps both networks loaded."""

    def __init__(self, device: str) -> None:
        from lipsync_ray.models.face_mesh import Mesher
        from lipsync_ray.models.visibility import Visibility

        one_thread()
        self._mesher, self._visibility = Mesher(device), Visibility(device)

    def __call__(self, row: FacedRow) -> int:
        """How many faces have landmarks."""
        return sum(map(self._find, row.each()))

    def _find(self, row: FacedRow) -> int:
        known = landmarks_of(read_table(row.table, row.start, row.stop), row.chosen, row.start, row.stop)
        points = np.full((row.stop - row.start, len(KEPT), 2), np.nan, np.float32)
        visible = np.full(row.stop - row.start, np.nan, np.float32)
        places, squares, cuts, lost = [], [], [], []
        for row_at, picture in enumerate(decode.pictures(row.video, row.start, row.stop)):
            if np.isnan(known[row_at]).any():
                continue
            square = square_of(known[row_at])
            cut = cut_square(picture, square)
            if cut is not None:
                places.append(row_at)
                squares.append(square)
                cuts.append(cut)
        if places:
            found, present = self._mesher(np.stack(cuts))
            visible[places] = self._visibility(cuts)
            for row_at, square, at, sure in zip(places, squares, found, present, strict=True):
                placed_points = at[list(KEPT)] @ square[:, :2].T + square[:, 2]
                if sure >= PRESENT and agrees(placed_points, known[row_at]):
                    points[row_at] = placed_points
                if sure < PRESENT or not agrees(placed_points, known[row_at], SURE):
                    lost.append((row_at, placed_points))
            self._retry(row, lost, known, points, visible)
        buffer = io.BytesIO()
        np.savez(buffer, points=points, visible=visible)
        storage.commit_bytes(row.url, buffer.getvalue())
        return int((~np.isnan(points[:, 0, 0])).sum())

    def _retry(self, row: FacedRow, lost: list[tuple[int, F64]], known: F32, points: F32, visible: F32) -> None:
        """Look in the square that the landmarks themselves ask for, a few times: of a face that the picture cuts off, the
        detector's points lie far beside it. Fills in `points` and `visible` where that comes to rest on a face."""
        frames = [row.start + row_at for row_at, _ in lost]
        for (row_at, placed_points), picture in zip(
            lost, decode.pictures_at(row.video, frames) if lost else (), strict=True
        ):
            for _ in range(_RETRIES):
                square, before = square_of(five_of(placed_points).astype(np.float32)), placed_points
                if (cut := cut_square(picture, square)) is None:
                    break
                found, present = self._mesher(cut[None])
                placed_points = found[0][list(KEPT)] @ square[:, :2].T + square[:, 2]
                moved = np.linalg.norm(five_of(placed_points) - five_of(before), axis=1).max()
                if present[0] >= PRESENT and moved <= _AT_REST * np.linalg.norm(
                    placed_points[INDEX_OF[263]] - placed_points[INDEX_OF[33]]
                ):
                    if agrees(placed_points, known[row_at], NEAR):
                        points[row_at], visible[row_at] = placed_points, self._visibility([cut])[0]
                    break


@dataclass(frozen=True)
class MeshOrder:
    """The mesh tables of a video to make of committed rows.

    Attributes
    ----------
    table : of its faces
    persons : and their tables
    parts : URLs of each person's rows, in order
    """

    key: str
    table: str
    persons: tuple[FacedPerson, ...]
    parts: tuple[tuple[str, ...], ...]


def make_mesh_tables(order: MeshOrder) -> None:
    """Join a video's rows, fill short holes, commit each person's table and what lies beside it, and delete the rows."""
    for person, parts in zip(order.persons, order.parts, strict=True):
        _make_table(order.table, person, parts)


def _make_table(faces_url: str, person: FacedPerson, parts: tuple[str, ...]) -> None:
    if not storage.exists(parts[0]):  # the join was ended between two persons
        return
    rows = [_row(storage.read_bytes(url)) for url in parts]
    points, visible = (np.concatenate(arrays) for arrays in zip(*rows, strict=True))
    faces = read_table(faces_url)
    tracks = tracks_of(faces, person.chosen, 0, len(points))
    sight = sight_of(visible, scenes_of(faces, person.chosen, 0, len(points)))
    fill_holes(points, tracks)
    extend_ends(points, tracks, landmarks_of(faces, person.chosen, 0, len(points)))
    # What is before a mouth says nothing of how it rests, opens, and looks inside.
    visibly = np.where(sight.hidden[:, None, None], np.float32(np.nan), points)
    mouths = mouths_of(visibly, tracks, dict(zip(faces.track.tolist(), faces.person.tolist(), strict=True)))
    table = MeshTable(person.url)
    storage.commit_bytes(table.url, np.ascontiguousarray(points, "<f4").tobytes())
    storage.commit_bytes(table.sight_url, sight.to_bytes())
    storage.commit_bytes(table.mouths_url, mouths.to_bytes())
    storage.remove(storage.parent(parts[0]))


def _row(data: bytes) -> tuple[F32, F32]:
    """The landmarks of a row's frames, and how likely their mouths are visible."""
    with np.load(io.BytesIO(data)) as arrays:
        return arrays["points"], arrays["visible"]


def mesh_pass(
    active: dict[str, FacedVideo], pool: Pool, folder: str, on_end: Callable[[FacedVideo, Failure | None], None]
) -> VideoPass[FacedVideo, MeshOrder, None]:
    """The pass that makes mesh tables.

    Parameters
    ----------
    active : key → video; one that has ended is taken out
    on_end : told of each video whose table is there, or why it is not
    """
    device = "cuda" if pool.gpus else "cpu"
    parts = storage.join(folder, "parts")

    def rows(video: FacedVideo) -> list[FacedRow]:
        return faced_rows(video, lambda one: storage.join(parts, storage.name_of(one.url)), ".npz", ROW_S)

    def order(video: FacedVideo) -> MeshOrder:
        urls = zip(*([one.url for one in row.persons] for row in rows(video)), strict=True)
        return MeshOrder(video.key, video.table, video.persons, tuple(urls))

    end = once(active, on_end)
    return VideoPass(
        name="mesh",
        folder=parts,
        active=active,
        parts_of=rows,
        stages=[pool.stage(STAGE, partial(FindMesh, device))],
        assemble_args=order,
        assemble=("describe mouths", make_mesh_tables),
        on_done=lambda video, made: end(video),
        fail=end,
    )
