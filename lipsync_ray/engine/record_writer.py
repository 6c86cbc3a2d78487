"""Commits the records of rows that have ended, in a thread, so that the driver does not wait for storage. Rows of a second share a block.

A row's record is committed before anything is removed that was needed to make it. If the driver dies, rows of about its last second have
no record: the next run completes them from their committed parts.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lipsync_ray.io import outcomes, storage
from lipsync_ray.io.records import Records, Row
from lipsync_ray.io.removal import remove_files

GATHER_S = 1.0  # between two blocks

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class _Ended(Generic[R]):
    row: R
    leftovers: tuple[str, ...]


class RecordWriter(Generic[R]):
    """The thread begins with the first row. Blocks of a run are numbered after those that are there.

    Parameters
    ----------
    out : the run's folder; no other run may work there
    records : of the job
    job : its name
    """

    def __init__(self, out: str, records: Records[R], job: str) -> None:
        self._out, self._records, self._job = out, records, job
        self._waiting: list[_Ended[R]] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._broken: BaseException | None = None
        self._thread: threading.Thread | None = None

    def add(self, row: R, leftovers: Sequence[str] = ()) -> None:
        """Commit a row's record soon.

        Parameters
        ----------
        leftovers : URLs of files that are removed afterwards

        Raises
        ------
        LipsyncError, OSError : an earlier record could not be committed
        """
        self._check()
        with self._changed:
            self._waiting.append(_Ended(row, tuple(leftovers)))
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="records", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait until every record is committed; :meth:`add` may be called again.

        Raises
        ------
        LipsyncError, OSError : a record could not be committed
        """
        if self._thread is not None:
            self._closing.set()
            with self._changed:
                self._changed.notify()
            self._thread.join()
            self._thread = None
            self._closing.clear()
        self._check()

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _work(self) -> None:
        try:
            self._commit_all()
        except BaseException as error:
            self._broken = error

    def _commit_all(self) -> None:
        blocks, merged = outcomes.blocks_of(storage.list_names(storage.join(self._out, outcomes.FOLDER)))
        outcomes.remove(self._out, merged)  # left by a run that was killed
        while ended := self._next():
            number = blocks[-1].last + 1 if blocks else 0
            blocks.append(self._records.commit(self._out, number, [one.row for one in ended], self._job))
            remove_files(url for one in ended for url in one.leftovers)
            while due := outcomes.due(blocks):
                place = blocks.index(due[0])
                blocks[place : place + len(due)] = [self._records.merge(self._out, due)]
            self._closing.wait(GATHER_S)

    def _next(self) -> list[_Ended[R]]:
        """Rows that have ended since the last call; none when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing.is_set())
            ended, self._waiting = self._waiting, []
        return ended
