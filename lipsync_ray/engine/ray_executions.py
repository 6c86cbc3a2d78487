"""Executions of Ray Data that can be stopped from outside, which Ray itself does not offer.

An execution polls Ray ten times a second in its own thread. Ray Data calls :class:`Watch` in each poll. An exception
raised there ends the execution, and with it the thread that reads its blocks.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lipsync_ray.engine.flows import JOIN_TIMEOUT_S

_KEY = "lipsync_ray_execution"
_NUMBERS = itertools.count()
_OPEN: dict[int, Execution] = {}
_PREPARED: dict[int, Sequence[str]] = {}
PREPARING = {"CPU": 1.0}  # what Ray Data's tasks that load the rows reserve


class ExecutionStoppedError(Exception):
    """The execution was stopped on purpose."""


class Execution:
    """An execution that is running.

    Parameters
    ----------
    stop : set to end it
    pools : names of its actor pools, in order

    Attributes
    ----------
    idle : unfinished pools without a running actor
    """

    def __init__(self, stop: threading.Event, pools: Sequence[str] = ()) -> None:
        self._stop, self._pools = stop, pools
        self.idle: list[str] = []
        self._over = threading.Event()  # its blocks are no longer read
        self._blocks: Generator[Any] | None = None
        self.executor: Any = None

    def update_idle(self) -> None:
        """Update :attr:`idle`."""
        operators = [each for each in self.executor._topology if type(each).__name__ == "ActorPoolMapOperator"]
        self.idle = [
            name
            for name, each in zip(self._pools, operators, strict=False)
            if not each.get_actor_info().running and not each.has_completed()
        ]

    def check(self) -> None:
        """Return while the execution should go on.

        Raises
        ------
        ExecutionStoppedError : it should end
        """
        if self._stop.is_set():
            raise ExecutionStoppedError

    def blocks(self, dataset: Any) -> Iterator[Any]:
        """The dataset's blocks as they come.

        Raises
        ------
        ExecutionStoppedError : it was stopped
        """
        self._blocks = blocks = self._gotten(dataset)
        return blocks

    def _gotten(self, dataset: Any) -> Generator[Any]:
        # Not iter_batches: its own threads still query Ray after the iteration has been left.
        import ray

        try:
            for bundle in dataset.iter_internal_ref_bundles():
                for reference in bundle.block_refs:
                    yield ray.get(reference)
        finally:
            if self.executor is not None:
                self._stop.set()
                self.executor.join(JOIN_TIMEOUT_S)
                self.executor.shutdown(force=False)
            self._over.set()

    def end(self) -> None:
        """Stop it and wait for its threads, at most :data:`~lipsync_ray.engine.flows.PATIENCE_S` for each."""
        self._stop.set()
        try:
            if self._blocks is not None:
                self._blocks.close()  # no longer read
        except ValueError:  # its thread still waits for the next block
            self._over.wait(JOIN_TIMEOUT_S)


class Watch:
    """Called by Ray Data while it executes a dataset (its ``ExecutionCallback``)."""

    def before_execution_starts(self, executor: Any) -> None:
        self._execution = _OPEN.get(executor._data_context.get_config(_KEY))
        if self._execution is not None:
            self._execution.executor = executor
            self._execution.check()

    def on_execution_step(self, executor: Any) -> None:
        if self._execution is not None:
            self._execution.check()
            self._execution.update_idle()

    def after_execution_succeeds(self, executor: Any) -> None:
        pass

    def after_execution_fails(self, executor: Any, error: Exception) -> None:
        pass


@contextmanager
def execution(dataset: Any, stop: threading.Event, pools: Sequence[str]) -> Iterator[Execution]:
    """Register an execution of a dataset; it ends with the block."""
    number = next(_NUMBERS)
    dataset.context.set_config(_KEY, number)
    dataset.context.custom_execution_callback_classes = [Watch]
    one = _OPEN[number] = Execution(stop, pools)
    try:
        yield one
    finally:
        one.end()  # its blocks are in a reference cycle, which Python would free only after Ray has shut down
        del _OPEN[number]


def end_all() -> None:
    """End every remaining execution, including those whose blocks are no longer read."""
    for one in list(_OPEN.values()):
        one.end()


@contextmanager
def preparing(pools: Sequence[str]) -> Iterator[None]:
    """Register these pools while Ray Data loads their rows, which waits for a CPU."""
    number = next(_NUMBERS)
    _PREPARED[number] = pools
    try:
        yield
    finally:
        del _PREPARED[number]


def prepared() -> int:
    """How many datasets are being loaded."""
    return len(_PREPARED)


def idle() -> list[str] | None:
    """Pools that have rows and no running actor; None if nothing is being executed."""
    there = [one.idle for one in list(_OPEN.values())] + [list(pools) for pools in list(_PREPARED.values())]
    return [name for names in there for name in names] if there else None
