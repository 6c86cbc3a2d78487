"""One run of any job: its id, its folder, active and ended rows, and run.json.

A job subclasses :class:`JobRun`, declares itself with a :class:`JobSpec`, and defines how a video becomes a row of its
table. Reuse of an earlier run's rows, failures, counts and records are handled here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from rich.console import Console

from lipsync_ray import addresses
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.progress import passes_of
from lipsync_ray.engine.record_writer import RecordWriter
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.io import storage
from lipsync_ray.io.records import Records, Row, still_valid
from lipsync_ray.io.run_folder import RUN_FILE, check_owner, owner
from lipsync_ray.settings import Workers

_LOG = logging.getLogger(__name__)
_PACKAGES = ("lipsync-ray", "ray", "torch", "av", "numpy")

Video = TypeVar("Video", bound=VideoState)
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class JobSpec(Generic[R]):
    """Declaration of a job.

    Attributes
    ----------
    name : in run.json
    records : its rows and their table
    noun : name of rows in the log, such as "dubs"
    done : participle for a completed row, such as "finished"
    packages : added to the packages whose versions run.json lists for every job
    """

    name: str
    records: Records[R]
    noun: str = "videos"
    done: str = "finished"
    packages: tuple[str, ...] = ()


def grouped(videos: Iterable[Video], key: str) -> dict[str, list[Video]]:
    """Group videos by a string attribute."""
    out: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        out[getattr(video, key)].append(video)
    return dict(out)


class JobRun(ABC, Generic[Video, R]):
    """One run.

    Parameters
    ----------
    spec : of the job
    ids : of the requested rows, in the order of the table
    settings : of the run, as JSON values
    out : the run's folder, absolute

    Raises
    ------
    SettingsError : the folder belongs to another job or another kind of training; nothing in it is touched

    Attributes
    ----------
    context : runner, console and ledger
    active : id → video that has not ended
    ended : id → row of an ended video
    """

    def __init__(
        self,
        spec: JobSpec[R],
        ids: Sequence[str],
        settings: Mapping[str, Any],
        workers: Workers,
        out: str,
        console: Console,
        runner: Runner,
    ) -> None:
        check_owner(out, owner(spec.name, settings))
        self.spec, self.ids, self.workers, self.out = spec, list(ids), workers, out
        self._settings = dict(settings)
        self.began = time.time()
        self.id = f"{int(self.began)}-{uuid.uuid4().hex[:6]}"
        self.context = RunContext(runner, workers, console, Ledger(self.id, workers.attempts))
        self.active: dict[str, Video] = {}
        self.ended: dict[str, R] = {}
        self._writer = RecordWriter(out, spec.records, spec.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit the records of what has ended, however the run ends."""
        with contextlib.suppress(*(() if kind is None else (Exception,))):
            self._writer.close()

    @abstractmethod
    def row_of(self, video: Video, status: Any, **values: Any) -> R:
        """Make the row of a video, with everything known about it."""

    def more(self) -> Mapping[str, Any]:
        """Further fields of this job's run.json."""
        return {}

    def url(self, *names: str) -> str:
        """URL of a path in the run's folder."""
        return storage.join(self.out, *names)

    def log(self, line: str) -> None:
        """Write a line to the terminal and to the log."""
        _LOG.info("%s", line)
        self.context.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def by(self, key: str) -> dict[str, list[Video]]:
        """Group the active videos by an attribute."""
        return grouped(self.active.values(), key)

    def keep(self, usable: Callable[[R], bool], inputs: Callable[[Video], Iterable[str | None]] = lambda _: ()) -> None:
        """Reuse rows that an earlier run ended under the same fingerprint, and open the runner for the rest.

        Parameters
        ----------
        usable : whether a recorded row is still valid
        inputs : files that are read for a video, which every node must see

        Raises
        ------
        ClusterError : the runner does not start, or one of its nodes does not see an input or the run's folder
        """
        prints = {name: video.fingerprint for name, video in self.active.items()}
        kept = still_valid(self.before, prints, usable)
        self.ended |= kept
        for name in kept:
            del self.active[name]
        if kept:
            self.log(f"{len(kept)} of {len(self.ids)} {self.spec.noun} were {self.spec.done} before")
        if self.active:
            read = (url for video in self.active.values() for url in inputs(video) if url)
            self.context.runner.open(chain([self.url(RUN_FILE)], read))

    def fail(self, video: Video, failure: Failure) -> None:
        """End a video as failed; does nothing if it has already ended."""
        if video.id not in self.active:
            return
        self.context.failures.report(video.id, failure)
        self.end(self.row_of(video, "failed", stage=failure.stage, error=failure.reason))

    def end(self, row: R, recorded: bool = True, leftovers: Sequence[str] = ()) -> None:
        """Record a row that has ended, without secrets in its URLs; later runs reuse it.

        Parameters
        ----------
        recorded : False leaves an earlier run's record in place, to resume from
        leftovers : URLs of files that are removed when it is recorded
        """
        row = addresses.cleaned(row)
        if recorded:
            self._writer.add(row, leftovers)
        self.ended[row.id] = row
        self.active.pop(row.id, None)

    @cached_property
    def before(self) -> dict[str, R]:
        """Id → the record that earlier runs left of a requested row."""
        return self.spec.records.read(self.out, self.ids, self.spec.name)

    def forget_before(self) -> None:
        """Free the records of earlier runs, once it is known which rows they leave to do."""
        self.__dict__.pop("before", None)

    @property
    def rows(self) -> list[R]:
        """All rows, in the order of the table. Call only after all have ended."""
        return [self.ended[name] for name in self.ids]

    @property
    def seconds(self) -> float:
        """Wall time since the run began."""
        return time.time() - self.began

    def finish(self) -> str:
        """Write the table and close the run; return the table's URL."""
        self._writer.close()
        url = self.spec.records.write_table(self.out, self.rows)
        self.write(time.time())
        return url

    def write(self, ended: float | None = None) -> None:
        """Commit run.json: settings, resources, versions and counts."""
        record = {
            "run": self.id,
            "job": self.spec.name,
            "settings": self._settings,
            "workers": asdict(self.workers),
            "cluster": asdict(self.context.cluster),
            "opened_s": round(self.context.runner.opened_s, 2),
            "versions": {name: version(name) for name in (*_PACKAGES, *self.spec.packages)},
            "began": self.began,
            "ended": ended,
            "rows": len(self.ids),
            "status": dict(Counter(row.status for row in self.ended.values())),
            "passes": passes_of(self.context.console),
            **self.more(),
        }
        storage.commit_bytes(self.url(RUN_FILE), json.dumps(addresses.cleaned(record), indent=1).encode())
