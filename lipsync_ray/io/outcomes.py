"""The files of a run's records, in ``OUT/outcomes``: blocks of rows, numbered as they were committed.

    00000064-00000064.12.jsonl       12 rows that ended at about the same time, a JSON object each
    00000000-00000063.51402.parquet  what blocks 0 to 63 had

Of several rows of one id the last one counts. A block is complete or absent. Blocks are merged by committing one whose numbers cover
those of others, which are then removed; a block whose numbers lie in another's is ignored, so that nothing is lost and nothing is
there twice whenever a run is killed. Older versions wrote a file ``<id>.json`` for each row; these come before all blocks.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from lipsync_ray.io import storage
from lipsync_ray.io.parquet import batches_of
from lipsync_ray.io.removal import remove_files

FOLDER = "outcomes"
MANY = 64  # blocks of one kind that are merged
FULL = 50_000  # rows of a block that is not merged any more
_BATCH = 2_000  # rows of a table that are Python objects at a time
_READERS = 32
_LISTINGS = 5  # tries to read blocks while a run merges them
_NAME = re.compile(r"(\d{8,})-(\d{8,})\.(\d+)\.(jsonl|parquet)")
_ONE = re.compile(r"(.+)\.json")

T = TypeVar("T")
Values = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class RecordBlock:
    """A block of rows.

    Attributes
    ----------
    first, last : its numbers
    rows : how many it has
    table : Parquet, else a JSON object a line
    """

    first: int
    last: int
    rows: int
    table: bool = False

    @property
    def name(self) -> str:
        """Its file."""
        return f"{self.first:08}-{self.last:08}.{self.rows}.{'parquet' if self.table else 'jsonl'}"


def blocks_of(names: Iterable[str]) -> tuple[list[RecordBlock], list[RecordBlock]]:
    """The blocks among the names of a folder: those that count, in order; and those that were merged and not removed yet.

    Of two lists of rows with the same number both count: a driver that was taken for dead wrote one of them.
    """
    found = [
        RecordBlock(int(match[1]), int(match[2]), int(match[3]), match[4] == "parquet")
        for name in names
        if (match := _NAME.fullmatch(name))
    ]
    count: list[RecordBlock] = []
    merged: list[RecordBlock] = []
    for block in sorted(found, key=lambda block: (block.first, -block.last, not block.table)):
        whole = count[-1] if count else None
        covered = whole is not None and block.last <= whole.last and (whole.table or whole.first < block.first)
        (merged if covered else count).append(block)
    return count, merged


def ids_of(names: Iterable[str]) -> set[str]:
    """Ids of the rows that an older version recorded in files of their own."""
    return {match[1] for name in names if (match := _ONE.fullmatch(name))}


def read(out: str, convert: Callable[[Values], T | None], ids: Collection[str] | None = None) -> dict[str, T]:
    """Id → what is made of the newest record of each row.

    Parameters
    ----------
    convert : makes something of a record; None: the record does not count
    ids : of the rows that are wanted; None for all
    """
    folder = storage.join(out, FOLDER)
    asked = None if ids is None else frozenset(ids)

    def records_of(name: str) -> list[tuple[str, T]]:
        rows = ((str(values.get("id")), values) for values in _rows(storage.join(folder, name)))
        wanted = ((key, values) for key, values in rows if asked is None or key in asked)
        return [(key, made) for key, values in wanted if (made := convert(values)) is not None]

    for attempt in range(_LISTINGS):
        names = storage.list_names(folder)
        blocks, _ = blocks_of(names)
        single = sorted(ids_of(names) if asked is None else ids_of(names) & asked)
        files = [f"{name}.json" for name in single] + [block.name for block in blocks]
        try:
            with ThreadPoolExecutor(_READERS) as pool:
                return dict(pair for pairs in pool.map(records_of, files) for pair in pairs)
        except FileNotFoundError:
            if attempt == _LISTINGS - 1:
                raise
    raise AssertionError("unreachable")


def any_record(out: str) -> Values | None:
    """Some row's record, {} if it is damaged; None if there is none."""
    folder = storage.join(out, FOLDER)
    names = storage.list_names(folder)
    blocks, _ = blocks_of(names)
    files = [f"{name}.json" for name in ids_of(names)] + [block.name for block in blocks]
    try:
        return next(_rows(storage.join(folder, min(files))), None) if files else None
    except (ValueError, pa.ArrowException):
        return {}


def commit(out: str, number: int, rows: Sequence[Values]) -> RecordBlock:
    """Commit rows as a block of that number."""
    block = RecordBlock(number, number, len(rows))
    text = "".join(f"{json.dumps(values)}\n" for values in rows)
    storage.commit_bytes(storage.join(out, FOLDER, block.name), text.encode())
    return block


def due(blocks: Sequence[RecordBlock]) -> list[RecordBlock]:
    """Which of the blocks that count are to be merged, if any: small ones that follow each other, of one kind."""
    lines = [block for block in blocks if not block.table]
    if _are_many(lines):
        return lines
    tables: list[RecordBlock] = []
    for block in (block for block in blocks if block.table):
        tables = [] if block.rows >= FULL else [*tables, block]
    return tables if len(tables) > 1 and _are_many(tables) else []


def _are_many(blocks: Sequence[RecordBlock]) -> bool:
    return len(blocks) >= MANY or sum(block.rows for block in blocks) >= FULL


def merge(out: str, blocks: Sequence[RecordBlock], schema: pa.Schema) -> RecordBlock:
    """Commit one block in the place of several that follow each other, then remove these.

    Parameters
    ----------
    schema : of a record
    """
    folder = storage.join(out, FOLDER)
    whole = RecordBlock(blocks[0].first, blocks[-1].last, sum(block.rows for block in blocks), table=True)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        for rows in _batches(_rows(storage.join(folder, block.name)) for block in blocks):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    storage.commit_bytes(storage.join(folder, whole.name), buffer.getvalue())
    remove(out, blocks)
    return whole


def remove(out: str, blocks: Sequence[RecordBlock]) -> None:
    """Remove blocks that were merged."""
    remove_files(storage.join(out, FOLDER, block.name) for block in blocks)


def _batches(blocks: Iterable[Iterator[T]]) -> Iterator[list[T]]:
    """The rows of several blocks, up to :data:`_BATCH` at a time."""
    rows = chain.from_iterable(blocks)
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _rows(url: str) -> Iterator[dict[str, Any]]:
    """The records of a file, one after another."""
    data = storage.read_bytes(url)
    if url.endswith(".parquet"):
        for batch in batches_of(data, _BATCH):
            yield from batch.to_pylist()
    elif url.endswith(".jsonl"):
        yield from map(json.loads, data.splitlines())
    else:
        yield json.loads(data)
