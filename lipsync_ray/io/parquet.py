"""Reads Parquet from bytes in memory, and commits tables with a CSV beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lipsync_ray.io import storage


def table_of(data: bytes, filters: Any = None) -> pa.Table:
    """Read a table from a file's bytes.

    Reads in this thread and not through a Python file: an Arrow thread that still holds one when the interpreter exits
    aborts the process with SIGABRT (apache/arrow#34314, #50482).

    Parameters
    ----------
    filters : as for ``pyarrow.parquet.read_table``

    Raises
    ------
    pyarrow.ArrowException : not a Parquet file
    """
    source = pa.BufferReader(data)
    if filters is None:  # read_table imports pandas, which takes half a second
        return pq.ParquetFile(source).read(use_threads=False)
    return pq.read_table(source, filters=filters, use_threads=False)


def batches_of(data: bytes, rows: int) -> Iterator[pa.RecordBatch]:
    """A table from a file's bytes, up to so many rows at a time; otherwise as :func:`table_of`."""
    yield from pq.ParquetFile(pa.BufferReader(data)).iter_batches(rows, use_threads=False)


def metadata_of(data: bytes) -> dict[bytes, bytes]:
    """Metadata of a file's schema."""
    return dict(pq.read_schema(pa.BufferReader(data)).metadata or {})


def csv_url(url: str) -> str:
    """Where the CSV of a committed table lies."""
    return f"{url.removesuffix('.parquet')}.csv"


def commit_with_csv(url: str, schema: pa.Schema, rows: Sequence[Sequence[Any]], texts: Sequence[Sequence[Any]]) -> None:
    """Commit rows as a Parquet table at `url`, and as CSV beside it.

    Parameters
    ----------
    texts : the same rows as the CSV has them
    """
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    table = pa.table([pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)], schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.commit_bytes(url, buffer.getvalue())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(schema.names)
    writer.writerows(texts)
    storage.commit_bytes(csv_url(url), text.getvalue().encode())
