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
from dataclasses import dataclass, replace

from lipsync_ray.errors import WorkerDiedError
from lipsync_ray.io import storage

_BLOCK = ".block"  # of the folder for a block's markers, after its first row's key


@dataclass(frozen=True)
class Ledger:
    """Markers at ``url/<key>/<stage>-<number>``.

    Attributes
    ----------
    url : folder of one run; empty: nothing is noted
    limit : deaths after which a row is given up
    earlier : processes that a row's block has ended before its rows were noted
    """

    url: str
    limit: int
    earlier: int = 0

    def begin(self, key: str, stage: str) -> Attempt:
        """Record that this process starts a row.

        Raises
        ------
        WorkerDiedError : the row has already ended `limit` processes in this stage
        """
        if not self.url:
            return Attempt(1, "")
        folder = storage.join(self.url, key)
        deaths = self._deaths(folder, stage)
        if deaths >= self.limit:
            deaths += self.earlier
            raise WorkerDiedError(
                f"gave up after {deaths} attempts: its worker process ended each time in stage {stage!r} "
                "(out of memory, or a crash inside a library)",
                deaths,
            )
        return Attempt(deaths + 1 + self.earlier, self._noted(folder, stage, deaths + 1))

    def begin_block(self, key: str, stage: str) -> Attempt:
        """Record that this process starts several rows, of which `key` is the first."""
        folder = storage.join(self.url, f"{key}{_BLOCK}")
        number = self._deaths(folder, stage) + 1
        return Attempt(number, self._noted(folder, stage, number))

    def for_rows(self, block: Attempt) -> Ledger:
        """The ledger for the rows of a block: they are noted one by one after the block has ended a process."""
        return replace(self, earlier=1) if block.number > 1 else replace(self, url="")

    def _deaths(self, folder: str, stage: str) -> int:
        return sum(name.startswith(f"{stage}-") for name in storage.list_names(folder))

    def _noted(self, folder: str, stage: str, number: int) -> str:
        marker = storage.join(folder, f"{stage}-{number}")
        note = {"pid": os.getpid(), "node": platform.node(), "time": time.time()}
        storage.commit_bytes(marker, json.dumps(note).encode())
        return marker


@dataclass(frozen=True)
class Attempt:
    """An attempt that has started.

    Attributes
    ----------
    number : 1 for the first
    marker : URL of its marker; empty if it is not noted
    """

    number: int
    marker: str

    def end(self) -> None:
        """Remove the marker: the process survived."""
        if self.marker:
            storage.remove(self.marker)
