"""Input of a training: clips of one person who talks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import storage
from lipsync_ray.io.names import Source, unique_ids
from lipsync_ray.io.records import Records
from lipsync_ray.io.user_tables import ID, Column, Row, is_table, read_rows

_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg")
_COLUMNS = (Column("video", required=True, file="must"), ID, Column("person"))


@dataclass(frozen=True)
class Clip:
    """A clip to train on.

    Attributes
    ----------
    id : names it in the table
    url : path or fsspec URL
    person : who is in it, if the table names them
    """

    id: str
    url: str
    person: str | None = None


def read_clips(source: str) -> list[Clip]:
    """Read the clips of a folder and its subfolders, or of a table with columns video and optionally id, person.

    Raises
    ------
    ManifestError : no clips, or a table with problems
    """
    if is_table(source):
        return [Clip(r["id"] or "", r["video"] or "", r["person"]) for r in read_rows(source, _COLUMNS, _source_of)]
    folder = storage.absolute(source)
    urls = sorted(storage.join(folder, name) for name in storage.list_tree(folder) if name.lower().endswith(_SUFFIXES))
    if not urls:
        raise ManifestError(source, [f"no clips in it: expected files that end in {', '.join(_SUFFIXES)}, or a table"])
    names = unique_ids([Source(url) for url in urls])
    return [Clip(name, url) for name, url in zip(names, urls, strict=True)]


def _source_of(row: Row) -> Source:
    return Source(row["video"] or "")


@dataclass(frozen=True)
class ClipRow:
    """Result of a clip: a row of clips.parquet.

    Attributes
    ----------
    id, video : of the clip
    status : "used" or "failed"
    stage, error : where and why it failed
    frames : with landmarks
    rate : frames/s, as a fraction
    person : from the table, or the number of a group of likenesses
    held_out : whether it is used for testing instead of training
    seconds, attempts : of work
    fingerprint : of its content
    warnings : problems that did not exclude it, one sentence each
    """

    id: str
    video: str
    status: Literal["used", "failed"]
    stage: str | None = None
    error: str | None = None
    frames: int | None = None
    rate: str | None = None
    person: str | None = None
    held_out: bool | None = None
    seconds: float | None = None
    attempts: int | None = None
    fingerprint: str | None = None
    warnings: tuple[str, ...] = ()


CLIPS = Records(ClipRow, "clips.parquet")


@dataclass(frozen=True)
class ClipOrder:
    """A clip to process, the identity of its file, and the URL of its features."""

    key: str
    clip: Clip
    content: str
    url: str
