"""The graph of a job: passes and the small questions between them, side by side; a video waits for its own alone.

Each names what it comes after. Its callbacks put what can begin into the `ready` of those that come after it.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lipsync_ray.engine.bundles import rows_per_block
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.flows import Flow
from lipsync_ray.engine.progress import ProgressReporter, Wake, phases
from lipsync_ray.engine.runners import Feed, Tasks
from lipsync_ray.engine.stages import Failure, Outcome
from lipsync_ray.engine.video_pass import Made, Order, PassState, RangeRow, Video, VideoPass

POLL_S = 0.2  # between two looks, should nothing wake it

Query = TypeVar("Query")
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Ask(Generic[Query, Answer]):
    """A small task between passes: who speaks, which tracks are scored.

    Attributes
    ----------
    name, task : run on any worker
    on_answer : told of each answer
    after : what puts queries into `ready`
    ready : queries that can be asked
    """

    name: str
    task: Callable[[Query], Answer]
    on_answer: Callable[[Query, Answer | Failure], None]
    after: tuple[Any, ...] = ()
    ready: deque[Query] = field(default_factory=deque)


Node = VideoPass[Any, Any, Any] | Ask[Any, Any]


def run_graph(context: RunContext, nodes: Sequence[Node]) -> None:
    """Run passes and questions to their end, side by side.

    Parameters
    ----------
    nodes : each behind all that it comes after; the pools of all passes load from the beginning
    """
    wake = Wake()
    with phases(context.console) as progress_of, ExitStack() as left:
        running: list[StreamedPass[Any, Any, Any] | _Asking] = []
        for node in nodes:
            if isinstance(node, Ask):
                running.append(_Asking(context, node, wake.up))
            else:
                streamed = StreamedPass(context, node, dict(node.active), progress_of, wake.up)
                left.callback(streamed.end)
                running.append(streamed)
        place = {id(node): number for number, node in enumerate(nodes)}
        before = [[place[id(one)] for one in node.after] for node in nodes]
        ended = [False] * len(nodes)
        while not all(ended):
            wake.wait(POLL_S)
            for number, one in enumerate(running):
                last = all(ended[other] for other in before[number])  # and so all that will ever be ready is
                one.poll()
                if last:
                    one.close()
                ended[number] = last and one.done


class _Asking:
    """A question that is being asked."""

    def __init__(self, context: RunContext, spec: Ask[Any, Any], wake: Callable[[], None]) -> None:
        self._spec = spec
        self._tasks: Tasks[Any, Any] = context.tasks(spec.name, spec.task)
        self._tasks.notify(wake)

    def poll(self) -> None:
        while self._spec.ready:
            self._tasks.submit(self._spec.ready.popleft())
        for query, answer in self._tasks.finished():
            self._spec.on_answer(query, answer)

    def close(self) -> None:
        """Nothing waits for its end."""

    @property
    def done(self) -> bool:
        return not self._spec.ready and self._tasks.idle


class StreamedPass(PassState[Video, Order, Made]):
    """A pass that runs on a thread of its own. Everything else happens where :meth:`poll` is called.

    Parameters
    ----------
    coming : its videos, for how much work there will be, at most; where it comes after nothing they all begin at once, else each waits
        for :meth:`begin`
    wake : called from the thread whenever there is something to poll; :meth:`end` ends the thread
    """

    def __init__(
        self,
        context: RunContext,
        spec: VideoPass[Video, Order, Made],
        coming: Mapping[str, Video],
        phases: Callable[[str, int, int, str], ProgressReporter],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(context, spec)
        self._joining.notify(wake)
        ready = not spec.after
        each = {name: self.add(name) if ready else self.missing(video) for name, video in coming.items()}
        rows = [part for own in each.values() for part in own]
        self._planned = {} if ready else {name: (len(own), _frames(own)) for name, own in each.items()}
        self.progress = phases(spec.name, len(rows), _frames(rows), spec.unit)
        self._later: dict[str, deque[RangeRow]] = {}  # what is not given out yet, where rows are made in turn
        self._closing = False
        self._events: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._wake = wake
        self._broken: Failure | None = None
        self._feed: Feed | None = None
        self._flow: Flow | None = None
        if not rows:
            return
        runner, most, ledger = context.runner, len(rows), context.ledger
        together = 1 if spec.sequential else rows_per_block(rows, spec.stages)
        if ready:
            self._flow = Flow(
                spec.name, lambda stop: runner.run(rows, spec.stages, ledger, stop, together), self._receive
            )
        else:
            self._feed = feed = runner.feed()
            self._flow = Flow(
                spec.name, lambda stop: runner.run_fed(feed, most, spec.stages, ledger, stop, together), self._receive
            )

    def _receive(self, outcome: Outcome | Failure) -> None:
        if isinstance(outcome, Failure):
            self._broken = outcome
        else:
            self._events.put(outcome)
        self._wake()

    def begin(self, name: str) -> None:
        """A video is ready."""
        rows = self.add(name)
        self._unplan(name)
        self.progress.plan(len(rows), _frames(rows))
        if self.spec.sequential:
            self._later[name] = deque(rows[1:])
            rows = rows[:1]
        if rows and self._feed is not None:
            self._feed.add(rows)

    def on_outcome(self, outcome: Outcome, progress: ProgressReporter) -> None:
        """A row has come back; where rows are made in turn, it is the next one's."""
        name = self.of[outcome.key][0]
        super().on_outcome(outcome, progress)
        later = self._later.get(name)
        if not later:
            return
        if name in self.spec.active and self._feed is not None and self._broken is None:
            self._feed.add([later.popleft()])
        else:  # the video has ended: nor will these come
            while later:
                super().on_outcome(Outcome(later.popleft().key, None, outcome.failure), progress)
        if self._closing:
            self.close()

    def _unplan(self, name: str) -> None:
        """Forget the rows that a video was expected to have."""
        rows, frames = self._planned.pop(name, (0, 0))
        self.progress.plan(-rows, -frames)

    def close(self) -> None:
        """No video comes any more."""
        for name in list(self._planned):
            self._unplan(name)
        self._closing = True
        if self._feed is not None and not any(self._later.values()):
            self._feed.close()

    def poll(self) -> None:
        """Begin what is ready, and take in what has come back since the last call."""
        while self.spec.ready:
            self.begin(self.spec.ready.popleft())
        while not self._events.empty():
            self.on_outcome(self._events.get(), self.progress)
        if self._broken is not None and self._events.empty():
            for key in sorted(self.of):
                if key in self.of:
                    self.on_outcome(Outcome(key, None, self._broken), self.progress)
        self.settle()

    def end(self) -> None:
        """Leave the pass, whatever is under way; its processes are free for others."""
        if self._flow is not None:
            self._flow.end()

    @property
    def done(self) -> bool:
        """Whether nothing is under way; more may come until it is closed."""
        return not self.spec.ready and not self.of and self._events.empty() and self.settled


def _frames(rows: Sequence[RangeRow]) -> int:
    return sum(part.stop - part.start for part in rows)
