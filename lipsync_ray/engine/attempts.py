"""The attempt ledger: how often a row has ended the process that worked on it.

Ray replaces a worker that dies and gives it the same row again, for ever (Ray Data's actor pools have no limit of
restarts). A marker in storage is written when a stage begins a row and removed when it ends it, well or not; one that is
left behind is a death. Attempts belong to one run: a row whose driver died is not to blame.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass

from lipsync_ray.errors import WorkerDiedError
from lipsync_ray.io import storage


@dataclass(frozen=True)
class Ledger:
    """Markers at ``url/<key>/<stage>-<number>``.

    Attributes
    ----------
    url : a folder of one run
    limit : deaths after which a row is given up
    """

    url: str
    limit: int

    def begin(self, key: str, stage: str) -> Attempt:
        """Note that this process begins a row.

        Raises
        ------
        WorkerDiedError : it has already ended `limit` processes in this stage
        """
        folder = storage.join(self.url, key)
        deaths = sum(name.startswith(f"{stage}-") for name in storage.list_names(folder))
        if deaths >= self.limit:
            raise WorkerDiedError(
                f"gave up after {deaths} attempts: its worker process ended each time in stage {stage!r} "
                "(out of memory, or a crash inside a library)",
                deaths,
            )
        marker = storage.join(folder, f"{stage}-{deaths + 1}")
        note = {"pid": os.getpid(), "node": platform.node(), "time": time.time()}
        storage.commit_bytes(marker, json.dumps(note).encode())
        return Attempt(deaths + 1, marker)


@dataclass(frozen=True)
class Attempt:
    """One begun attempt.

    Attributes
    ----------
    number : 1 for the first
    marker : its note in storage
    """

    number: int
    marker: str

    def end(self) -> None:
        """The process has survived it."""
        storage.remove(self.marker)
