"""Pass 1: a face table for every distinct video, and who speaks in it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from lipsync_ray import storage
from lipsync_ray.dub.assemble import Choice, TableOrder, choose_speaker, make_table
from lipsync_ray.dub.plan import FaceRow, face_rows
from lipsync_ray.dub.run import DubState, Run
from lipsync_ray.dub.stages import Detect, Scanned
from lipsync_ray.engine import flow
from lipsync_ray.engine.layout import lay_out
from lipsync_ray.engine.progress import Phase
from lipsync_ray.engine.rows import Failure, StageSpec
from lipsync_ray.engine.tasks import Tasks, each

SCAN_S = 30.0  # seconds of video in one row


def find_faces(run: Run) -> None:
    """Give every distinct video a face table, and find who speaks in it."""
    by_video = run.by("video_key")
    tables = storage.list_names(run.url("faces"))
    parts = storage.list_tree(run.url("faces", "parts"))
    rows: list[FaceRow] = []
    orders: dict[str, TableOrder] = {}
    waiting: dict[str, set[str]] = {}
    for key, dubs in by_video.items():
        info = dubs[0].info
        assert info is not None
        name = f"{_stem(dubs[0].row.video)}-{key}.parquet"
        for dub in dubs:
            dub.table = run.url("faces", name)
        if name in tables:
            continue
        all_rows = face_rows(key, info, run.url("faces", "parts", key), SCAN_S)
        orders[key] = TableOrder(key, info, tuple(row.url for row in all_rows), dubs[0].table)
        mine = [row for row in all_rows if f"{key}/{storage.name_of(row.url)}" not in parts]
        waiting[key] = {row.key for row in mine}
        rows += mine
    run.detected_videos = len(orders)
    _scan(run, rows, orders, waiting, by_video)
    _choose(run, run.by("video_key"))


def _scan(
    run: Run,
    rows: list[FaceRow],
    orders: dict[str, TableOrder],
    waiting: dict[str, set[str]],
    by_video: dict[str, list[DubState]],
) -> None:
    if not orders:
        return
    pool = lay_out(run.cluster, run.workers, alone=True)
    detect = partial(Detect, pool.device)
    spec = StageSpec("detect", detect, pool.model.workers, pool.model.cpus, pool.model.gpus)
    tables = Tasks("link faces", make_table, run.tasks_limit)
    for key in [key for key, left in waiting.items() if not left]:
        tables.submit(orders[key])
    frames = {row.key: row.stop - row.start for row in rows}
    videos = {row.key: key for key, keys in waiting.items() for row in rows if row.key in keys}
    looked = 0
    with Phase(run.console, "faces", len(rows), sum(frames.values())) as phase:
        for outcome in flow.run(rows, [spec], run.ledger):
            key = videos[outcome.key]
            phase.advance(frames[outcome.key], outcome.failure is not None)
            for dub in by_video[key]:
                dub.attempts = max(dub.attempts, outcome.attempts)
            if outcome.failure:
                for dub in by_video[key]:
                    run.fail(dub, outcome.failure)
            else:
                scanned: Scanned = outcome.value
                looked += scanned.looked
                waiting[key].discard(outcome.key)
                if not waiting[key]:
                    tables.submit(orders[key])
            _take_tables(run, tables.finished(), by_video)
        _take_tables(run, tables.finished(wait=True), by_video)
    run.console.print(
        f"faces detected in {run.detected_videos} videos for {len(run.rows)} dubs "
        f"({looked} of {sum(frames.values())} frames looked at)",
        highlight=False,
    )


def _take_tables(
    run: Run, finished: Iterable[tuple[TableOrder, str | Failure]], by_video: dict[str, list[DubState]]
) -> None:
    for order, answer in finished:
        if isinstance(answer, Failure):
            for dub in by_video[order.key]:
                run.fail(dub, answer)


def _choose(run: Run, by_video: dict[str, list[DubState]]) -> None:
    choices = []
    for key, dubs in by_video.items():
        info = dubs[0].info
        assert info is not None
        choices.append(Choice(key, dubs[0].table, run.settings.face, info.width, info.height))
    for choice, speaker in each("choose", choose_speaker, choices, run.tasks_limit):
        for dub in by_video[choice.key]:
            if isinstance(speaker, Failure):
                run.fail(dub, speaker)
            elif not speaker.chosen:
                run.no_face(dub)
            else:
                dub.speaker = speaker


def _stem(url: str) -> str:
    stem = storage.name_of(url).rsplit(".", 1)[0]
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in stem)[:60]
