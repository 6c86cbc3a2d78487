"""The attempt ledger: counts how often a row has crashed the process that worked on it.

Ray replaces a dead worker and retries the same row without limit (Ray Data's actor pools have no limit of restarts). A
stage writes a marker to storage before it works on a row and removes it afterwards, whether the row succeeded or
failed. A marker that is left behind counts as a death. Attempts belong to one run: the death of a driver is not charged
to a row.
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
    url : folder of one run
    limit : deaths after which a row is given up
    """

    url: str
    limit: int

    def begin(self, key: str, stage: str) -> Attempt:
        """Record that this process starts a row.

        Raises
        ------
        WorkerDiedError : the row has already ended `limit` processes in this stage
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
    """An attempt that has started.

    Attributes
    ----------
    number : 1 for the first
    marker : URL of its marker
    """

    number: int
    marker: str

    def end(self) -> None:
        """Remove the marker: the process survived."""
        storage.remove(self.marker)
