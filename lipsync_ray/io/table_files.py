"""Reads raw rows of table files: CSV (also with ``;`` or tabs), JSON lines or arrays, Parquet.

Values are not interpreted: text stays text, "NA" and "null" too.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lipsync_ray import addresses

_CSV, _TSV, _JSON, _PARQUET, _SHEET = "CSV", "TSV", "JSON lines", "Parquet", "spreadsheet"
_KINDS = {
    ".csv": _CSV,
    ".tsv": _TSV,
    ".tab": _TSV,
    ".jsonl": _JSON,
    ".ndjson": _JSON,
    ".json": _JSON,
    ".parquet": _PARQUET,
    ".xlsx": _SHEET,
    ".xls": _SHEET,
    ".ods": _SHEET,
}
READABLE = ".csv, .tsv, .jsonl, .json (each also with .gz) or .parquet"
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"  # first bytes of .xlsx and .ods, and of .xls
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FIELD_LIMIT = 1 << 20  # characters


@dataclass
class Raw:
    """Content of a table file.

    Attributes
    ----------
    rows : column → value; None if empty
    problems : one sentence each, starting with the line, if known
    places : "line 7" or "row 3" of each row
    """

    rows: list[dict[str, str | None]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def add(self, place: str, row: dict[str, Any]) -> None:
        """Add a row; values become stripped text, None if empty."""
        self.places.append(place)
        self.rows.append({name: _text(value) for name, value in row.items()})


def kind_of(url: str) -> str | None:
    """Kind of table by a file's name; None if unknown."""
    name = addresses.without_query(url).lower().removesuffix(".gz")
    return next((kind for suffix, kind in _KINDS.items() if name.endswith(suffix)), None)


def parse(url: str, data: bytes, columns: Sequence[str]) -> Raw:
    """Read a table.

    Parameters
    ----------
    columns : allowed names; the CSV separator that finds most of them is used
    """
    kind = kind_of(url)
    if addresses.without_query(url).lower().endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError) as error:
            return Raw(problems=[f"an incomplete or damaged gzip file: {error}"])
    if kind == _PARQUET:
        return _parquet(data)
    if kind == _SHEET or data.startswith((_ZIP, _OLE)):
        return Raw(problems=["a spreadsheet; save it as CSV (UTF-8)"])
    text, problem = decoded(data)
    if problem is not None:
        return Raw(problems=[problem])
    if not text.strip():
        return Raw(problems=["the table is empty"])
    if kind == _JSON:
        return _json(text)
    return _csv(text, columns, "\t" if kind == _TSV else None)


def decoded(data: bytes) -> tuple[str, str | None]:
    """The text of a file, and why it cannot be read as text; one of them."""
    if data.startswith(_UTF16) or b"\0" in data[:1000]:
        return "", "written in UTF-16 (or not text at all); save it as UTF-8"
    try:
        return data.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line, byte = data[: error.start].count(b"\n") + 1, data[error.start]
        return "", f"line {line}: not UTF-8 (byte {byte:#04x}), perhaps Latin-1 or Windows-1252; save it as UTF-8"


def _csv(text: str, columns: Sequence[str], separator: str | None) -> Raw:
    csv.field_size_limit(_FIELD_LIMIT)
    separator = separator or _separator(text, columns)
    raw = Raw()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    begins = 1
    try:
        for values in reader:
            line, begins = begins, reader.line_num + 1
            if not any(value.strip() for value in values):
                continue
            if not header:
                header = [value.strip() for value in values]
                raw.problems += doubled(header)
            elif len(values) != len(header):
                hint = f"; a value with {separator!r} in it needs quotes" if len(values) > len(header) else ""
                raw.problems.append(f"line {line}: {len(values)} values, the header has {len(header)}{hint}")
                raw.add(f"line {line}", dict(zip(header, values, strict=False)))
            else:
                raw.add(f"line {line}", dict(zip(header, values, strict=True)))
    except csv.Error as error:
        raw.problems.append(f"line {begins}: {error}")
    return raw


def _separator(text: str, columns: Sequence[str]) -> str:
    """The separator, out of comma, semicolon and tab, that finds most column names."""
    line = text.lstrip().splitlines()[0]

    def known(separator: str) -> tuple[int, int]:
        names = [name.strip().strip('"') for name in line.split(separator)]
        return sum(name in columns for name in names), len(names)

    return max((",", ";", "\t"), key=known)


def doubled(names: Sequence[str]) -> list[str]:
    """One sentence for each duplicate column."""
    return [f"column {name!r}: appears {count} times" for name, count in Counter(names).items() if count > 1]


def _json(text: str) -> Raw:
    raw = Raw()
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text, object_pairs_hook=_pairs)
        except ValueError as error:
            return Raw(problems=[f"not a JSON array: {error}"])
        for number, item in enumerate(items, 1):
            _add(raw, f"row {number}", item)
        return raw
    # Only a line feed ends a line: U+2028, U+0085 and the like may be part of a text.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                _add(raw, f"line {number}", json.loads(line, object_pairs_hook=_pairs))
            except ValueError as error:
                raw.problems.append(f"line {number}: not JSON: {error}")
    return raw


class _Doubled(dict[str, Any]):
    """An object with a duplicate name."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Doubled(found)


def _add(raw: Raw, place: str, item: Any) -> None:
    if not isinstance(item, dict):
        raw.problems.append(f"{place} is not an object")
        return
    if isinstance(item, _Doubled):
        raw.problems.append(f"{place}: contains a name twice")
    raw.problems += [
        f"{place}, {name!r}: expected a text" for name, value in item.items() if isinstance(value, dict | list)
    ]
    raw.add(place, {str(name).strip(): value for name, value in item.items()})


def _parquet(data: bytes) -> Raw:
    import pyarrow as pa

    from lipsync_ray.io.parquet import table_of

    try:
        table = table_of(data)
    except (pa.ArrowException, OSError, ValueError) as error:
        return Raw(problems=[f"not a readable Parquet table: {str(error).splitlines()[0]}"])
    names = [name.strip() for name in table.column_names]
    if problems := doubled(names):
        return Raw(problems=problems)
    raw = Raw()
    for number, row in enumerate(table.rename_columns(names).to_pylist(), 1):
        raw.add(f"row {number}", row)
    return raw


def _text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value).strip() or None
