"""The table of dubs: columns video, audio or cues, and optionally id, face, language, consent, rights, speakers,
background.

Rows of one id are the voices of one dub: each its audio, and the face that is to say it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import storage, user_tables
from lipsync_ray.io.cues import Cue, read_cues
from lipsync_ray.io.names import Source, stem_of
from lipsync_ray.io.user_tables import Column, Row
from lipsync_ray.io.written_faces import READABLE, written_face

SOURCE, NONE = "source", "none"
COLUMNS = (
    Column("video", required=True, file="must"),
    Column("audio", file="must"),
    Column("cues", file="must"),
    user_tables.ID,
    Column("face"),
    Column("language"),
    Column("consent"),
    Column("rights"),
    Column("speakers", file="must"),
    Column("background", file="must", words=(SOURCE, NONE)),
)
Cues = tuple[Cue, ...]
"""Lines of a dub, by their start."""
_SHARED = ("video", "language", "background")  # by the voices of a dub


@dataclass(frozen=True)
class Voice:
    """One voice of a dub: its sound, and the face that is to say it, as :func:`written_face` reads it."""

    audio: str
    face: str


@dataclass(frozen=True)
class Dub:
    """Dub the face in `video` with `audio`; or several of its faces, each with a voice of its own, or with lines.

    Attributes
    ----------
    id : names the output; letters, digits, ``.``, ``_`` and ``-``, unique
    video : path or fsspec URL
    audio : likewise, of the first voice where there are several; with `cues`, of lines that name no sound. None there only
    language : as the user wrote it, or None
    consent, rights : the user's note on the person's consent and on the rights: a text, an id, a URL; or None
    speakers : path or URL of a table of who speaks when (:mod:`lipsync_ray.io.written_turns`), or None
    cues : path or URL of its lines (:mod:`lipsync_ray.io.cues`), or None
    voices : one a row of its id, where these name faces
    background : path or URL of what is heard behind the voice, :data:`SOURCE` for the video's own sound, or None
    """

    id: str
    video: str
    audio: str | None
    language: str | None = None
    consent: str | None = None
    rights: str | None = None
    speakers: str | None = None
    cues: str | None = None
    voices: tuple[Voice, ...] = ()
    background: str | None = None

    @property
    def sounds(self) -> tuple[str, ...]:
        """Files of its sound that the table names, each once."""
        return tuple(dict.fromkeys([*(voice.audio for voice in self.voices), *filter(None, [self.audio])]))


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
    rows = user_tables.read_rows(url, columns if require_consent else COLUMNS, _source_of, _problems)
    by_id: dict[str, list[Row]] = {}
    for row in rows:
        by_id.setdefault(row["id"] or "", []).append(row)
    return [_dub(name, own) for name, own in by_id.items()]


def one_dub(video: str, audio: str) -> Dub:
    """Make the dub of a single pair.

    Raises
    ------
    ManifestError : a file cannot be reached
    """
    row: Row = {"id": None, "video": storage.absolute(video), "audio": storage.absolute(audio), "language": None}
    if problems := list(user_tables.missing_files([row], ["video", "audio"])):
        raise ManifestError(f"{video}, {audio}", problems)
    return Dub(_source_of(row).at(0), row["video"] or "", row["audio"])


def given_cues(dubs: Sequence[Dub]) -> dict[str, Cues]:
    """Id → lines of the dubs that have some; each file is read once.

    Raises
    ------
    ManifestError : with every problem of a file
    """
    read: dict[tuple[str, str | None], Cues] = {}
    out = {}
    for dub in dubs:
        if dub.cues is not None:
            if (dub.cues, dub.audio) not in read:
                read[dub.cues, dub.audio] = tuple(read_cues(dub.cues, dub.audio))
            out[dub.id] = read[dub.cues, dub.audio]
    return out


def sound_files(dub: Dub, cues: Cues) -> tuple[str, ...]:
    """The audio files of a dub, each once."""
    return tuple(dict.fromkeys(cue.audio for cue in cues)) if dub.cues is not None else dub.sounds


def _dub(name: str, rows: list[Row]) -> Dub:
    """The dub of the rows of an id."""
    first = rows[0]
    voices = tuple(Voice(row["audio"] or "", row["face"]) for row in rows if row["face"])
    notes = {
        column: "; ".join(dict.fromkeys(filter(None, (row[column] for row in rows)))) or None
        for column in ("consent", "rights")
    }
    return Dub(
        name, first["video"] or "", first["audio"], first["language"], **notes,
        speakers=first["speakers"], cues=first["cues"], voices=voices, background=first["background"],
    )  # fmt: skip


def with_speakers(dubs: Iterable[Dub], speakers: str | os.PathLike[str] | None) -> list[Dub]:
    """The dubs; those that name no file of who speaks when get this one."""
    url = None if speakers is None else storage.absolute(os.fspath(speakers))
    return [replace(dub, speakers=dub.speakers or url) for dub in dubs]


def with_background(dubs: Iterable[Dub], background: str) -> list[Dub]:
    """The dubs; those that name no background get this one. :data:`NONE` becomes None.

    Raises
    ------
    ManifestError : the file of `background` cannot be reached
    """
    dubs = list(dubs)
    url: str | None = background
    if background not in (SOURCE, NONE):
        url = storage.absolute(background)
        if any(dub.background is None for dub in dubs) and (why := user_tables.why_absent([url])):
            raise ManifestError(background, [f"--background: {why[url]}"])
    found = [(dub, dub.background or url) for dub in dubs]
    return [replace(dub, background=None if one == NONE else one) for dub, one in found]


def _source_of(row: Row) -> Source:
    """``<video>-<language>``, or ``<video>-<audio>`` without a language."""
    audio_name = stem_of(row["audio"] or row.get("cues") or "")
    language = row["language"]
    return Source(row["video"] or "", (language or audio_name,), (audio_name,) if language else ())


def _problems(rows: list[Row]) -> Iterator[str]:
    """A sentence for each thing that keeps rows from being dubs, or voices of one."""
    if not any(row["audio"] or row["cues"] for row in rows):
        yield "column 'audio': missing; expected the sound of each dub there, or its lines in a column 'cues'"
        return
    groups: dict[str, list[int]] = {}
    for number, row in enumerate(rows, 1):
        groups.setdefault(row["id"] or "", []).append(number)
        yield from _problems_of(number, row)
    for name, numbers in groups.items():
        if len(numbers) > 1:
            yield from _problems_of_voices(name, {number: rows[number - 1] for number in numbers})


def _problems_of(number: int, row: Row) -> Iterable[str]:
    face = row["face"]
    if not row["audio"] and not row["cues"]:
        yield f"row {number}, column 'audio': empty, and so is 'cues'; expected the sound of the dub in one of them"
    if face and written_face(face) is None:
        yield f"row {number}, column 'face': {face!r}; expected {READABLE}"
    if face and row["cues"]:
        yield f"row {number}, column 'face': {face!r}, but its lines name their speakers; leave one of face and cues empty"
    if face and row["speakers"]:
        yield f"row {number}, column 'speakers': for a dub whose persons are not named; leave one of face and speakers empty"


def _problems_of_voices(name: str, rows: dict[int, Row]) -> Iterable[str]:
    """Of the rows of one id, by their number."""
    first = next(iter(rows))
    faces: dict[str, int] = {}
    for number, row in rows.items():
        if not row["face"]:
            yield (
                f"row {number}, column 'id': {name!r} is used {len(rows)} times; rows of one id are the voices of one dub, and "
                f"each names its face: {READABLE}"
            )
        elif (before := faces.setdefault(row["face"].strip().lower(), number)) != number:
            yield f"row {number}, column 'face': {row['face']!r} is the face of row {before}, too; a mouth has one voice"
        for column in _SHARED:
            if row[column] != rows[first][column]:
                yield f"row {number}, column {column!r}: another than in row {first}; voices of one dub share it"
