"""What became of the lines of dubs, as a table that a run commits: Parquet, and the same as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

import pyarrow as pa

from lipsync_ray.io.parquet import commit_with_csv

FILE = "lines.parquet"
What = Literal["as it is", "stretched", "cut", "stretched and cut", "overlaps"]
SCHEMA = pa.schema(
    [
        ("dub", pa.string()),
        ("line", pa.string()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("speaker", pa.string()),
        ("person", pa.int32()),
        ("text", pa.string()),
        ("tempo", pa.float64()),
        ("cut_s", pa.float64()),
        ("what", pa.string()),
    ]
)


@dataclass(frozen=True)
class SpokenLine:
    """A line of a dub.

    Attributes
    ----------
    line : "line 7" of its file
    start_s, end_s : its slot, in seconds from the video's first frame
    speaker : as the user wrote it
    person : of the face table, who was drawn saying it; None where nobody was, or several were
    text : of its subtitle
    tempo : by how much faster it is spoken
    cut_s : seconds cut off its end, at that tempo
    what : was done to it
    """

    line: str
    start_s: float
    end_s: float
    speaker: str | None
    person: int | None
    text: str | None
    tempo: float
    cut_s: float
    what: What


def what_was_done(tempo: float, cut_s: float, overlaps: bool) -> What:
    """The column `what` of a line."""
    if overlaps:
        return "overlaps"
    if cut_s > 0:
        return "stretched and cut" if tempo > 1 else "cut"
    return "stretched" if tempo > 1 else "as it is"


def commit_lines(url: str, lines: Mapping[str, Iterable[SpokenLine]]) -> None:
    """Commit the lines of dubs, by id, as a Parquet table at `url`, and as CSV beside it."""
    names = [one.name for one in fields(SpokenLine)]
    rows = [(dub, *(asdict(line)[name] for name in names)) for dub, own in lines.items() for line in own]
    commit_with_csv(url, SCHEMA, rows, [tuple("" if value is None else value for value in row) for row in rows])
