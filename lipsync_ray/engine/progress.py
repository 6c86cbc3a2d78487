"""What a person sees while a job runs: a live line in a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from lipsync_ray.engine import meters

LOG_EVERY_S = 10.0
_LOG = logging.getLogger(__name__)
_SHOWN: weakref.WeakKeyDictionary[Console, list[ProgressReporter]] = weakref.WeakKeyDictionary()


def passes_of(console: Console) -> list[dict[str, Any]]:
    """The passes that were or are shown on a console, as JSON values, for who looks from elsewhere; one that was begun several
    times, for a long table, is one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for reporter in list(_SHOWN.get(console, ())):
        state = reporter.state()
        key = state["name"], state["unit"]
        found[key] = _added(found[key], state) if key in found else state
    return list(found.values())


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two states of a pass as one: numbers added, by stage too."""
    out = dict(one)
    for name, value in other.items():
        if isinstance(value, dict):
            out[name] = {stage: round(one[name].get(stage, 0) + value.get(stage, 0), 2) for stage in one[name] | value}
        elif not isinstance(value, str):
            out[name] = one[name] + value
    return out


def seconds_left(state: Mapping[str, Any]) -> float | None:
    """What the rest of a pass takes at its pace so far: by frames, or by rows where they have none; no more than its limit.

    Parameters
    ----------
    state : of :meth:`ProgressReporter.state`, as JSON values

    Returns
    -------
    None before anything was measured
    """
    before = 0 if state["frames"] else state.get("before", 0)  # of rows that an earlier run has done
    total, done = ("frames", "frames_done") if state["frames"] else ("rows", "done")
    found = []
    if (own := state[done] - before) > 0:
        found.append(state["seconds"] * (state[total] - state[done]) / own)
    if "limit" in state:
        found.append(max(0.0, state["limit"] - state["seconds"]))
    return min(found, default=None)


def time_left(seconds: float | None) -> str:
    """``1:02:03`` or ``2:03``; ``-:--`` where it is not known yet."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_bar(console: Console) -> Progress | None:
    """The live lines of a terminal; None where there is none."""
    if not console.is_terminal:
        return None
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def phases(console: Console) -> Iterator[Callable[[str, int, int, str], ProgressReporter]]:
    """Makes phases (name, rows, frames, unit) that are shown beside one another, and ends them all."""
    bar = progress_bar(console)
    with ExitStack() as stack:
        if bar is not None:
            stack.enter_context(bar)
        yield lambda name, rows, frames, unit: stack.enter_context(
            ProgressReporter(console, name, rows, frames, unit, bar)
        )


class Wake:
    """Lets one thread sleep until another has something for it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def up(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Until somebody calls, at most so long."""
        self._event.wait(seconds)
        self._event.clear()


class ProgressReporter:
    """One pass of a job: how far it is, how fast, how many rows have failed.

    Parameters
    ----------
    console : where to
    name : of the pass
    rows : of work in all
    frames : in all those rows; 0 where they have none, then rows tell the rate and the time left
    unit : what a row is called
    bar : of several passes at a time; without it the phase shows one of its own
    before : rows that an earlier run has done
    limit_s : after which the pass ends, whatever is left
    """

    def __init__(
        self,
        console: Console,
        name: str,
        rows: int,
        frames: int,
        unit: str = "segments",
        bar: Progress | None = None,
        before: int = 0,
        limit_s: float | None = None,
    ) -> None:
        self._console = console
        self._name, self._rows, self._frames, self._unit = name, rows, frames, unit
        self._before, self._limit_s, self._over = before, limit_s, False
        self._done_rows, self._done_frames, self.failures = before, 0, 0
        self._began = self._logged = self._last = time.monotonic()
        self._bar = bar or progress_bar(console)
        self._shared = bar is not None
        self._seconds: Counter[str] = Counter()
        self._cpu: Counter[str] = Counter()
        self._fetched = 0
        _SHOWN.setdefault(console, []).append(self)
        meters.left(name, rows - before)
        self._task: TaskID | None = None
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=rows, completed=before, said=unit)

    def __enter__(self) -> Self:
        if self._bar and not self._shared:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        if self._bar and not self._shared:
            self._bar.stop()
        meters.left(self._name, 0)
        if kind is None and self._rows:
            self._tell()

    @property
    def frames_per_s(self) -> float:
        return self._done_frames / max(1e-9, time.monotonic() - self._began)

    def state(self) -> dict[str, Any]:
        """Name, unit, rows and frames in all and done, rows done before, failures, seconds since it began, bytes fetched; seconds
        of work and CPU seconds, by stage; where it has one, the limit in seconds."""
        limit = {} if self._limit_s is None else {"limit": self._limit_s}
        return limit | {
            "name": self._name,
            "unit": self._unit,
            "rows": self._rows,
            "done": self._done_rows,
            "before": self._before,
            "failed": self.failures,
            "frames": self._frames,
            "frames_done": self._done_frames,
            "seconds": round((self._last if self._done_rows == self._rows else time.monotonic()) - self._began, 1),
            "bytes": self._fetched,
            "stages": {name: round(seconds, 1) for name, seconds in self._seconds.items()},
            "cpu": {name: round(seconds, 2) for name, seconds in self._cpu.items()},
        }

    def advance(
        self,
        frames: int,
        failed: bool = False,
        seconds: Mapping[str, float] | None = None,
        fetched: int = 0,
        cpu: Mapping[str, float] | None = None,
    ) -> None:
        """A row has ended.

        Parameters
        ----------
        seconds : of work, by stage
        fetched : bytes, from object stores
        cpu : seconds, by stage
        """
        self._fetched += fetched
        self._seconds.update(seconds or {})
        self._cpu.update(cpu or {})
        self._last = time.monotonic()
        self._done_rows += 1
        meters.count(self._name, frames, failed, seconds or {}, fetched)
        meters.left(self._name, self._rows - self._done_rows)
        self._done_frames += frames
        self.failures += failed
        self._show()

    def reach(self, rows: int) -> None:
        """So many rows are done, those of before among them; fewer than once where work was lost."""
        self._last = time.monotonic()
        self._done_rows = rows
        meters.left(self._name, self._rows - rows)
        self._show()

    @property
    def done(self) -> int:
        """Rows that are done, those of before among them."""
        return self._done_rows

    def _show(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done_rows, said=self._said())
        elif self._done_rows < self._rows and time.monotonic() - self._logged >= LOG_EVERY_S:
            self._logged = time.monotonic()
            self._tell()

    def _tell(self) -> None:
        _LOG.info("%s", self.line())
        self._console.print(self.line(), highlight=False, soft_wrap=True)

    def line(self) -> str:
        """``lips: segments 12/40, 310 frames/s, 1 failed, 0:32 left``; ``clips: clips 3/9, 0.8 clips/s, 0:07 left``.

        Neither a rate nor a time is told before a row has ended.
        """
        return ", ".join(filter(None, (f"{self._name}: {self._unit} {self._done_rows}/{self._rows}", self._said())))

    def left_s(self) -> float | None:
        """Seconds to the end, at the rate so far; None where nothing tells."""
        return seconds_left(self.state() | {"seconds": time.monotonic() - self._began})

    def _said(self) -> str:
        elapsed = time.monotonic() - self._began
        said = []
        if self._done_frames:
            said.append(f"{self.frames_per_s:.0f} frames/s")
        elif not self._frames and (own := self._done_rows - self._before) > 0:
            said.append(f"{own / max(1e-9, elapsed):.1f} {self._unit}/s")
        said += [f"{self.failures} failed"] if self.failures else []
        left = self.left_s()
        if self._over or self._done_rows == self._rows:
            said.append(f"{elapsed:.0f} s")
        elif left is not None:
            said.append(f"{time_left(left)} left")
        return ", ".join(said)
