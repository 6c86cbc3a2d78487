"""Reads and writes the face table: one parquet file per source video, shared by all its dubs, restorations and scores."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lipsync_ray.faces.track import Tracks
from lipsync_ray.io import storage
from lipsync_ray.io.parquet import metadata_of, table_of

ROW_GROUP = 16_384
_NOTES, _WITHOUT = b"notes", b"without"
_WHO = ("frame", "track", "scene", "person", "still")
_BOX = ("x0", "y0", "x1", "y1")
_POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def write_table(url: str, tracks: Tracks, notes: Sequence[str] = (), without: str = "") -> None:
    """Commit a video's tracks.

    Columns: frame, track, scene, person (int32); still (bool); x0, y0, x1, y1 (float32, pixels); left_eye … mouth_right
    (fixed-size list of two float32, pixels); score (float32); detected (bool, False = interpolated). Rows are sorted by
    frame, then track.
    """
    columns: dict[str, pa.Array] = {name: pa.array(getattr(tracks, name)) for name in _WHO}
    columns |= {name: pa.array(tracks.box[:, i]) for i, name in enumerate(_BOX)}
    for i, name in enumerate(_POINTS):
        flat = pa.array(np.ascontiguousarray(tracks.landmarks[:, i]).reshape(-1))
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, 2)
    columns |= {"score": pa.array(tracks.score), "detected": pa.array(tracks.detected)}
    buffer = io.BytesIO()
    table = pa.table(columns).replace_schema_metadata({_NOTES: json.dumps(list(notes)), _WITHOUT: without})
    pq.write_table(table, buffer, row_group_size=ROW_GROUP, compression="zstd")
    storage.commit_bytes(url, buffer.getvalue())


def read_notes(url: str) -> tuple[str, ...]:
    """Warnings about the video's pictures, stored with a table."""
    return tuple(json.loads(metadata_of(_cached(url)).get(_NOTES, b"[]")))


def read_without(url: str) -> str:
    """Why a table has no faces; "" if unknown."""
    return metadata_of(_cached(url)).get(_WITHOUT, b"").decode()


def read_table(url: str, start: int | None = None, stop: int | None = None) -> Tracks:
    """Read the tracks of frames [start, stop), or of all frames.

    In a table of an older version every track is a separate person, and no person is a still picture.
    Raises
    ------
    FileNotFoundError, StorageError
    """
    filters = None if start is None else [("frame", ">=", start), ("frame", "<", stop)]
    table = table_of(_cached(url), filters)
    landmarks = [
        table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, 2) for name in _POINTS
    ]
    if "person" not in table.column_names:
        table = table.append_column("person", table["track"])
    if "still" not in table.column_names:
        table = table.append_column("still", pa.array(np.zeros(len(table), bool)))
    who = {name: table[name].to_numpy() for name in _WHO}
    return Tracks(
        **who,
        box=np.stack([table[name].to_numpy() for name in _BOX], axis=1).astype(np.float32),
        landmarks=np.stack(landmarks, axis=1).astype(np.float32),
        score=table["score"].to_numpy(),
        detected=table["detected"].to_numpy(),
    )


@lru_cache(maxsize=4)
def _cached(url: str) -> bytes:
    """Read a table (90 bytes a row) once per worker, which processes many segments of one video."""
    return storage.read_bytes(url)


def landmarks_of(tracks: Tracks, chosen: tuple[int, ...], start: int, stop: int) -> NDArray[np.float32]:
    """(stop − start, 5, 2) float32 landmarks of the chosen tracks' face in each frame; NaN without a face."""
    out = np.full((stop - start, 5, 2), np.nan, np.float32)
    rows = np.flatnonzero(np.isin(tracks.track, chosen) & (tracks.frame >= start) & (tracks.frame < stop))
    out[tracks.frame[rows] - start] = tracks.landmarks[rows]
    return out


def boxes_of(tracks: Tracks, chosen: tuple[int, ...], start: int, stop: int) -> NDArray[np.float32]:
    """(stop − start, 4) float32 boxes of the chosen tracks' face in each frame; NaN without a face."""
    out = np.full((stop - start, 4), np.nan, np.float32)
    rows = np.flatnonzero(np.isin(tracks.track, chosen) & (tracks.frame >= start) & (tracks.frame < stop))
    out[tracks.frame[rows] - start] = tracks.box[rows]
    return out


def scenes_of(tracks: Tracks, chosen: tuple[int, ...], start: int, stop: int) -> NDArray[np.int32]:
    """(stop − start,) int32 scene of each frame with the chosen tracks' face; −1 without it."""
    return _column_of(tracks, tracks.scene, chosen, start, stop)


def tracks_of(tracks: Tracks, chosen: tuple[int, ...], start: int, stop: int) -> NDArray[np.int32]:
    """(stop − start,) int32 which of the chosen tracks each frame's face belongs to; −1 without a face."""
    return _column_of(tracks, tracks.track, chosen, start, stop)


def _column_of(
    tracks: Tracks, column: NDArray[np.int32], chosen: tuple[int, ...], start: int, stop: int
) -> NDArray[np.int32]:
    out = np.full(stop - start, -1, np.int32)
    rows = np.flatnonzero(np.isin(tracks.track, chosen) & (tracks.frame >= start) & (tracks.frame < stop))
    out[tracks.frame[rows] - start] = column[rows]
    return out
