"""The pass that gives every distinct video its face table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from lipsync_ray import storage
from lipsync_ray.engine.crew import Crew
from lipsync_ray.engine.layout import lay_out
from lipsync_ray.engine.rows import Failure, Outcome, StageSpec
from lipsync_ray.engine.tasks import Tasks
from lipsync_ray.engine.work import work_off
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.sources.tables import Detect, FaceRow, Scanned, TableOrder, face_rows, make_table

SCAN_S = 30.0  # seconds of video in one row


@dataclass(frozen=True)
class Found:
    """A video's face table, or why it has none.

    Attributes
    ----------
    url : of the table
    failure : None where the table is there
    attempts : most processes that one of its rows needed
    fresh : made in this run
    """

    url: str
    failure: Failure | None = None
    attempts: int = 1
    fresh: bool = False


def find_tables(crew: Crew, videos: Mapping[str, VideoInfo], folder: str, users: str) -> dict[str, Found]:
    """Make the tables that are missing.

    Parameters
    ----------
    videos : key, which changes with a video's content → the video
    folder : of the tables
    users : for the log line: "40 dubs"
    """
    there = storage.list_names(folder)
    parts = storage.list_tree(storage.join(folder, "parts"))
    found: dict[str, Found] = {}
    rows: list[FaceRow] = []
    orders: dict[str, TableOrder] = {}
    waiting: dict[str, set[str]] = {}
    for key, video in videos.items():
        name = f"{_stem(video.url)}-{key}.parquet"
        url = storage.join(folder, name)
        found[key] = Found(url)
        if name in there:
            continue
        all_rows = face_rows(key, video, storage.join(folder, "parts", key), SCAN_S)
        orders[key] = TableOrder(key, video, tuple(row.url for row in all_rows), url)
        found[key] = Found(url, fresh=True)
        mine = [row for row in all_rows if f"{key}/{storage.name_of(row.url)}" not in parts]
        waiting[key] = {row.key for row in mine}
        rows += mine
    if orders:
        _scan(crew, rows, orders, waiting, found, users)
    return found


def _scan(
    crew: Crew,
    rows: list[FaceRow],
    orders: dict[str, TableOrder],
    waiting: dict[str, set[str]],
    found: dict[str, Found],
    users: str,
) -> None:
    pool = lay_out(crew.cluster, crew.workers, alone=True)
    spec = StageSpec("detect", partial(Detect, pool.device), pool.model.workers, pool.model.cpus, pool.model.gpus)
    tables = Tasks("link faces", make_table, crew.tasks_limit)
    for key in [key for key, left in waiting.items() if not left]:
        tables.submit(orders[key])
    frames = {row.key: row.stop - row.start for row in rows}
    of = {row.key: key for key, keys in waiting.items() for row in rows if row.key in keys}
    looked = 0

    def take(outcome: Outcome) -> None:
        nonlocal looked
        key = of[outcome.key]
        before = found[key]
        attempts = max(before.attempts, outcome.attempts)
        found[key] = Found(before.url, before.failure or outcome.failure, attempts, fresh=True)
        if outcome.failure is None:
            scanned: Scanned = outcome.value
            looked += scanned.looked
            waiting[key].discard(outcome.key)
            if not waiting[key]:
                tables.submit(orders[key])

    work_off(crew, "faces", rows, frames, [spec], take, tables, partial(_take, found))
    crew.console.print(
        f"faces detected in {len(orders)} videos for {users} ({looked} of {sum(frames.values())} frames looked at)",
        highlight=False,
    )


def _take(found: dict[str, Found], finished: Iterable[tuple[TableOrder, str | Failure]]) -> None:
    for order, answer in finished:
        if isinstance(answer, Failure):
            found[order.key] = replace(found[order.key], failure=answer)


def _stem(url: str) -> str:
    stem = storage.name_of(url).rsplit(".", 1)[0]
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in stem)[:60]
