"""The pass that gives every distinct video its face table: run to its end, or while another one uses the first ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.resources import Pool, allocate
from lipsync_ray.engine.stages import Failure, StageSpec
from lipsync_ray.engine.video_pass import VideoState, Work, run_pass
from lipsync_ray.inputs.face_tables import Detect, FaceRow, Scanned, TableOrder, face_rows, make_table
from lipsync_ray.io import storage
from lipsync_ray.media.probe import VideoInfo

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


@dataclass
class Wanted(VideoState):
    """A video whose table is to be made: its key, which changes with its content, and where the table goes."""

    key: str
    video: VideoInfo
    url: str
    looked: int = 0
    failure: Failure | None = None

    @property
    def found(self) -> Found:
        """What came of it."""
        return Found(self.url, self.failure, self.attempts, fresh=True)


def missing_tables(videos: Mapping[str, VideoInfo], folder: str) -> tuple[dict[str, Found], dict[str, Wanted]]:
    """The tables that are there, and those that are to be made.

    Parameters
    ----------
    videos : key, which changes with a video's content → the video
    folder : of the tables
    """
    there = storage.list_names(folder)
    found: dict[str, Found] = {}
    wanted: dict[str, Wanted] = {}
    for key, video in videos.items():
        name = f"{_stem(video.url)}-{key}.parquet"
        url = storage.join(folder, name)
        if name in there:
            found[key] = Found(url)
        else:
            wanted[key] = Wanted(key=key, video=video, url=url)
    return found, wanted


def build_face_tables(crew: RunContext, videos: Mapping[str, VideoInfo], folder: str, users: str) -> dict[str, Found]:
    """Make the tables that are missing, and wait for all of them.

    Parameters
    ----------
    videos, folder : as for :func:`missing_tables`
    users : for the log line: "40 dubs"
    """
    found, wanted = missing_tables(videos, folder)
    if wanted:
        pool = allocate(crew.cluster, crew.workers, alone=True).model
        going = dict(wanted)
        run_pass(crew, face_work(going, pool, folder, lambda ended: None), parts_folder(folder))
        found |= {key: ended.found for key, ended in wanted.items()}
        crew.console.print(said_of(wanted.values(), users), highlight=False)
    return found


def said_of(wanted: Iterable[Wanted], users: str) -> str:
    """The log line of tables that were made."""
    ended = list(wanted)
    looked, frames = sum(w.looked for w in ended), sum(w.video.frames for w in ended)
    return f"faces detected in {len(ended)} videos for {users} ({looked} of {frames} frames looked at)"


def parts_folder(folder: str) -> str:
    """Where the scans of tables under way are committed."""
    return storage.join(folder, "parts")


def face_work(
    going: dict[str, Wanted], pool: Pool, folder: str, ended: Callable[[Wanted], None]
) -> Work[Wanted, TableOrder, str]:
    """The pass that makes tables.

    Parameters
    ----------
    going : key → video; one that has ended is taken out
    ended : told of each video whose table is there, or which has failed
    """
    device = "cuda" if pool.gpus else "cpu"
    spec = StageSpec("detect", partial(Detect, device), pool.workers, pool.cpus, pool.gpus)
    parts = parts_folder(folder)

    def rows(video: Wanted) -> list[FaceRow]:
        return face_rows(video.key, video.video, storage.join(parts, video.key), SCAN_S)

    def taken(video: Wanted, scanned: Scanned) -> None:
        video.looked += scanned.looked

    def order(video: Wanted) -> TableOrder:
        return TableOrder(video.key, video.video, tuple(url for _, url in sorted(video.parts.items())), video.url)

    def end(video: Wanted, failure: Failure | None = None) -> None:
        if going.pop(video.key, None) is not None:
            video.failure = failure
            ended(video)

    return Work(
        "faces",
        going,
        parts_of=rows,
        stages=[spec],
        taken=taken,
        order=order,
        join=("link faces", make_table),
        made=lambda video, url: end(video),
        fail=end,
    )


def _stem(url: str) -> str:
    stem = storage.name_of(url).rsplit(".", 1)[0]
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in stem)[:60]
