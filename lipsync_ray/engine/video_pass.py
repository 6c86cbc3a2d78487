"""A pass of a job: runs parts of videos through stages and joins each video as soon as all of its parts are there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.runners import Tasks
from lipsync_ray.engine.stages import Failure, Keyed, Outcome, StageSpec
from lipsync_ray.io import storage


@dataclass(kw_only=True)
class VideoState:
    """State of a video in a pass.

    Attributes
    ----------
    fingerprint : of its files, the settings and the weights
    parts : first frame → URL of every part
    missing : first frames of the parts that are not committed yet
    reused, reused_frames : number of parts that an earlier run committed, and of their frames
    found_late : parts may have been committed since the pass began
    stale : URLs of what earlier runs left in the folder of its parts
    seconds : of work
    attempts : largest number of processes that one of its rows needed
    """

    fingerprint: str = ""
    parts: dict[int, str] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    reused: int = 0
    reused_frames: int = 0
    found_late: bool = False
    stale: tuple[str, ...] = ()
    seconds: float = 0.0
    attempts: int = 1

    if TYPE_CHECKING:  # jobs define it as a field or as a property

        @property
        def id(self) -> str:
            """Id of its row."""

    @property
    def part_files(self) -> list[str]:
        """URLs of its parts, and of others in their folder."""
        return [*self.parts.values(), *self.stale]

    @property
    def ordered(self) -> tuple[tuple[int, str], ...]:
        """(first frame, URL) of its parts, in order."""
        return tuple(sorted(self.parts.items()))


class RangeRow(Keyed, Protocol):
    """A row of work: frames start … stop - 1 of a video, committed at url."""

    @property
    def start(self) -> int: ...
    @property
    def stop(self) -> int: ...
    @property
    def url(self) -> str: ...


Video = TypeVar("Video", bound=VideoState)
Order = TypeVar("Order", bound=Keyed)
Made = TypeVar("Made")


class Parts(NamedTuple):
    """Default input of `assemble`: (first frame, URL) of a video's parts, in order."""

    key: str
    parts: tuple[tuple[int, str], ...]


def parts_of_video(video: VideoState) -> Any:
    """The parts of a video, keyed by its id."""
    return Parts(video.id, video.ordered)


def _nothing(video: VideoState, value: Any) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class VideoPass(Generic[Video, Order, Made]):
    """A pass, as its job declares it.

    Attributes
    ----------
    name : for its progress line
    folder : where parts are committed; existing parts are reused
    active : id → video that has not ended; `fail` and `on_done` remove theirs
    parts_of : returns the rows of a video; as long as it is not ready, at least as many as it will have
    stages : process each row
    assemble : (name, function) that joins a complete video, on a worker
    on_done : called with the result of `assemble`
    fail : called with the reason why a video cannot be made
    on_part : called with the last stage's result for a row of a video
    assemble_args : returns the input of `assemble`, keyed by the video's id
    after : passes and questions (:class:`~lipsync_ray.engine.graph.Ask`) that put ids of this one's videos into `ready`; if
        there are none, all videos start at once
    ready : ids of videos that can start
    unit : name of a row in the progress line
    sequential : process a video's rows in order, each after the previous one is committed
    """

    name: str
    folder: str
    active: dict[str, Video]
    parts_of: Callable[[Video], Sequence[RangeRow]]
    stages: Sequence[StageSpec]
    assemble: tuple[str, Callable[[Order], Made]]
    on_done: Callable[[Video, Made], None]
    fail: Callable[[Video, Failure], None]
    on_part: Callable[[Video, Any], None] = _nothing
    assemble_args: Callable[[Video], Order] = parts_of_video
    after: tuple[Any, ...] = ()
    ready: deque[str] = field(default_factory=deque)
    unit: str = "segments"
    sequential: bool = False


def once(active: dict[str, Video], on_end: Callable[[Video, Failure | None], None]) -> Callable[..., None]:
    """Make a callback that removes a video from `active` and calls `on_end`, only the first time."""

    def end(video: Video, failure: Failure | None = None) -> None:
        if active.pop(video.id, None) is not None:
            on_end(video, failure)

    return end


class PassState(Generic[Video, Order, Made]):
    """Tracks which part belongs to which video, and which videos are complete."""

    def __init__(self, context: RunContext, spec: VideoPass[Video, Order, Made]) -> None:
        self.spec = spec
        self._there = {storage.join(spec.folder, name) for name in storage.list_tree(spec.folder)}
        self._by_video: dict[str, list[str]] = {}
        for url in self._there:
            self._by_video.setdefault(url.removeprefix(f"{spec.folder}/").partition("/")[0], []).append(url)
        self._joining: Tasks[Order, Made] = context.tasks(*spec.assemble)
        self.of: dict[str, tuple[str, RangeRow]] = {}

    def missing(self, video: Video) -> list[RangeRow]:
        """The parts of a video that are not committed yet."""
        return [part for part in self.spec.parts_of(video) if part.url not in self._there]

    def add(self, name: str) -> list[RangeRow]:
        """Start a video; return the rows to process."""
        video = self.spec.active[name]
        video.stale = tuple(self._by_video.get(name, ()))
        if video.found_late:
            folder = storage.join(self.spec.folder, name)
            self._there |= {storage.join(folder, file) for file in storage.list_names(folder)}
        rows = []
        for part in self.spec.parts_of(video):
            video.parts[part.start] = part.url
            if part.url in self._there:
                video.reused += 1
                video.reused_frames += part.stop - part.start
            else:
                video.missing.add(part.start)
                rows.append(part)
                self.of[part.key] = name, part
        if not video.missing:
            self._joining.submit(self.spec.assemble_args(video))
        return rows

    def on_outcome(self, outcome: Outcome, progress: ProgressReporter) -> None:
        """Handle the outcome of a row."""
        name, part = self.of.pop(outcome.key)
        failed = outcome.failure is not None
        progress.advance(part.stop - part.start, failed, outcome.seconds, outcome.fetched, outcome.cpu)
        video = self.spec.active.get(name)
        if video is None:
            return  # ended by another of its parts
        video.seconds += sum(outcome.seconds.values())
        video.attempts = max(video.attempts, outcome.attempts)
        if outcome.failure:
            self.spec.fail(video, outcome.failure)
            return
        self.spec.on_part(video, outcome.value)
        video.missing.discard(part.start)
        if not video.missing:
            self._joining.submit(self.spec.assemble_args(video))

    def settle(self, wait: bool = False) -> None:
        """Report the videos that were joined since the last call; with ``wait``, wait for all."""
        for order, answer in self._joining.finished(wait):
            video = self.spec.active[order.key]
            if isinstance(answer, Failure):
                self.spec.fail(video, answer)
            else:
                self.spec.on_done(video, answer)

    @property
    def settled(self) -> bool:
        """Whether every complete video has been joined."""
        return self._joining.idle
