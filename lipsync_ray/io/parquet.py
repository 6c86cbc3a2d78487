"""Reads Parquet from bytes in memory."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


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


def metadata_of(data: bytes) -> dict[bytes, bytes]:
    """Metadata of a file's schema."""
    return dict(pq.read_schema(pa.BufferReader(data)).metadata or {})
