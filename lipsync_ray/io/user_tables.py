"""Reads and checks users' tables. All problems are reported at once, before anything starts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, TypeVar

from lipsync_ray.errors import LipsyncError, ManifestError
from lipsync_ray.io import names, protocols, storage, table_files, windows
from lipsync_ray.io.identity import identities

_A_FOLDER = "a folder"

Row = dict[str, str | None]


class _Span(Protocol):
    @property
    def start_s(self) -> Fraction | float: ...
    @property
    def end_s(self) -> Fraction | float: ...


Timed = TypeVar("Timed", bound=_Span)


@dataclass(frozen=True)
class Column:
    """A column that a table may have.

    Attributes
    ----------
    name : of the column
    required : every row needs a value
    file : "must" for files that have to exist, "may" for files whose absence fails only their row
    words : values that are no file
    """

    name: str
    required: bool = False
    file: Literal["must", "may"] | None = None
    words: tuple[str, ...] = ()


ID = Column("id")


def is_table(url: str) -> bool:
    """Whether the name is that of a table, including unsupported kinds."""
    return table_files.kind_of(url) is not None


def read_rows(
    url: str,
    columns: Sequence[Column],
    source_of: Callable[[Row], names.Source],
    check: Callable[[list[Row]], Iterable[str]] | None = None,
) -> list[Row]:
    """Read the rows of a table, each with a value or None for every column.

    Relative paths are resolved from the table's folder; for a local table, first from the current folder if they exist
    there. Missing ids are generated (:mod:`lipsync_ray.io.names`).

    Parameters
    ----------
    columns : allowed columns, including ``id``
    source_of : returns the source of a row's id
    check : returns further problems of the rows; where it is given, rows may repeat an id

    Raises
    ------
    ManifestError : lists every problem
    """
    raw = read_raw(url, [column.name for column in columns])
    problems = raw.problems
    required = [column.name for column in columns if column.required]
    optional = [column.name for column in columns if not column.required]
    if not raw.rows and not problems:
        problems.append("the table has no rows")
    wrong, complete = column_problems(
        raw, required, (*required, *optional), f"{', '.join(required)} and optionally {', '.join(optional)}"
    )
    problems += wrong
    if not complete or not raw.rows:
        raise ManifestError(url, problems)
    resolve = resolver(url)
    rows: list[Row] = []
    for number, values in enumerate(raw.rows, 1):
        row: Row = {column.name: values.get(column.name) for column in columns}
        problems += [f"row {number}, column {name!r}: empty" for name in required if not row[name]]
        for column in columns:
            path = row[column.name]
            if column.file and path and path not in column.words:
                row[column.name] = resolve(path)
        rows.append(row)
    written = [row["id"] for row in rows]
    for row, name in zip(rows, names.unique_ids([source_of(row) for row in rows], written), strict=True):
        row["id"] = name
    problems += _id_problems([row["id"] or "" for row in rows], repeated=check is not None)
    if check is not None:
        problems += check(rows)
    may = [column.name for column in columns if column.file == "may"]
    problems += _refused(rows, may)
    problems += _of_windows(rows, may)
    problems += missing_files(_without_words(rows, columns), [one.name for one in columns if one.file == "must"])
    if problems:
        raise ManifestError(url, sorted(problems, key=row_number))
    return rows


def column_problems(
    raw: table_files.Raw, required: Sequence[str], known: Sequence[str], expected: str
) -> tuple[list[str], bool]:
    """A sentence for each column that is unknown or missing; and whether every required one is there.

    Parameters
    ----------
    known : names of columns, the required ones among them
    expected : the same, in words
    """
    given = set().union(*raw.rows) if raw.rows else set(required)
    unknown = [f"column {name!r}: unknown; expected {expected}" for name in sorted(given - set(known))]
    missing = [f"column {name!r}: missing" for name in required if name not in given]
    return unknown + missing, not missing


def overlapping(turns: Iterable[Timed], who: Callable[[Timed], object]) -> Iterator[tuple[Timed, Timed]]:
    """Pairs of overlapping turns of one speaker: the later turn, and the earlier one that has not ended."""
    latest: dict[object, Timed] = {}
    for turn in sorted(turns, key=lambda turn: (turn.start_s, turn.end_s)):
        before = latest.get(who(turn))
        if before is not None and turn.start_s < before.end_s:
            yield turn, before
        if before is None or turn.end_s > before.end_s:
            latest[who(turn)] = turn


def read_raw(url: str, columns: Sequence[str]) -> table_files.Raw:
    """Read a table file without checks.

    Raises
    ------
    ManifestError : no such file, or not a table
    """
    if not is_table(url):
        raise ManifestError(url, [f"unknown kind of table; expected a name ending in {table_files.READABLE}"])
    return table_files.parse(url, read_file(url, "table"), columns)


def read_file(url: str, what: str) -> bytes:
    """Read the bytes of a user's file.

    Parameters
    ----------
    what : the expected kind of file, for errors

    Raises
    ------
    ManifestError : missing, unreadable, or empty
    """
    try:
        data = storage.read_bytes(url)
    except FileNotFoundError:
        raise ManifestError(url, [f"no such file{windows.hint(url)}"]) from None
    except IsADirectoryError:
        raise ManifestError(url, [f"{_A_FOLDER}; expected a {what}"]) from None
    except (OSError, LipsyncError, ValueError, ImportError) as error:
        raise ManifestError(url, [f"cannot be read: {error}"]) from error
    if not data.strip():
        raise ManifestError(url, [f"the {what} is empty"])
    return data


def resolver(table: str) -> Callable[[str], str]:
    """Make a function that resolves paths in a table: from the table's folder, or from the current one if they exist
    there.
    """
    folder = storage.parent(storage.absolute(table))
    here = storage.is_local(table)

    def resolve(path: str) -> str:
        if not storage.is_local(path) or storage.is_absolute(path):
            return storage.absolute(path)
        if here and storage.is_there(path):
            return storage.absolute(path)
        return storage.join_relative(folder, path)

    return resolve


def _id_problems(ids: list[str], repeated: bool) -> Iterable[str]:
    same: dict[str, list[str]] = defaultdict(list)
    for name in ids:
        same[names.folded(name)].append(name)
    for number, name in enumerate(ids, 1):
        place, others = f"row {number}, column 'id': {name!r}", same[names.folded(name)]
        if not names.is_safe(name):
            yield (
                f"{place} is not a valid file name on every system; expected up to {names.LONGEST_BYTES} bytes of "
                "letters, digits, '.', "
                "'_', '-', starting with a letter or digit, not ending in '.', and no Windows device (CON, NUL, "
                "COM1, …)"
            )
        elif (count := others.count(name)) > 1:
            if not repeated:
                yield f"{place} is used {count} times"
        elif len(others) > 1:
            other = next(one for one in others if one != name)
            yield (
                f"{place} and {other!r} are the same name on file systems that ignore case; expected ids that differ "
                "in more than case"
            )


def _without_words(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """The rows without values that name no file."""
    words = {column.name: column.words for column in columns}
    return [{name: None if value in words.get(name, ()) else value for name, value in row.items()} for row in rows]


def _refused(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    """One sentence for each file whose protocol is not allowed."""
    for number, row in enumerate(rows, 1):
        for column in columns:
            if (url := row[column]) and (reason := protocols.why_refused(url)):
                yield f"row {number}, column {column!r}: {url}: {reason}"


def _of_windows(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    """One sentence for each Windows path that is not a local file."""
    for number, row in enumerate(rows, 1):
        for column in columns:
            url = row[column]
            if url and (hint := windows.hint(url)) and storage.is_local(url) and not storage.is_there(url):
                yield f"row {number}, column {column!r}: {url}: no such file{hint}"


def missing_files(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    """One sentence for each unreachable file, naming row and column."""
    places: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        for column in columns:
            if url := row[column]:
                places.setdefault(url, []).append(f"row {number}, column {column!r}")
    for url, reason in why_absent(places).items():
        yield from (f"{place}: {url}: {reason}" for place in places[url])


def why_absent(urls: Iterable[str]) -> dict[str, str]:
    """URL → reason, for each file that cannot or may not be read."""
    urls = list(dict.fromkeys(urls))
    refused = {url: why for url in urls if (why := protocols.why_refused(url))}
    found = identities(url for url in urls if url not in refused)
    reasons = {url: _reason(url, error) for url, error in found.items() if isinstance(error, Exception)}
    reasons |= refused
    return {url: reasons[url] for url in urls if url in reasons}


def is_folder(url: str) -> bool:
    """Whether a folder is there; always False for web servers."""
    return why_absent([url]).get(url, "").startswith(_A_FOLDER)


def _reason(url: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no such file{windows.hint(url)}"
    if isinstance(error, IsADirectoryError):
        return f"{_A_FOLDER}; expected a media file"
    return f"cannot be reached: {error}"


def row_number(problem: str) -> tuple[int, str]:
    """Sort key of a problem: the row or line that it begins with, 0 without one."""
    found = re.match(r"(?:row|line) (\d+)", problem)
    return (int(found[1]) if found else 0, problem)
