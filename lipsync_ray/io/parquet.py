"""Parquet that is at hand as bytes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def table_of(data: bytes, filters: Any = None) -> pa.Table:
    """The table of a file's bytes.

    Read in this thread, and not through a Python file: a thread of Arrow's that still holds one when the interpreter ends takes
    the process down, after all was done, with SIGABRT (apache/arrow#34314, #50482).

    Parameters
    ----------
    filters : as of ``pyarrow.parquet.read_table``

    Raises
    ------
    pyarrow.ArrowException : not a Parquet file
    """
    source = pa.BufferReader(data)
    if filters is None:  # read_table imports pandas, half a second of a command's start
        return pq.ParquetFile(source).read(use_threads=False)
    return pq.read_table(source, filters=filters, use_threads=False)


def metadata_of(data: bytes) -> dict[bytes, bytes]:
    """What a file's schema says besides its columns."""
    return dict(pq.read_schema(pa.BufferReader(data)).metadata or {})
