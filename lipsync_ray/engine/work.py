"""A pass of a job: parts of videos through stages, and each video put together as soon as it has all of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from lipsync_ray import storage
from lipsync_ray.engine import flow
from lipsync_ray.engine.crew import Crew
from lipsync_ray.engine.progress import Phase
from lipsync_ray.engine.rows import Failure, Keyed, StageSpec
from lipsync_ray.engine.tasks import Tasks


@dataclass(kw_only=True)
class UnderWay:
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


Video = TypeVar("Video", bound=UnderWay)
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


def work_off(crew: Crew, work: Work[Video, Order, Made], folder: str) -> None:
    """Run a pass to its end.

    Parameters
    ----------
    folder : where parts are committed; those that are there already are not made again
    """
    there = {storage.join(folder, name) for name in storage.list_tree(folder)}
    joining: Tasks[Order, Made] = Tasks(*work.join, crew.tasks_limit)
    rows: list[Part] = []
    owner: dict[str, str] = {}
    for name, video in list(work.going.items()):
        for part in work.parts_of(video):
            video.parts[part.start] = part.url
            if part.url in there:
                video.reused += 1
            else:
                video.missing.add(part.start)
                rows.append(part)
                owner[part.key] = name
        if not video.missing:
            joining.submit(work.order(video))
    of = {part.key: part for part in rows}
    with Phase(crew.console, work.name, len(rows), sum(part.stop - part.start for part in rows)) as phase:
        for outcome in flow.run(rows, work.stages, crew.ledger):
            part = of[outcome.key]
            phase.advance(part.stop - part.start, outcome.failure is not None)
            going = work.going.get(owner[outcome.key])
            if going is None:
                continue  # ended by another of its parts
            going.seconds += sum(outcome.seconds.values())
            going.attempts = max(going.attempts, outcome.attempts)
            if outcome.failure:
                work.fail(going, outcome.failure)
            else:
                work.taken(going, outcome.value)
                going.missing.discard(part.start)
                if not going.missing:
                    joining.submit(work.order(going))
            _tell(work, joining.finished())
        _tell(work, joining.finished(wait=True))


def _tell(work: Work[Video, Order, Made], finished: Iterable[tuple[Order, Made | Failure]]) -> None:
    for order, answer in finished:
        video = work.going[order.key]
        if isinstance(answer, Failure):
            work.fail(video, answer)
        else:
            work.made(video, answer)
