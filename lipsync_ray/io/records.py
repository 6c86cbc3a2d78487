"""Records of a run's rows: a JSON file for each row that has ended, and finally a Parquet table of all.

A job declares its rows as a frozen dataclass; the table's schema and the parsing follow from its annotations.
"""

from __future__ import annotations

import io
import json
import types
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache, cached_property
from typing import Any, Generic, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from lipsync_ray.io import storage
from lipsync_ray.io.parquet import table_of
from lipsync_ray.io.run_folder import OUTCOMES

ARROW = "arrow"  # key of a field's metadata: its Arrow type, if the annotation does not determine it
_READERS = 32
_KINDS: dict[Any, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


class Row(Protocol):
    """Result of one row of a run."""

    @property
    def id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def fingerprint(self) -> str | None: ...
    @property
    def stage(self) -> str | None: ...


R = TypeVar("R", bound=Row)


class Records(Generic[R]):
    """The records of one job.

    Parameters
    ----------
    kind : dataclass of a row
    file : of the table, in the run's folder
    """

    def __init__(self, kind: type[R], file: str) -> None:
        self.kind, self.file = kind, file

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema of the table."""
        return schema_of(self.kind)

    def commit(self, out: str, row: R, job: str | None = None) -> None:
        """Commit one row's record, which names its job; later runs reuse it."""
        values = ({"job": job} if job else {}) | asdict(row)  # type: ignore[call-overload]
        storage.commit_bytes(_url(out, row.id), json.dumps(values).encode())

    def read(self, out: str, ids: Iterable[str], job: str | None = None) -> dict[str, R]:
        """Read the records that earlier runs left for these rows.

        Parameters
        ----------
        job : of the records; None for any. Older records, which name no job, always match
        """
        there = storage.list_names(storage.join(out, OUTCOMES))
        wanted = [name for name in ids if f"{name}.json" in there]
        with ThreadPoolExecutor(_READERS) as pool:
            texts = pool.map(lambda name: storage.read_bytes(_url(out, name)), wanted)
            found = zip(wanted, map(json.loads, texts), strict=True)
            return {name: row_from(self.kind, values) for name, values in found if _is_of(values, job)}

    def kept(
        self, out: str, fingerprints: Mapping[str, str], usable: Callable[[R], bool], job: str | None = None
    ) -> dict[str, R]:
        """Rows that an earlier run ended under the same fingerprint.

        Parameters
        ----------
        fingerprints : id → fingerprint of the requested rows
        usable : whether a record is still valid
        job : as for `read`
        """
        found = self.read(out, fingerprints, job)
        return {name: row for name, row in found.items() if row.fingerprint == fingerprints[name] and usable(row)}

    def write_table(self, out: str, rows: Iterable[R]) -> str:
        """Commit the table of all rows, unless it is there already; return its URL."""
        url, rows = storage.join(out, self.file), list(rows)
        if self._is_current(out, rows):  # a finished run was started again: skip Arrow's import of pandas
            return url
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=self.schema)  # type: ignore[call-overload]
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        storage.commit_bytes(url, buffer.getvalue())
        return url

    def _is_current(self, out: str, rows: list[R]) -> bool:
        try:
            table = read_table(storage.join(out, self.file))
        except (OSError, pa.ArrowException):  # missing or unreadable
            return False
        return (
            bool(table.schema.equals(self.schema)) and [row_from(self.kind, row) for row in table.to_pylist()] == rows
        )

    def read_table(self, out: str) -> list[R]:
        """Read a run's table, also one of an older version with fewer columns."""
        return [row_from(self.kind, row) for row in read_table(storage.join(out, self.file)).to_pylist()]


def all_values(out: str, job: str) -> list[dict[str, Any]]:
    """Records of all rows of a job in a run's folder, including older ones, which name no job."""
    folder = storage.join(out, OUTCOMES)
    with ThreadPoolExecutor(_READERS) as pool:
        texts = pool.map(
            lambda name: storage.read_bytes(storage.join(folder, name)), sorted(storage.list_names(folder))
        )
        found = [json.loads(text) for text in texts]
    return [values for values in found if _is_of(values, job)]


def _is_of(values: Mapping[str, Any], job: str | None) -> bool:
    return job is None or values.get("job", job) == job


def read_table(url: str) -> pa.Table:
    """Read a Parquet table."""
    return table_of(storage.read_bytes(url))


def schema_of(kind: Any) -> pa.Schema:
    """The Arrow schema of a dataclass: text, numbers, tuples and lists of them, dataclasses in it as structs."""
    return pa.schema(_columns(kind))


def row_from(kind: Any, values: Mapping[str, Any]) -> Any:
    """Make a dataclass from JSON or Parquet values. A missing field, or null in one that may not be None, gets its
    default.
    """
    hints = _hints(kind)
    out = {}
    for field in fields(kind):
        value = values.get(field.name)
        default = field.default is not MISSING or field.default_factory is not MISSING
        if value is None and default and not _may_be_none(hints[field.name]):
            continue
        out[field.name] = _value(hints[field.name], value)
    return kind(**out)


def _columns(kind: Any) -> list[tuple[str, pa.DataType]]:
    hints = _hints(kind)
    return [(f.name, f.metadata.get(ARROW) or _arrow(hints[f.name])) for f in fields(kind)]


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _bare(hint: Any) -> Any:
    """The hint without its None."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = [part for part in get_args(hint) if part is not type(None)]
    return hint


def _may_be_none(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint)


def _arrow(hint: Any) -> pa.DataType:
    hint = _bare(hint)
    if hint in _KINDS:
        return _KINDS[hint]
    if get_origin(hint) is Literal:
        return pa.string()
    if get_origin(hint) in (tuple, list):
        first, *rest = get_args(hint)
        return pa.list_(_arrow(first), 1 + len(rest)) if rest and rest != [...] else pa.list_(_arrow(first))
    if is_dataclass(hint):
        return pa.struct(_columns(hint))
    raise TypeError(f"{hint}: no Arrow type is known for it; name one in the field's metadata ({ARROW!r})")


def _value(hint: Any, value: Any) -> Any:
    hint = _bare(hint)
    if value is None:
        return None
    if get_origin(hint) in (tuple, list):
        return get_origin(hint)(_value(get_args(hint)[0], item) for item in value)
    return row_from(hint, value) if is_dataclass(hint) else value


def _url(out: str, name: str) -> str:
    return storage.join(out, OUTCOMES, f"{name}.json")
