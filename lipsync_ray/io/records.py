"""What is kept of each row of a run: a small JSON record from the moment it has ended, which a next run knows; and in the
end one Parquet table of all."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lipsync_ray.io import storage

FOLDER = "outcomes"
_READERS = 32


def commit(out: str, name: str, values: dict[str, Any]) -> None:
    """Commit one row's record.

    Parameters
    ----------
    out : the run's folder
    name : of the row
    values : JSON values
    """
    storage.commit_bytes(_url(out, name), json.dumps(values).encode())


def read(out: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The records that earlier runs left for these rows."""
    there = storage.list_names(storage.join(out, FOLDER))
    wanted = [name for name in names if f"{name}.json" in there]
    with ThreadPoolExecutor(_READERS) as pool:
        texts = pool.map(lambda name: storage.read_bytes(_url(out, name)), wanted)
        return {name: json.loads(text) for name, text in zip(wanted, texts, strict=True)}


def write_table(url: str, rows: Iterable[Any], schema: pa.Schema) -> None:
    """Commit dataclass instances as one Parquet table."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    storage.commit_bytes(url, buffer.getvalue())


def read_table(url: str) -> pa.Table:
    """A Parquet table."""
    return pq.read_table(io.BytesIO(storage.read_bytes(url)))


def _url(out: str, name: str) -> str:
    return storage.join(out, FOLDER, f"{name}.json")
