"""One run of a job, whatever the job: its id, its folder, what is under way, what has ended, and run.json.

A job subclasses :class:`JobRun`, declares itself by a :class:`JobSpec`, and says how a row of its table is made of what is
known of a video. Keeping what an earlier run ended, failing, ending, counting and recording are here, once.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import chain
from typing import Any, Generic, TypeVar

from rich.console import Console

from lipsync_ray import addresses
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.progress import passes_of
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.io import storage
from lipsync_ray.io.records import Records, Row
from lipsync_ray.io.run_folder import RUN_FILE, check_owner, owner
from lipsync_ray.settings import Workers

_ATTEMPTS = "attempts"
_LOG = logging.getLogger(__name__)
_PACKAGES = ("lipsync-ray", "ray", "torch", "av", "numpy")

Video = TypeVar("Video", bound=VideoState)
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class JobSpec(Generic[R]):
    """What a job declares of itself.

    Attributes
    ----------
    name : in run.json
    records : its rows and their table
    noun : what a row is called in the log: "dubs"
    done : how one that needs no more work is called: "finished"
    packages : whose versions run.json names besides those of every job
    """

    name: str
    records: Records[R]
    noun: str = "videos"
    done: str = "finished"
    packages: tuple[str, ...] = ()


def grouped(videos: Iterable[Video], key: str) -> dict[str, list[Video]]:
    """Videos by an attribute, which is a text."""
    out: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        out[getattr(video, key)].append(video)
    return dict(out)


class JobRun(ABC, Generic[Video, R]):
    """One run.

    Parameters
    ----------
    spec : the job
    ids : of the rows that were asked for, in the order of the table
    settings : what was asked for, as JSON values
    out : the run's folder, absolute

    Raises
    ------
    SettingsError : the folder is another job's, or another kind of training's; nothing in it is touched

    Attributes
    ----------
    context : who does the work
    active : id → video that has not ended
    ended : id → row of one that has
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
        self.context = RunContext(runner, workers, console, Ledger(self.url(_ATTEMPTS, self.id), workers.attempts))
        self.active: dict[str, Video] = {}
        self.ended: dict[str, R] = {}
        storage.remove(self.url(_ATTEMPTS))  # of a run whose driver died: its rows are not to blame

    @abstractmethod
    def row_of(self, video: Video, status: Any, **values: Any) -> R:
        """The row of a video, with all that is known of it."""

    def more(self) -> Mapping[str, Any]:
        """What this job's run.json says besides what every job's does."""
        return {}

    def url(self, *names: str) -> str:
        """A place in the run's folder."""
        return storage.join(self.out, *names)

    def say(self, line: str) -> None:
        """A line of the terminal and of the log."""
        _LOG.info("%s", line)
        self.context.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def by(self, key: str) -> dict[str, list[Video]]:
        """The videos under way, grouped by an attribute."""
        return grouped(self.active.values(), key)

    def keep(self, usable: Callable[[R], bool], inputs: Callable[[Video], Iterable[str | None]] = lambda _: ()) -> None:
        """Take what an earlier run ended under the same fingerprint for ended, and open the runner for what is left.

        Parameters
        ----------
        usable : whether what a record says still holds
        inputs : files that are read for a video, which every node has to see

        Raises
        ------
        ClusterError : the runner does not start, or one of its nodes does not see an input or the run's folder
        """
        prints = {name: video.fingerprint for name, video in self.active.items()}
        kept = self.spec.records.kept(self.out, prints, usable, self.spec.name)
        self.ended |= kept
        for name in kept:
            del self.active[name]
        if kept:
            self.say(f"{len(kept)} of {len(self.ids)} {self.spec.noun} were {self.spec.done} before")
        if self.active:
            read = (url for video in self.active.values() for url in inputs(video) if url)
            self.context.runner.open(chain([self.url(RUN_FILE)], read))

    def fail(self, video: Video, failure: Failure) -> None:
        """End a video with a reason; a second reason for the same one changes nothing."""
        if video.id not in self.active:
            return
        self.context.failures.tell(video.id, failure)
        self.end(self.row_of(video, "failed", stage=failure.stage, error=failure.reason))

    def end(self, row: R, recorded: bool = True) -> None:
        """Record what became of a row, its URLs as addresses; from here on a run that starts anew knows it.

        Parameters
        ----------
        recorded : else what an earlier run recorded of it stays, to be gone on from
        """
        row = addresses.cleaned(row)
        if recorded:
            self.spec.records.commit(self.out, row, self.spec.name)
        self.ended[row.id] = row
        self.active.pop(row.id, None)

    @property
    def rows(self) -> list[R]:
        """All rows, in the order of the table; each has ended."""
        return [self.ended[name] for name in self.ids]

    @property
    def seconds(self) -> float:
        """Wall time since the run began."""
        return time.time() - self.began

    def finish(self) -> str:
        """Write the table and close the run; the table's URL."""
        url = self.spec.records.write_table(self.out, self.rows)
        storage.remove(self.url(_ATTEMPTS))
        self.write(time.time())
        return url

    def write(self, ended: float | None = None) -> None:
        """Commit run.json: what was asked for, with what, and how it went."""
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
