"""Who speaks when, as a table that a run commits: Parquet, and the same as CSV to be edited.

Columns: `dub`, `start_s`, `end_s`, `person` (a number of the video's face table) and `confidence`. Turns of different persons may
overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from lipsync_ray.io import storage
from lipsync_ray.io.parquet import commit_with_csv, table_of

FILE = "speakers.parquet"
SCHEMA = pa.schema(
    [
        ("dub", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("person", pa.int32()),
        ("confidence", pa.float64()),
    ]
)
_MILLISECONDS = 3  # decimals that are written


@dataclass(frozen=True)
class Turn:
    """A stretch in which a person speaks.

    Attributes
    ----------
    start_s, end_s : seconds from the first frame
    person : of the face table
    confidence : 0–1, how often turns that look like this one are right
    """

    start_s: float
    end_s: float
    person: int
    confidence: float = 1.0


def spoken_s(turns: Iterable[Turn]) -> dict[int, float]:
    """Person → seconds of all own turns."""
    out: dict[int, float] = {}
    for turn in turns:
        out[turn.person] = out.get(turn.person, 0.0) + turn.end_s - turn.start_s
    return out


def commit_turns(url: str, turns: Mapping[str, Iterable[Turn]]) -> None:
    """Commit the turns of dubs, by id, as a Parquet table at `url`, and as CSV beside it."""
    rows = [
        (dub, round(turn.start_s, _MILLISECONDS), round(turn.end_s, _MILLISECONDS), turn.person, turn.confidence)
        for dub, own in turns.items()
        for turn in sorted(own, key=lambda turn: (turn.start_s, turn.person))
    ]
    texts = [(dub, f"{start:.3f}", f"{end:.3f}", who, f"{sure:.2f}") for dub, start, end, who, sure in rows]
    commit_with_csv(url, SCHEMA, rows, texts)


def read_committed(url: str) -> dict[str, list[Turn]]:
    """The turns that were committed, by dub."""
    out: dict[str, list[Turn]] = {}
    for row in table_of(storage.read_bytes(url)).to_pylist():
        out.setdefault(row.pop("dub"), []).append(Turn(**row))
    return out
