"""Tables that a user writes. Everything is checked before anything starts, in one go."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from lipsync_ray.errors import LipsyncError, ManifestError
from lipsync_ray.io import names, protocols, storage, table_files, windows
from lipsync_ray.io.identity import identity

_LOOKERS = 32
_A_FOLDER = "a folder"

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
    """Whether the name is that of a table, be it one that cannot be read here."""
    return table_files.kind_of(url) is not None


def read_rows(url: str, columns: Sequence[Column], source_of: Callable[[Row], names.Source]) -> list[Row]:
    """The rows of a table, each with a value or None for every column.

    Relative paths are taken from the table's folder; of a table on this machine, from the current folder where they
    exist there. Ids that are not written are made up (:mod:`lipsync_ray.io.names`).

    Parameters
    ----------
    columns : that it may have; among them ``id``
    source_of : says what an id is made from

    Raises
    ------
    ManifestError : with every problem found
    """
    raw = read_table(url, [column.name for column in columns])
    problems = raw.problems
    required = [column.name for column in columns if column.required]
    optional = [column.name for column in columns if not column.required]
    given = set().union(*raw.rows) if raw.rows else set(required)
    if not raw.rows and not problems:
        problems.append("the table has no rows")
    problems += [
        f"column {name!r}: unknown; expected {', '.join(required)} and optionally {', '.join(optional)}"
        for name in sorted(given - {*required, *optional})
    ]
    missing = [name for name in required if name not in given]
    problems += [f"column {name!r}: missing" for name in missing]
    if missing or not raw.rows:
        raise ManifestError(url, problems)
    resolve = _resolver(url)
    rows: list[Row] = []
    for number, values in enumerate(raw.rows, 1):
        row: Row = {column.name: values.get(column.name) for column in columns}
        problems += [f"row {number}, column {name!r}: empty" for name in required if not row[name]]
        for column in columns:
            path = row[column.name]
            if column.file and path:
                row[column.name] = resolve(path)
        rows.append(row)
    written = [row["id"] for row in rows]
    for row, name in zip(rows, names.tell_apart([source_of(row) for row in rows], written), strict=True):
        row["id"] = name
    problems += _id_problems([row["id"] or "" for row in rows])
    may = [column.name for column in columns if column.file == "may"]
    problems += _refused(rows, may)
    problems += _of_windows(rows, may)
    problems += missing_files(rows, [column.name for column in columns if column.file == "must"])
    if problems:
        raise ManifestError(url, sorted(problems, key=place_of))
    return rows


def read_table(url: str, columns: Sequence[str]) -> table_files.Raw:
    """What a table holds, as it is written.

    Raises
    ------
    ManifestError : no table, or it cannot be read
    """
    if not is_table(url):
        raise ManifestError(url, [f"unknown kind of table; expected a name ending in {table_files.READABLE}"])
    return table_files.parse(url, contents(url), columns)


def contents(url: str) -> bytes:
    """The bytes of a user's file, which hold more than blanks.

    Raises
    ------
    ManifestError : it is not there, cannot be read, or is empty
    """
    try:
        data = storage.read_bytes(url)
    except FileNotFoundError:
        raise ManifestError(url, [f"no such file{windows.hint(url)}"]) from None
    except IsADirectoryError:
        raise ManifestError(url, [f"{_A_FOLDER}; expected a table"]) from None
    except (OSError, LipsyncError, ValueError, ImportError) as error:
        raise ManifestError(url, [f"cannot be read: {error}"]) from error
    if not data.strip():
        raise ManifestError(url, ["the table is empty"])
    return data


def _resolver(table: str) -> Callable[[str], str]:
    """Makes a path of this table absolute."""
    folder = storage.parent(storage.absolute(table))
    here = storage.is_local(table)

    def resolve(path: str) -> str:
        if not storage.is_local(path) or storage.is_absolute(path):
            return storage.absolute(path)
        if here and storage.is_there(path):
            return storage.absolute(path)
        return storage.join_relative(folder, path)

    return resolve


def _id_problems(ids: list[str]) -> Iterable[str]:
    same: dict[str, list[str]] = defaultdict(list)
    for name in ids:
        same[names.folded(name)].append(name)
    for number, name in enumerate(ids, 1):
        place, others = f"row {number}, column 'id': {name!r}", same[names.folded(name)]
        if not names.is_safe(name):
            yield (
                f"{place} cannot name a file everywhere; expected up to {names.LONGEST_BYTES} bytes of letters, digits, '.', "
                "'_', '-', beginning with a letter or digit, not ending in '.', and no device of Windows (CON, NUL, COM1, …)"
            )
        elif (count := others.count(name)) > 1:
            yield f"{place} is used {count} times"
        elif len(others) > 1:
            other = next(one for one in others if one != name)
            yield f"{place} and {other!r} are one name where case tells no files apart; expected ids that differ in more"


def _refused(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    """One sentence for each file that lies where files may not be read."""
    for number, row in enumerate(rows, 1):
        for column in columns:
            if (url := row[column]) and (reason := protocols.why_refused(url)):
                yield f"row {number}, column {column!r}: {url}: {reason}"


def _of_windows(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    """One sentence for each path of Windows, which is no file of this machine."""
    for number, row in enumerate(rows, 1):
        for column in columns:
            url = row[column]
            if url and (hint := windows.hint(url)) and storage.is_local(url) and not storage.is_there(url):
                yield f"row {number}, column {column!r}: {url}: no such file{hint}"


def missing_files(rows: Sequence[Row], columns: Sequence[str]) -> Iterable[str]:
    """One sentence for each file that cannot be reached, naming row and column."""
    places: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        for column in columns:
            if url := row[column]:
                places.setdefault(url, []).append(f"row {number}, column {column!r}")
    for url, reason in why_absent(places).items():
        yield from (f"{place}: {url}: {reason}" for place in places[url])


def why_absent(urls: Iterable[str]) -> dict[str, str]:
    """Why files cannot be reached, or may not be; those that can are left out."""
    near = {url: _why_absent(url) for url in urls if storage.is_local(url)}
    far = [url for url in urls if url not in near]
    if far:
        with ThreadPoolExecutor(_LOOKERS) as pool:
            near |= dict(zip(far, pool.map(_why_absent, far), strict=True))
    return {url: near[url] or "" for url in urls if near[url]}


def is_folder(url: str) -> bool:
    """Whether a folder is there; of a web server none is known."""
    return (_why_absent(url) or "").startswith(_A_FOLDER)


def _why_absent(url: str) -> str | None:
    if refused := protocols.why_refused(url):
        return refused
    try:
        identity(url)
    except FileNotFoundError:
        return f"no such file{windows.hint(url)}"
    except IsADirectoryError:
        return f"{_A_FOLDER}; expected a media file"
    except (OSError, LipsyncError, ValueError, ImportError) as error:
        return f"cannot be reached: {error}"
    return None


def place_of(problem: str) -> tuple[int, str]:
    """What problems are sorted by: the line or row that they begin with; those of none come first."""
    found = re.match(r"(?:row|line) (\d+)", problem)
    return (int(found[1]) if found else 0, problem)
