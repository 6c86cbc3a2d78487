"""The table of dubs: columns video, audio, and optionally id, language, consent, rights, speakers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import storage, user_tables
from lipsync_ray.io.names import Source, stem_of
from lipsync_ray.io.user_tables import Column, Row

COLUMNS = (
    Column("video", required=True, file="must"),
    Column("audio", required=True, file="must"),
    user_tables.ID,
    Column("language"),
    Column("consent"),
    Column("rights"),
    Column("speakers", file="must"),
)


@dataclass(frozen=True)
class Dub:
    """One row: dub the face in `video` with `audio`.

    Attributes
    ----------
    id : names the output; letters, digits, ``.``, ``_`` and ``-``, unique in the table
    video, audio : path or fsspec URL
    language : as the user wrote it, or None
    consent, rights : the user's note on the person's consent and on the rights: a text, an id, a URL; or None
    speakers : path or URL of a table of who speaks when (:mod:`lipsync_ray.io.written_turns`), or None
    """

    id: str
    video: str
    audio: str
    language: str | None = None
    consent: str | None = None
    rights: str | None = None
    speakers: str | None = None


def read_manifest(url: str, require_consent: bool = False) -> list[Dub]:
    """Read the dubs of a table.

    Parameters
    ----------
    require_consent : refuse rows whose `consent` is empty

    Raises
    ------
    ManifestError : lists every problem
    """
    columns = [replace(one, required=True) if one.name == "consent" else one for one in COLUMNS]
    rows = user_tables.read_rows(url, columns if require_consent else COLUMNS, _source_of)
    return [Dub(**row) for row in rows]  # type: ignore[arg-type]


def one_dub(video: str, audio: str) -> Dub:
    """Make the dub of a single pair.

    Raises
    ------
    ManifestError : a file cannot be reached
    """
    row: Row = {"id": None, "video": storage.absolute(video), "audio": storage.absolute(audio), "language": None}
    if problems := list(user_tables.missing_files([row], ["video", "audio"])):
        raise ManifestError(f"{video}, {audio}", problems)
    return Dub(_source_of(row).at(0), row["video"] or "", row["audio"] or "")


def with_speakers(dubs: Iterable[Dub], speakers: str | os.PathLike[str] | None) -> list[Dub]:
    """The dubs; those that name no file of who speaks when get this one."""
    url = None if speakers is None else storage.absolute(os.fspath(speakers))
    return [replace(dub, speakers=dub.speakers or url) for dub in dubs]


def _source_of(row: Row) -> Source:
    """``<video>-<language>``, or ``<video>-<audio>`` without a language."""
    audio_name = stem_of(row["audio"] or "")
    language = row["language"]
    return Source(row["video"] or "", (language or audio_name,), (audio_name,) if language else ())
