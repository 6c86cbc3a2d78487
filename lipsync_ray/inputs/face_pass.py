"""The pass that gives every distinct video its face table: run to its end, or while another one uses the first ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.graph import Node, run_graph
from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoPass, VideoState, once
from lipsync_ray.inputs.face_tables import Detect, Scanned, TableOrder, face_rows, make_table
from lipsync_ray.inputs.segments import VideoSegment
from lipsync_ray.io import storage
from lipsync_ray.media.probe import VideoInfo

STAGE = "detect"
SCAN_S = 6.0  # seconds of video in one row: short, so that a single video is work for several workers


@dataclass(frozen=True)
class FaceTable:
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
class _Wanted(VideoState):
    """A video whose table is to be made: its key, which changes with its content, and where the table goes."""

    key: str
    video: VideoInfo
    url: str
    detected: int = 0

    @property
    def id(self) -> str:
        return self.key


class FacePass:
    """Finds faces while the passes that need them run: a video waits for its own faces only.

    Parameters
    ----------
    videos : key, which changes with a video's content → the video
    folder : of the tables
    pool : that detects
    on_table : told of each video's table
    """

    def __init__(
        self, videos: Mapping[str, VideoInfo], folder: str, pool: Pool, on_table: Callable[[str, FaceTable], None]
    ) -> None:
        self._found, self._wanted = _divide(videos, folder)
        self._on_table = on_table
        self.spec = _face_pass(dict(self._wanted), pool, folder, on_table)

    def run_before(self, context: RunContext, nodes: Sequence[Node], users: str) -> None:
        """Run it, and the graph that comes after it.

        Parameters
        ----------
        users : for the log line: "40 dubs"
        """
        for key, table in self._found.items():
            self._on_table(key, table)
        run_graph(context, [self.spec, *nodes])
        if self._wanted:
            context.console.print(_summary(self._wanted.values(), users), highlight=False)


def table_name(url: str, key: str) -> str:
    """The file name of a video's face table.

    Parameters
    ----------
    key : changes with the video's content
    """
    return f"{_stem(url)}-{key}.parquet"


def _divide(videos: Mapping[str, VideoInfo], folder: str) -> tuple[dict[str, FaceTable], dict[str, _Wanted]]:
    """The tables that are there, and those that are to be made."""
    there = storage.list_names(folder)
    found: dict[str, FaceTable] = {}
    wanted: dict[str, _Wanted] = {}
    for key, video in videos.items():
        name = table_name(video.url, key)
        url = storage.join(folder, name)
        if name in there:
            found[key] = FaceTable(url)
        else:
            wanted[key] = _Wanted(key=key, video=video, url=url)
    return found, wanted


def _summary(wanted: Iterable[_Wanted], users: str) -> str:
    """The log line of tables that were made."""
    ended = list(wanted)
    detected, frames = sum(w.detected for w in ended), sum(w.video.frames for w in ended)
    return f"faces detected in {len(ended)} videos for {users} ({detected} of {frames} frames looked at)"


def _face_pass(
    active: dict[str, _Wanted], pool: Pool, folder: str, on_table: Callable[[str, FaceTable], None]
) -> VideoPass[_Wanted, TableOrder, str]:
    """The pass that makes tables.

    Parameters
    ----------
    active : key → video; one that has ended is taken out
    on_table : told of each video whose table is there, or which has failed
    """
    device = "cuda" if pool.gpus else "cpu"
    parts = storage.join(folder, "parts")

    def rows(video: _Wanted) -> list[VideoSegment]:
        return face_rows(video.key, video.video, storage.join(parts, video.key), SCAN_S)

    def on_part(video: _Wanted, scanned: Scanned) -> None:
        video.detected += scanned.detected

    def table_order(video: _Wanted) -> TableOrder:
        return TableOrder(video.key, video.video, tuple(url for _, url in video.ordered), video.url)

    def tell(video: _Wanted, failure: Failure | None) -> None:
        on_table(video.key, FaceTable(video.url, failure, video.attempts, fresh=True))

    end = once(active, tell)
    return VideoPass(
        name="faces",
        folder=parts,
        active=active,
        parts_of=rows,
        stages=[pool.stage(STAGE, partial(Detect, device))],
        on_part=on_part,
        assemble_args=table_order,
        assemble=("link faces", make_table),
        on_done=lambda video, url: end(video),
        fail=end,
    )


def _stem(url: str) -> str:
    stem = storage.name_of(url).rsplit(".", 1)[0]
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in stem)[:60]
