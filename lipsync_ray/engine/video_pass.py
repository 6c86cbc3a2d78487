"""A pass of a job: parts of videos through stages, and each video put together as soon as it has all of its parts."""

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
    """What a pass keeps of a video, whatever the job.

    Attributes
    ----------
    fingerprint : of its files, the settings and the weights
    parts : first frame → URL of every part
    missing : first frames of the parts that are not committed yet
    reused : parts that an earlier run committed
    seconds : of work
    attempts : most processes that one of its rows needed
    """

    fingerprint: str = ""
    parts: dict[int, str] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    reused: int = 0
    seconds: float = 0.0
    attempts: int = 1

    if TYPE_CHECKING:  # a field or a property, as the job likes

        @property
        def id(self) -> str:
            """Of its row."""

    @property
    def ordered(self) -> tuple[tuple[int, str], ...]:
        """(first frame, URL) of its parts, in order."""
        return tuple(sorted(self.parts.items()))


class Part(Keyed, Protocol):
    """A row of work whose product is committed: frames start … stop - 1 of a video, at url."""

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
    """What is put together where a job says nothing else: (first frame, URL) of a video's parts, in order."""

    key: str
    parts: tuple[tuple[int, str], ...]


def parts_of_video(video: VideoState) -> Any:
    """The parts of a video, keyed by its id."""
    return Parts(video.id, video.ordered)


def _nothing(video: VideoState, value: Any) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class VideoPass(Generic[Video, Order, Made]):
    """What a pass does, as its job tells it.

    Attributes
    ----------
    name : for its progress line
    folder : where parts are committed; those that are there already are not made again
    active : id → video that has not ended; `fail` and `on_done` take theirs out
    parts_of : the rows of a video
    stages : that they go through
    assemble : (name, function) that puts a complete video together, on a worker
    on_done : told what came of it
    fail : told why a video cannot be made
    on_part : told what the last stage returned for a row of a video
    assemble_args : what `assemble` is given, keyed by the video's id
    after : passes and questions (:class:`~lipsync_ray.engine.graph.Ask`) that put ids of this one's videos into `ready`; where
        there are none, all videos begin at once
    ready : ids of videos that can begin
    unit : what a row is called in the progress line
    in_turn : a video's rows are made one after another, each when the one before it is committed
    """

    name: str
    folder: str
    active: dict[str, Video]
    parts_of: Callable[[Video], Sequence[Part]]
    stages: Sequence[StageSpec]
    assemble: tuple[str, Callable[[Order], Made]]
    on_done: Callable[[Video, Made], None]
    fail: Callable[[Video, Failure], None]
    on_part: Callable[[Video, Any], None] = _nothing
    assemble_args: Callable[[Video], Order] = parts_of_video
    after: tuple[Any, ...] = ()
    ready: deque[str] = field(default_factory=deque)
    unit: str = "segments"
    in_turn: bool = False


def once(active: dict[str, Video], tell: Callable[[Video, Failure | None], None]) -> Callable[..., None]:
    """For `fail` of a pass, and for its end: takes a video out of `active` and tells of it, at its first end alone."""

    def end(video: Video, failure: Failure | None = None) -> None:
        if active.pop(video.id, None) is not None:
            tell(video, failure)

    return end


class PassState(Generic[Video, Order, Made]):
    """The books of a pass: which part belongs to which video, and which videos are complete."""

    def __init__(self, context: RunContext, spec: VideoPass[Video, Order, Made]) -> None:
        self.spec = spec
        self._there = {storage.join(spec.folder, name) for name in storage.list_tree(spec.folder)}
        self._joining: Tasks[Order, Made] = context.tasks(*spec.assemble)
        self.of: dict[str, tuple[str, Part]] = {}

    def missing(self, video: Video) -> list[Part]:
        """The parts of a video that are not committed yet."""
        return [part for part in self.spec.parts_of(video) if part.url not in self._there]

    def add(self, name: str) -> list[Part]:
        """Begin a video; the rows to be done for it."""
        video = self.spec.active[name]
        rows = []
        for part in self.spec.parts_of(video):
            video.parts[part.start] = part.url
            if part.url in self._there:
                video.reused += 1
            else:
                video.missing.add(part.start)
                rows.append(part)
                self.of[part.key] = name, part
        if not video.missing:
            self._joining.submit(self.spec.assemble_args(video))
        return rows

    def take(self, outcome: Outcome, progress: ProgressReporter) -> None:
        """A row has come back."""
        name, part = self.of.pop(outcome.key)
        progress.advance(
            part.stop - part.start, outcome.failure is not None, outcome.seconds, outcome.fetched, outcome.cpu
        )
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
        """Tell of the videos that have been put together since the last call; with ``wait``, of all."""
        for order, answer in self._joining.finished(wait):
            video = self.spec.active[order.key]
            if isinstance(answer, Failure):
                self.spec.fail(video, answer)
            else:
                self.spec.on_done(video, answer)

    @property
    def settled(self) -> bool:
        """Whether every complete video has been put together."""
        return self._joining.idle
