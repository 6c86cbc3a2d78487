"""Read and check a table of dubs: CSV, JSON lines or Parquet with the columns video, audio and optionally id, language.

Everything is checked before anything starts, and every problem is named at once.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from lipsync_ray import storage
from lipsync_ray.errors import LipsyncError, ManifestError

REQUIRED = ("video", "audio")
OPTIONAL = ("id", "language")
LONGEST_ID = 120  # characters: file names hold 255 bytes, and ours append to it
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SUFFIXES = {
    ".csv": "CSV",
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
    ".json": "JSON lines",
    ".parquet": "Parquet",
}
_LOOKERS = 32


@dataclass(frozen=True)
class Dub:
    """One row: make the face of `video` say `audio`.

    Attributes
    ----------
    id : names the output; letters, digits, ``.``, ``_`` and ``-``, unique in the table
    video, audio : path or fsspec URL
    language : as the user wrote it, or None
    """

    id: str
    video: str
    audio: str
    language: str | None = None


def is_table(url: str) -> bool:
    """Whether the name is that of a table."""
    return PurePosixPath(url).suffix.lower() in _SUFFIXES


def read_manifest(url: str) -> list[Dub]:
    """The dubs of a table.

    Relative paths are taken from the current folder where they exist there, else from the table's.

    Raises
    ------
    ManifestError : with every problem found
    """
    rows = _rows(url)
    if not rows:
        raise ManifestError(url, ["the table has no rows"])
    known, given = {*REQUIRED, *OPTIONAL}, set().union(*rows)
    problems = [
        f"column {name!r}: unknown; expected {', '.join(REQUIRED)} and optionally {', '.join(OPTIONAL)}"
        for name in sorted(given - known)
    ]
    problems += [f"column {name!r}: missing" for name in REQUIRED if name not in given]
    if problems:
        raise ManifestError(url, problems)
    base = url.replace("\\", "/").rpartition("/")[0]
    dubs: list[Dub] = []
    for number, row in enumerate(rows, 1):
        values = {name: _text(row.get(name)) for name in known}
        problems += [f"row {number}, column {name!r}: empty" for name in REQUIRED if not values[name]]
        video, audio = (_resolved(values[name] or "", base) for name in REQUIRED)
        language = values["language"]
        dubs.append(Dub(values["id"] or default_id(video, language, audio), video, audio, language))
    explicit = [bool(_text(row.get("id"))) for row in rows]
    dubs = _numbered(dubs, explicit)
    problems += _id_problems(dubs)
    problems += missing_files(dubs)
    if problems:
        raise ManifestError(url, sorted(problems, key=_row_of))
    return dubs


def default_id(video: str, language: str | None, audio: str) -> str:
    """``<video>-<language>``, or ``<video>-<audio>`` where no language is given; unsafe characters become ``_``."""
    stems = (PurePosixPath(storage.name_of(url)).stem for url in (video, audio))
    first, second = stems
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{first}-{language or second}").lstrip("._-")
    return plain[:LONGEST_ID] or "dub"


def _rows(url: str) -> list[dict[str, Any]]:
    kind = _SUFFIXES.get(PurePosixPath(url).suffix.lower())
    if kind is None:
        raise ManifestError(url, [f"unknown kind of table; expected a name ending in {', '.join(_SUFFIXES)}"])
    try:
        data = storage.read_bytes(url)
    except FileNotFoundError:
        raise ManifestError(url, ["no such file"]) from None
    except (OSError, LipsyncError) as error:
        raise ManifestError(url, [f"cannot be read: {error}"]) from error
    if not data.strip():
        raise ManifestError(url, ["the table is empty"])
    readers: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
        "CSV": _csv,
        "JSON lines": _json_lines,
        "Parquet": lambda raw: pa.parquet.read_table(io.BytesIO(raw)).to_pylist(),
    }
    try:
        return readers[kind](data)
    except (pa.ArrowException, ValueError) as error:
        raise ManifestError(url, [f"not a readable {kind} table: {error}"]) from error


def _csv(data: bytes) -> list[dict[str, Any]]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    table = pa.csv.read_csv(
        io.BytesIO(data),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in (*REQUIRED, *OPTIONAL)}, strings_can_be_null=True
        ),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
    )
    rows: list[dict[str, Any]] = table.rename_columns([name.strip() for name in table.column_names]).to_pylist()
    return rows


def _json_lines(data: bytes) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(data.decode("utf-8-sig").splitlines(), 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is not an object")
            rows.append(row)
    return rows


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None


def _resolved(path: str, base: str) -> str:
    if not path or not storage.is_local(path) or storage.local_path(path).expanduser().is_absolute():
        return storage.absolute(path) if path else path
    if storage.local_path(path).exists() or not base:
        return storage.absolute(path)
    beside = storage.join(base, path)
    return storage.absolute(beside)


def _numbered(dubs: list[Dub], explicit: list[bool]) -> list[Dub]:
    """Made-up ids that coincide get -2, -3 …; written ones stay, and their duplicates are problems."""
    taken = {dub.id for dub, own in zip(dubs, explicit, strict=True) if own}
    out = []
    for dub, own in zip(dubs, explicit, strict=True):
        name, number = dub.id, 1
        while not own and name in taken:
            number += 1
            name = f"{dub.id}-{number}"
        taken.add(name)
        out.append(Dub(name, dub.video, dub.audio, dub.language))
    return out


def _id_problems(dubs: list[Dub]) -> Iterable[str]:
    counts = Counter(dub.id for dub in dubs)
    for number, dub in enumerate(dubs, 1):
        if not _SAFE_ID.fullmatch(dub.id) or len(dub.id) > LONGEST_ID:
            yield (
                f"row {number}, column 'id': {dub.id!r} cannot name a file; expected up to {LONGEST_ID} letters, "
                "digits, '.', '_', '-', beginning with a letter or digit"
            )
        elif counts[dub.id] > 1:
            yield f"row {number}, column 'id': {dub.id!r} is used {counts[dub.id]} times"


def missing_files(dubs: list[Dub]) -> Iterable[str]:
    """One sentence for each file that cannot be reached, naming row and column."""
    places: dict[str, list[str]] = {}
    for number, dub in enumerate(dubs, 1):
        for column in REQUIRED:
            if url := getattr(dub, column):
                places.setdefault(url, []).append(f"row {number}, column {column!r}")
    with ThreadPoolExecutor(_LOOKERS) as pool:
        for url, reason in zip(places, pool.map(_why_absent, places), strict=True):
            if reason:
                yield from (f"{place}: {url}: {reason}" for place in places[url])


def _why_absent(url: str) -> str | None:
    try:
        storage.identity(url)
    except FileNotFoundError:
        return "no such file"
    except IsADirectoryError:
        return "a folder; expected a media file"
    except (PermissionError, LipsyncError, ValueError, ImportError) as error:
        return f"cannot be reached: {error}"
    return None


def _row_of(problem: str) -> tuple[int, str]:
    found = re.match(r"row (\d+)", problem)
    return (int(found[1]) if found else 0, problem)
