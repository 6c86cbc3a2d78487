"""Executions of Ray Data, and how they are stopped from outside: Ray itself offers no way.

An execution has a thread of its own, which asks Ray for what has come, ten times a second. Ray Data calls :class:`Watch`
in each of these turns; what it raises ends the execution, and with it the thread that takes its blocks.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lipsync_ray.engine.flows import PATIENCE_S

_KEY = "lipsync_ray_execution"
_NUMBERS = itertools.count()
_OPEN: dict[int, Execution] = {}
_PREPARED: dict[int, Sequence[str]] = {}
PREPARING = {"CPU": 1.0}  # what the tasks ask for by which Ray Data takes its rows in


class ExecutionStoppedError(Exception):
    """An execution was stopped on purpose."""


class Execution:
    """One that is under way.

    Parameters
    ----------
    stop : set, when it is to end
    pools : names of its pools of actors, in their order

    Attributes
    ----------
    idle : pools that are not done and have no actor that is up
    """

    def __init__(self, stop: threading.Event, pools: Sequence[str] = ()) -> None:
        self._stop, self._pools = stop, pools
        self.idle: list[str] = []
        self._over = threading.Event()  # nobody takes its blocks any more
        self._blocks: Generator[Any] | None = None
        self.executor: Any = None

    def look(self) -> None:
        """Note which pools have no actor that is up."""
        operators = [each for each in self.executor._topology if type(each).__name__ == "ActorPoolMapOperator"]
        self.idle = [
            name
            for name, each in zip(self._pools, operators, strict=False)
            if not each.get_actor_info().running and not each.has_completed()
        ]

    def check(self) -> None:
        """Go on.

        Raises
        ------
        ExecutionStoppedError : it is to end
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
        # Not iter_batches: it has threads of its own, which still ask Ray for something when the iteration has been left.
        import ray

        try:
            for bundle in dataset.iter_internal_ref_bundles():
                for reference in bundle.block_refs:
                    yield ray.get(reference)
        finally:
            if self.executor is not None:
                self._stop.set()
                self.executor.join(PATIENCE_S)
                self.executor.shutdown(force=False)
            self._over.set()

    def end(self) -> None:
        """Stop it and wait for its threads, at most :data:`~lipsync_ray.engine.flows.PATIENCE_S` for each."""
        self._stop.set()
        try:
            if self._blocks is not None:
                self._blocks.close()  # left by who took them
        except ValueError:  # its thread waits for the next one, which does not come
            self._over.wait(PATIENCE_S)


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
            self._execution.look()

    def after_execution_succeeds(self, executor: Any) -> None:
        pass

    def after_execution_fails(self, executor: Any, error: Exception) -> None:
        pass


@contextmanager
def execution(dataset: Any, stop: threading.Event, pools: Sequence[str]) -> Iterator[Execution]:
    """An execution of a dataset, which is ended with the block."""
    number = next(_NUMBERS)
    dataset.context.set_config(_KEY, number)
    dataset.context.custom_execution_callback_classes = [Watch]
    one = _OPEN[number] = Execution(stop, pools)
    try:
        yield one
    finally:
        one.end()  # what holds its blocks is a circle, which Python would not free before Ray has shut down
        del _OPEN[number]


def end_all() -> None:
    """End every execution that is left, those among them whose blocks nobody takes any more."""
    for one in list(_OPEN.values()):
        one.end()


@contextmanager
def preparing(pools: Sequence[str]) -> Iterator[None]:
    """For the block in which Ray Data takes the rows for these pools in: it waits for a CPU."""
    number = next(_NUMBERS)
    _PREPARED[number] = pools
    try:
        yield
    finally:
        del _PREPARED[number]


def prepared() -> int:
    """How many datasets are being taken in."""
    return len(_PREPARED)


def idle() -> list[str] | None:
    """Pools that have rows and no actor that is up; None where nothing is executed."""
    there = [one.idle for one in list(_OPEN.values())] + [list(pools) for pools in list(_PREPARED.values())]
    return [name for names in there for name in names] if there else None
