"""The pass that gives every distinct video its face table: run to its end, or while another one uses the first ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.progress import Wake, phases
from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.runners import Tasks
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import StreamedPass, VideoPass, VideoState, once
from lipsync_ray.inputs.face_tables import Detect, FaceRow, Scanned, TableOrder, face_rows, make_table
from lipsync_ray.io import storage
from lipsync_ray.media.probe import VideoInfo

SCAN_S = 6.0  # seconds of video in one row: short, so that a single video is work for several workers
POLL_S = 0.2  # between two looks at small tasks that have ended

Query = TypeVar("Query")
Answer = TypeVar("Answer")


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


@dataclass(frozen=True)
class Lead:
    """A pass between faces and the main one: `active` are its videos, `ready` ids of the main pass that it has let begin.

    The answers of a :class:`FollowUp` then begin rows of this pass.
    """

    spec: VideoPass[Any, Any, Any]
    ready: deque[str] = field(default_factory=deque)


@dataclass(frozen=True)
class FollowUp(Generic[Query, Answer]):
    """A small task between a video's face table and the pass that needs it: who speaks, which tracks are scored.

    Attributes
    ----------
    name, task : run on any worker
    on_table : told of a video's table; what is to be asked of it
    on_answer : told of the answer; ids of the pass that can begin
    at_once : what can be asked before any table is made
    """

    name: str
    task: Callable[[Query], Answer]
    on_table: Callable[[str, FaceTable], Iterable[Query]]
    on_answer: Callable[[Query, Answer | Failure], Iterable[str]]
    at_once: Sequence[Query] = ()


def run_with_faces(
    context: RunContext,
    videos: Mapping[str, VideoInfo],
    folder: str,
    pool: Pool,
    follow_up: FollowUp[Any, Any],
    main: VideoPass[Any, Any, Any],
    users: str,
    ready: Sequence[str] = (),
    lead: Lead | None = None,
) -> None:
    """Find faces while the pass that needs them runs: a video waits for its own faces only.

    Parameters
    ----------
    videos : key, which changes with a video's content → the video
    folder : of the tables
    pool : that detects
    follow_up : between table and pass
    main : the pass; its pools load from the beginning
    users : for the log line: "40 dubs"
    ready : ids of `main` that need no faces
    lead : a pass that goes before `main`
    """
    found, wanted = _divide(videos, folder)
    wake = Wake()
    with phases(context.console) as progress_of, ExitStack() as passes:
        asking: Tasks[Any, Any] = context.tasks(follow_up.name, follow_up.task)

        def ask(key: str, table: FaceTable) -> None:
            for query in follow_up.on_table(key, table):
                asking.submit(query)

        face_pass = _face_pass(dict(wanted), pool, folder, ask)
        faces = StreamedPass(context, face_pass, wanted, progress_of, wake.up, ready=True)
        leading = StreamedPass(context, lead.spec, lead.spec.active, progress_of, wake.up) if lead else None
        following = StreamedPass(context, main, main.active, progress_of, wake.up)
        for one in filter(None, (faces, leading, following)):
            passes.callback(one.end)
        for key, table in found.items():
            ask(key, table)
        for query in follow_up.at_once:
            asking.submit(query)
        for name in ready:
            following.begin(name)
        while not (faces.done and asking.idle and (leading is None or leading.done) and following.done):
            wake.wait(POLL_S)
            faces.poll()
            for query, answer in asking.finished():
                for name in follow_up.on_answer(query, answer):
                    (leading or following).begin(name)
            asked = faces.done and asking.idle
            if lead is not None and leading is not None:
                if asked:
                    leading.close()
                leading.poll()
                while lead.ready:
                    following.begin(lead.ready.popleft())
                asked = asked and leading.done
            if asked:
                following.close()
            following.poll()
    if wanted:
        context.console.print(_summary(wanted.values(), users), highlight=False)


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

    def rows(video: _Wanted) -> list[FaceRow]:
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
        stages=[pool.stage("detect", partial(Detect, device))],
        on_part=on_part,
        assemble_args=table_order,
        assemble=("link faces", make_table),
        on_done=lambda video, url: end(video),
        fail=end,
    )


def _stem(url: str) -> str:
    stem = storage.name_of(url).rsplit(".", 1)[0]
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in stem)[:60]
