"""Tables that a user writes: CSV, JSON lines or Parquet. Everything is checked before anything starts, in one go."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from lipsync_ray import storage
from lipsync_ray.errors import LipsyncError, ManifestError

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

Row = dict[str, str | None]


@dataclass(frozen=True)
class Column:
    """A column that a table may have.

    Attributes
    ----------
    name : of it
    required : every row has a value
    file : "must" names a file that has to be there, "may" one whose absence is the row's own trouble
    """

    name: str
    required: bool = False
    file: Literal["must", "may"] | None = None


ID = Column("id")


def is_table(url: str) -> bool:
    """Whether the name is that of a table."""
    return PurePosixPath(url).suffix.lower() in _SUFFIXES


def read_rows(url: str, columns: Sequence[Column], default_id: Callable[[Row], str]) -> list[Row]:
    """The rows of a table, each with a value or None for every column.

    Relative paths are taken from the current folder where they exist there, else from the table's. Ids that are not
    written are made up, and told apart by a number.

    Parameters
    ----------
    columns : that it may have; among them ``id``
    default_id : makes up an id; unsafe characters become ``_``

    Raises
    ------
    ManifestError : with every problem found
    """
    raw = _read(url, [column.name for column in columns])
    if not raw:
        raise ManifestError(url, ["the table has no rows"])
    required = [column.name for column in columns if column.required]
    optional = [column.name for column in columns if not column.required]
    given = set().union(*raw)
    problems = [
        f"column {name!r}: unknown; expected {', '.join(required)} and optionally {', '.join(optional)}"
        for name in sorted(given - {*required, *optional})
    ]
    problems += [f"column {name!r}: missing" for name in required if name not in given]
    if problems:
        raise ManifestError(url, problems)
    base = url.replace("\\", "/").rpartition("/")[0]
    rows: list[Row] = []
    for number, values in enumerate(raw, 1):
        row = {column.name: _text(values.get(column.name)) for column in columns}
        problems += [f"row {number}, column {name!r}: empty" for name in required if not row[name]]
        rows.append(row | {c.name: _resolved(row[c.name], base) for c in columns if c.file})
    written = [bool(row["id"]) for row in rows]
    for row, name in zip(rows, numbered([row["id"] or safe_id(default_id(row)) for row in rows], written), strict=True):
        row["id"] = name
    problems += _id_problems([row["id"] or "" for row in rows])
    problems += missing_files(rows, [column.name for column in columns if column.file == "must"])
    if problems:
        raise ManifestError(url, sorted(problems, key=_row_of))
    return rows


def _read(url: str, texts: Sequence[str]) -> list[dict[str, Any]]:
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
    readers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "CSV": lambda: _csv(data, texts),
        "JSON lines": lambda: _json_lines(data),
        "Parquet": lambda: pa.parquet.read_table(io.BytesIO(data)).to_pylist(),
    }
    try:
        return readers[kind]()
    except (pa.ArrowException, ValueError) as error:
        raise ManifestError(url, [f"not a readable {kind} table: {error}"]) from error


def _csv(data: bytes, texts: Sequence[str]) -> list[dict[str, Any]]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    table = pa.csv.read_csv(
        io.BytesIO(data),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: pa.string() for name in texts}, strings_can_be_null=True
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


def _resolved(path: str | None, base: str) -> str | None:
    if not path:
        return None
    if not storage.is_local(path) or storage.local_path(path).expanduser().is_absolute():
        return storage.absolute(path)
    if storage.local_path(path).exists() or not base:
        return storage.absolute(path)
    return storage.absolute(storage.join(base, path))


def safe_id(name: str) -> str:
    """The name with unsafe characters replaced by ``_``."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip("._-")[:LONGEST_ID] or "row"


def numbered(names: list[str], written: list[bool] | None = None) -> list[str]:
    """Made-up ids that coincide get -2, -3 …; written ones stay, and their duplicates are problems."""
    written = written or [False] * len(names)
    taken = {name for name, own in zip(names, written, strict=True) if own}
    out = []
    for name, own in zip(names, written, strict=True):
        unique, number = name, 1
        while not own and unique in taken:
            number += 1
            unique = f"{name}-{number}"
        taken.add(unique)
        out.append(unique)
    return out


def _id_problems(names: list[str]) -> Iterable[str]:
    counts = Counter(names)
    for number, name in enumerate(names, 1):
        if not _SAFE_ID.fullmatch(name) or len(name) > LONGEST_ID:
            yield (
                f"row {number}, column 'id': {name!r} cannot name a file; expected up to {LONGEST_ID} letters, "
                "digits, '.', '_', '-', beginning with a letter or digit"
            )
        elif counts[name] > 1:
            yield f"row {number}, column 'id': {name!r} is used {counts[name]} times"


def missing_files(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    """One sentence for each file that cannot be reached, naming row and column."""
    places: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        for column in columns:
            if url := row[column]:
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
