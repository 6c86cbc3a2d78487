"""Records of a run's rows: those that have ended, in blocks (:mod:`lipsync_ray.io.outcomes`), and finally a Parquet table of all.

A job declares its rows as a frozen dataclass; the table's schema and the parsing follow from its annotations.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from lipsync_ray.io import outcomes, storage
from lipsync_ray.io.parquet import table_of
from lipsync_ray.io.row_types import row_from, schema_of, values_of


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

    def commit(self, out: str, number: int, rows: Sequence[R], job: str) -> outcomes.RecordBlock:
        """Commit the records of rows, which name their job, as the block of that number; later runs reuse them."""
        return outcomes.commit(out, number, [{"job": job, **values_of(row)} for row in rows])

    def merge(self, out: str, blocks: Sequence[outcomes.RecordBlock]) -> outcomes.RecordBlock:
        """Merge blocks of records that follow each other."""
        return outcomes.merge(out, blocks, pa.schema([("job", pa.string()), *self.schema]))

    def read(self, out: str, ids: Collection[str], job: str | None = None) -> dict[str, R]:
        """Read the records that earlier runs left for these rows, in their order.

        Parameters
        ----------
        job : of the records; None for any. Older records, which name no job, always match
        """

        def convert(values: Mapping[str, Any]) -> R | None:
            return row_from(self.kind, values) if _is_of(values, job) else None

        found = outcomes.read(out, convert, ids)
        return {name: found[name] for name in ids if name in found}

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
        return still_valid(self.read(out, fingerprints, job), fingerprints, usable)

    def write_table(self, out: str, rows: Iterable[R]) -> str:
        """Commit the table of all rows, unless it is there already; return its URL."""
        url, rows = storage.join(out, self.file), list(rows)
        if self._is_current(out, rows):  # a finished run was started again: skip Arrow's import of pandas
            return url
        table = pa.Table.from_pylist(list(map(values_of, rows)), schema=self.schema)
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


def still_valid(rows: Mapping[str, R], fingerprints: Mapping[str, str], usable: Callable[[R], bool]) -> dict[str, R]:
    """The recorded rows that have these fingerprints, by id, and are usable."""
    return {
        name: row
        for name, row in rows.items()
        if name in fingerprints and row.fingerprint == fingerprints[name] and usable(row)
    }


def all_values(out: str, job: str) -> list[dict[str, Any]]:
    """Records of all rows of a job in a run's folder, including older ones, which name no job."""
    return list(outcomes.read(out, lambda values: dict(values) if _is_of(values, job) else None).values())


def _is_of(values: Mapping[str, Any], job: str | None) -> bool:
    return job is None or values.get("job", job) == job


def read_table(url: str) -> pa.Table:
    """Read a Parquet table."""
    return table_of(storage.read_bytes(url))
