"""A pass of a job: parts of videos through stages, and each video put together as soon as it has all of its parts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.runners import Feed, Tasks
from lipsync_ray.engine.stages import Failure, Keyed, Outcome, StageSpec
from lipsync_ray.io import storage


@dataclass(kw_only=True)
class VideoState:
    """What a pass keeps of a video, whatever the job.

    Attributes
    ----------
    parts : first frame → URL of every part
    missing : first frames of the parts that are not committed yet
    reused : parts that an earlier run committed
    seconds : of work
    attempts : most processes that one of its rows needed
    """

    parts: dict[int, str] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    reused: int = 0
    seconds: float = 0.0
    attempts: int = 1


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


@dataclass(frozen=True)
class Work(Generic[Video, Order, Made]):
    """What a pass does, as its job tells it.

    Attributes
    ----------
    name : for its progress line
    going : id → video that has not ended; `fail` and `made` take theirs out
    parts_of : the rows of a video
    stages : that they go through
    taken : told what the last stage returned for a row of a video
    order : what is to be put together of a complete video, keyed by its id
    join : (name, function) that puts it together, on a worker
    made : told what came of it
    fail : told why a video cannot be made
    """

    name: str
    going: dict[str, Video]
    parts_of: Callable[[Video], Sequence[Part]]
    stages: Sequence[StageSpec]
    taken: Callable[[Video, Any], None]
    order: Callable[[Video], Order]
    join: tuple[str, Callable[[Order], Made]]
    made: Callable[[Video, Made], None]
    fail: Callable[[Video, Failure], None]


class Pass(Generic[Video, Order, Made]):
    """The books of a pass: which part belongs to which video, and which videos are complete.

    Parameters
    ----------
    folder : where parts are committed; those that are there already are not made again
    """

    def __init__(self, crew: RunContext, work: Work[Video, Order, Made], folder: str) -> None:
        self.work = work
        self._there = {storage.join(folder, name) for name in storage.list_tree(folder)}
        self._joining: Tasks[Order, Made] = crew.tasks(*work.join)
        self.of: dict[str, tuple[str, Part]] = {}

    def missing(self, video: Video) -> list[Part]:
        """The parts of a video that are not committed yet."""
        return [part for part in self.work.parts_of(video) if part.url not in self._there]

    def add(self, name: str) -> list[Part]:
        """Begin a video; the rows to be done for it."""
        video = self.work.going[name]
        rows = []
        for part in self.work.parts_of(video):
            video.parts[part.start] = part.url
            if part.url in self._there:
                video.reused += 1
            else:
                video.missing.add(part.start)
                rows.append(part)
                self.of[part.key] = name, part
        if not video.missing:
            self._joining.submit(self.work.order(video))
        return rows

    def take(self, outcome: Outcome, phase: ProgressReporter) -> None:
        """A row has come back."""
        name, part = self.of.pop(outcome.key)
        phase.advance(part.stop - part.start, outcome.failure is not None)
        video = self.work.going.get(name)
        if video is None:
            return  # ended by another of its parts
        video.seconds += sum(outcome.seconds.values())
        video.attempts = max(video.attempts, outcome.attempts)
        if outcome.failure:
            self.work.fail(video, outcome.failure)
            return
        self.work.taken(video, outcome.value)
        video.missing.discard(part.start)
        if not video.missing:
            self._joining.submit(self.work.order(video))

    def settle(self, wait: bool = False) -> None:
        """Tell of the videos that have been put together since the last call; with ``wait``, of all."""
        for order, answer in self._joining.finished(wait):
            video = self.work.going[order.key]
            if isinstance(answer, Failure):
                self.work.fail(video, answer)
            else:
                self.work.made(video, answer)

    @property
    def settled(self) -> bool:
        """Whether every complete video has been put together."""
        return self._joining.idle


def run_pass(crew: RunContext, work: Work[Video, Order, Made], folder: str) -> None:
    """Run a pass whose videos are all there from the beginning.

    Parameters
    ----------
    folder : where parts are committed
    """
    books = Pass(crew, work, folder)
    rows = [part for name in list(work.going) for part in books.add(name)]
    with ProgressReporter(crew.console, work.name, len(rows), _frames(rows)) as phase:
        for outcome in crew.engine.run(rows, work.stages, crew.ledger):
            books.take(outcome, phase)
            books.settle()
        books.settle(wait=True)


class Streamed(Pass[Video, Order, Made]):
    """A pass that runs on a thread of its own. Everything else happens where :meth:`poll` is called.

    Parameters
    ----------
    coming : its videos, for how much work there will be
    ready : they can all begin at once; else each waits for :meth:`begin`
    wake : called from the thread whenever there is something to poll
    """

    def __init__(
        self,
        crew: RunContext,
        work: Work[Video, Order, Made],
        folder: str,
        coming: Mapping[str, Video],
        phases: Callable[[str, int, int], ProgressReporter],
        wake: Callable[[], None],
        ready: bool = False,
    ) -> None:
        super().__init__(crew, work, folder)
        rows = [part for name, video in coming.items() for part in (self.add(name) if ready else self.missing(video))]
        self.phase = phases(work.name, len(rows), _frames(rows))
        self._events: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._wake = wake
        self._broken: Failure | None = None
        self._feed: Feed | None = None
        if not rows:
            return
        if ready:
            outcomes = crew.engine.run(rows, work.stages, crew.ledger)
        else:
            self._feed = crew.engine.feed()
            outcomes = crew.engine.run_fed(self._feed, len(rows), work.stages, crew.ledger)
        threading.Thread(target=self._flow, args=(outcomes,), name=work.name, daemon=True).start()

    def _flow(self, outcomes: Iterator[Outcome]) -> None:
        try:
            for outcome in outcomes:
                self._events.put(outcome)
                self._wake()
            self._broken = Failure("engine", "the pass has ended")
        except Exception as error:
            self._broken = Failure("engine", str(error))
        self._events.put(None)
        self._wake()

    def begin(self, name: str) -> None:
        """A video is ready."""
        rows = self.add(name)
        if rows and self._feed is not None:
            self._feed.add(rows)

    def close(self) -> None:
        """No video comes any more."""
        if self._feed is not None:
            self._feed.close()

    def poll(self) -> None:
        """Take in what has come back since the last call."""
        while not self._events.empty():
            outcome = self._events.get()
            if outcome is not None:
                self.take(outcome, self.phase)
        if self._broken is not None and self._events.empty():
            for key in sorted(self.of):
                self.take(Outcome(key, None, self._broken), self.phase)
        self.settle()

    @property
    def done(self) -> bool:
        """Whether nothing is under way; more may come until it is closed."""
        return not self.of and self._events.empty() and self.settled


def _frames(rows: Sequence[Part]) -> int:
    return sum(part.stop - part.start for part in rows)
