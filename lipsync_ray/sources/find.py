"""The pass that gives every distinct video its face table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from lipsync_ray import storage
from lipsync_ray.engine.crew import Crew
from lipsync_ray.engine.layout import lay_out
from lipsync_ray.engine.rows import Failure, StageSpec
from lipsync_ray.engine.work import UnderWay, Work, work_off
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
    found: dict[str, Found] = {}
    wanted: dict[str, _Wanted] = {}
    for key, video in videos.items():
        name = f"{_stem(video.url)}-{key}.parquet"
        url = storage.join(folder, name)
        found[key] = Found(url)
        if name not in there:
            wanted[key] = _Wanted(key, video, url)
    if wanted:
        _scan(crew, dict(wanted), folder)
        for key, ended in wanted.items():
            found[key] = Found(ended.url, ended.failure, ended.attempts, fresh=True)
        looked, frames = sum(w.looked for w in wanted.values()), sum(w.video.frames for w in wanted.values())
        said = f"faces detected in {len(wanted)} videos for {users} ({looked} of {frames} frames looked at)"
        crew.console.print(said, highlight=False)
    return found


@dataclass
class _Wanted(UnderWay):
    """A video whose table is made."""

    key: str
    video: VideoInfo
    url: str
    looked: int = 0
    failure: Failure | None = None


def _scan(crew: Crew, going: dict[str, _Wanted], folder: str) -> None:
    pool = lay_out(crew.cluster, crew.workers, alone=True)
    spec = StageSpec("detect", partial(Detect, pool.device), pool.model.workers, pool.model.cpus, pool.model.gpus)
    parts = storage.join(folder, "parts")

    def rows(video: _Wanted) -> list[FaceRow]:
        return face_rows(video.key, video.video, storage.join(parts, video.key), SCAN_S)

    def taken(video: _Wanted, scanned: Scanned) -> None:
        video.looked += scanned.looked

    def order(video: _Wanted) -> TableOrder:
        return TableOrder(video.key, video.video, tuple(url for _, url in sorted(video.parts.items())), video.url)

    def fail(video: _Wanted, failure: Failure) -> None:
        video.failure = failure
        going.pop(video.key, None)

    work = Work(
        "faces",
        going,
        parts_of=rows,
        stages=[spec],
        taken=taken,
        order=order,
        join=("link faces", make_table),
        made=lambda video, url: None,
        fail=fail,
    )
    work_off(crew, work, parts)


def _stem(url: str) -> str:
    stem = storage.name_of(url).rsplit(".", 1)[0]
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in stem)[:60]
