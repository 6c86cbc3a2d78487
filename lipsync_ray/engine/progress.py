"""Progress of a job: live lines in a terminal, or a log line every :data:`LOG_EVERY_S` seconds."""

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
_REPORTERS: weakref.WeakKeyDictionary[Console, list[ProgressReporter]] = weakref.WeakKeyDictionary()


def passes_of(console: Console) -> list[dict[str, Any]]:
    """States of all passes of a console, as JSON values. A pass that was started several times, for a long table,
    counts as one.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for reporter in list(_REPORTERS.get(console, ())):
        state = reporter.state()
        key = state["name"], state["unit"]
        found[key] = _added(found[key], state) if key in found else state
    return list(found.values())


def _added(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Merge two states of a pass: add their numbers, also by stage."""
    out = dict(one)
    for name, value in other.items():
        if isinstance(value, dict):
            out[name] = {stage: round(one[name].get(stage, 0) + value.get(stage, 0), 2) for stage in one[name] | value}
        elif not isinstance(value, str):
            out[name] = one[name] + value
    return out


def seconds_left(state: Mapping[str, Any]) -> float | None:
    """Seconds that the rest of a pass takes at its rate so far, by frames, or by rows without frames; at most its
    limit.

    Parameters
    ----------
    state : from :meth:`ProgressReporter.state`, as JSON values

    Returns
    -------
    None if nothing was measured yet
    """
    before = 0 if state["frames"] else state.get("before", 0)  # rows that an earlier run finished
    total, done = ("frames", "frames_done") if state["frames"] else ("rows", "done")
    found = []
    if (own := state[done] - before) > 0:
        found.append(state["seconds"] * (state[total] - state[done]) / own)
    if "limit" in state:
        found.append(max(0.0, state["limit"] - state["seconds"]))
    return min(found, default=None)


def time_left(seconds: float | None) -> str:
    """``1:02:03`` or ``2:03``; ``-:--`` for None."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def progress_bar(console: Console) -> Progress | None:
    """Live lines of a terminal; None if the console is not a terminal."""
    if not console.is_terminal:
        return None
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


@contextmanager
def phases(console: Console) -> Iterator[Callable[[str, int, int, str], ProgressReporter]]:
    """Yield a function (name, rows, frames, unit) that makes reporters, displayed together; ends them all."""
    bar = progress_bar(console)
    with ExitStack() as stack:
        if bar is not None:
            stack.enter_context(bar)
        yield lambda name, rows, frames, unit: stack.enter_context(
            ProgressReporter(console, name, rows, frames, unit, bar)
        )


class Wake:
    """Lets one thread sleep until another wakes it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def up(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Sleep until :meth:`up` is called, at most `seconds`."""
        self._event.wait(seconds)
        self._event.clear()


class ProgressReporter:
    """Progress of one pass of a job: rows done, rate, failures.

    Parameters
    ----------
    console : to print on
    name : of the pass
    rows : number of rows in all
    frames : in all rows; 0 for rows without frames, whose rate and time left are by row
    unit : name of a row
    bar : shared by several passes; None for a bar of its own
    before : rows that an earlier run finished
    limit_s : seconds after which the pass ends, whatever is left
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
        _REPORTERS.setdefault(console, []).append(self)
        meters.left(name, rows - before)
        self._task: TaskID | None = None
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=rows, completed=before, status=unit)

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
            self._log_line()

    @property
    def frames_per_s(self) -> float:
        return self._done_frames / max(1e-9, time.monotonic() - self._began)

    def state(self) -> dict[str, Any]:
        """The pass as JSON values: name, unit, rows and frames (all and done), rows done before, failures, seconds
        since the start, bytes fetched, seconds of work and CPU seconds by stage, and the limit in seconds, if any.
        """
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
        """Count an ended row.

        Parameters
        ----------
        seconds : of work, by stage
        fetched : bytes read from object stores
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
        self._update()

    def plan(self, rows: int, frames: int) -> None:
        """Change how much there is in all: by so many rows, of so many frames."""
        self._rows += rows
        self._frames += frames
        meters.left(self._name, self._rows - self._done_rows)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=self._rows)

    def set_done(self, rows: int) -> None:
        """Set the number of rows done, including those of earlier runs; may decrease when work was lost."""
        self._last = time.monotonic()
        self._done_rows = rows
        meters.left(self._name, self._rows - rows)
        self._update()

    @property
    def done(self) -> int:
        """Number of rows done, including those of earlier runs."""
        return self._done_rows

    def _update(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done_rows, status=self._status())
        elif self._done_rows < self._rows and time.monotonic() - self._logged >= LOG_EVERY_S:
            self._logged = time.monotonic()
            self._log_line()

    def _log_line(self) -> None:
        _LOG.info("%s", self.line())
        self._console.print(self.line(), highlight=False, soft_wrap=True)

    def line(self) -> str:
        """``lips: segments 12/40, 310 frames/s, 1 failed, 0:32 left``; ``clips: clips 3/9, 0.8 clips/s, 0:07 left``.

        Omits rate and time left before the first row has ended.
        """
        return ", ".join(filter(None, (f"{self._name}: {self._unit} {self._done_rows}/{self._rows}", self._status())))

    def left_s(self) -> float | None:
        """Seconds to the end at the rate so far; None if unknown."""
        return seconds_left(self.state() | {"seconds": time.monotonic() - self._began})

    def _status(self) -> str:
        elapsed = time.monotonic() - self._began
        status = []
        if self._done_frames:
            status.append(f"{self.frames_per_s:.0f} frames/s")
        elif not self._frames and (own := self._done_rows - self._before) > 0:
            status.append(f"{own / max(1e-9, elapsed):.1f} {self._unit}/s")
        status += [f"{self.failures} failed"] if self.failures else []
        left = self.left_s()
        if self._over or self._done_rows == self._rows:
            status.append(f"{elapsed:.0f} s")
        elif left is not None:
            status.append(f"{time_left(left)} left")
        return ", ".join(status)
