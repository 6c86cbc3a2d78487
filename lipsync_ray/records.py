"""Small JSON records, one for each row of a run, committed the moment its row has ended: what a next run knows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lipsync_ray import storage

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


def _url(out: str, name: str) -> str:
    return storage.join(out, FOLDER, f"{name}.json")
