"""Outcomes that travel through a pipeline, and how one stage processes one. Plain Python: tests need no Ray."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NoReturn, Protocol

from lipsync_ray import addresses
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.errors import LipsyncError, StageError
from lipsync_ray.io import bytes_read

RETRIES = 3
PAUSE_S = 2.0
ENGINE = "engine"  # stage of rows that are lost because the engine failed, not because of the row


class Keyed(Protocol):
    """A row of work: has a key that is unique in its pipeline and safe in a file name."""

    @property
    def key(self) -> str: ...


Stage = Callable[[Any], Any]
"""Maps the previous stage's result (for the first stage: the row) to the next stage's input."""


@dataclass(frozen=True)
class StageSpec:
    """A stage of a pipeline.

    Attributes
    ----------
    name : short, for messages and timings
    make : builds the stage in its worker and loads its network; must be picklable
    workers : processes
    cpus, gpus : reserved by Ray for each process
    shares : it may share its processes with the stages before and after it
    spot : prefer spot nodes for its processes
    frame_bytes : size of what it passes on for each frame of a row
    """

    name: str
    make: Callable[[], Stage]
    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    shares: bool = False
    spot: bool = False
    frame_bytes: int = 0


def pools(stages: Sequence[StageSpec]) -> list[tuple[StageSpec, ...]]:
    """Group the stages into pools: consecutive stages that may share processes and need no GPU share one."""
    together = groupby(enumerate(stages), key=lambda at: -1 if at[1].shares and not at[1].gpus else at[0])
    return [tuple(stage for _, stage in group) for _, group in together]


@dataclass(frozen=True)
class Failure:
    """Why a row ended early.

    Attributes
    ----------
    stage : name of the stage that failed
    reason : one line, for the results table
    detail : traceback of an unexpected error, else empty

    Passwords, signatures and tokens are removed from URLs in both texts.
    """

    stage: str
    reason: str
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", addresses.without_secrets(self.reason))
        object.__setattr__(self, "detail", addresses.without_secrets(self.detail))


@dataclass(frozen=True)
class Outcome:
    """A row in the pipeline, and finally its result.

    Attributes
    ----------
    key : of the row
    value : what the last stage returned; None after a failure
    failure : None after success
    seconds : stage → seconds of work
    cpu : stage → CPU seconds of all its threads, where the process does nothing else
    fetched : bytes read from object stores
    attempts : largest number of processes that a stage needed
    """

    key: str
    value: Any
    failure: Failure | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    attempts: int = 1
    fetched: int = 0
    cpu: dict[str, float] = field(default_factory=dict)


def run_stage(
    name: str, stage: Stage, outcome: Outcome, ledger: Ledger, clock: Callable[[], float] | None = None
) -> Outcome:
    """Run one stage on one row. Every exception becomes the row's failure. A lost GPU ends the process.

    A failed row passes through unchanged. A retryable error is retried up to :data:`RETRIES` times.

    Parameters
    ----------
    clock : returns CPU seconds, where this process does nothing but the stage
    """
    if outcome.failure is not None:
        return outcome
    began, before = time.perf_counter(), bytes_read.total()
    started = clock() if clock is not None else 0.0
    attempts = outcome.attempts
    try:
        attempt = ledger.begin(outcome.key, name)
        attempts = max(attempts, attempt.number)
        try:
            value = _retry(stage, outcome.value)
        except Exception as error:
            if _device_lost(error):
                _end_process(name, outcome.key, error)
            raise
        finally:
            attempt.end()
        failure = None
    except LipsyncError as error:
        value, failure = None, Failure(name, str(error), error.detail)
        attempts = max(attempts, getattr(error, "attempts", 1))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        value, failure = None, Failure(name, reason, traceback.format_exc())
    seconds = {**outcome.seconds, name: time.perf_counter() - began}
    cpu = {**outcome.cpu, name: clock() - started} if clock is not None else outcome.cpu
    read = outcome.fetched + bytes_read.total() - before
    return replace(outcome, value=value, failure=failure, seconds=seconds, cpu=cpu, attempts=attempts, fetched=read)


def run_stages(
    stages: Sequence[tuple[str, Stage]],
    outcomes: Sequence[Outcome],
    ledger: Ledger,
    clock: Callable[[], float] | None = None,
) -> list[Outcome]:
    """Run consecutive stages on the rows of a block, one row after another.

    The rows of a block are one attempt. After a crash each is its own, which shows the row that causes it.
    """
    attempt = ledger.begin_block(outcomes[0].key, stages[0][0]) if len(outcomes) > 1 else None
    of_row = ledger if attempt is None else ledger.for_rows(attempt)
    out = []
    for outcome in outcomes:
        for name, stage in stages:
            outcome = run_stage(name, stage, outcome, of_row, clock)
        out.append(outcome)
    if attempt is not None:
        attempt.end()
    return out


def _end_process(name: str, key: str, error: Exception) -> NoReturn:
    """End the process: its CUDA context is broken, and only a new process gets a working one (ray#60145).

    The attempt stays open in the ledger, so a row that breaks every GPU is given up like one that crashes the process.
    """
    message = str(error).splitlines()[0]
    print(
        f"{name}: the GPU was lost at {key} ({message}). A new process is needed: Ray starts one; without Ray, run "
        "the same command again.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)


def build_stage(spec: StageSpec) -> Stage:
    """Build the spec's stage. If that fails, return a stage that fails each row with the reason.

    An exception in an actor's constructor would end the whole pipeline after retries. This way a broken checkpoint on
    one node fails the rows on that node, and the run still ends with a results table.
    """
    try:
        return spec.make()
    except LipsyncError as error:
        message, detail = str(error), error.detail
    except Exception as error:
        message, detail = f"{type(error).__name__}: {error}".splitlines()[0], traceback.format_exc()

    def refuse(value: Any) -> Any:
        refusal = StageError(f"{spec.name} cannot start: {message}")
        refusal.detail = detail
        raise refusal

    return refuse


def guarded(name: str, function: Callable[[Any], Any], item: Any) -> Any:
    """Return the function's result, or a Failure with the exception it raised."""
    try:
        return function(item)
    except LipsyncError as error:
        return Failure(name, str(error), error.detail)
    except Exception as error:
        return Failure(name, f"{type(error).__name__}: {error}".splitlines()[0], traceback.format_exc())


def _retry(stage: Stage, value: Any) -> Any:
    for _ in range(RETRIES - 1):
        try:
            return stage(value)
        except LipsyncError as error:
            if not error.retryable:
                raise
            time.sleep(PAUSE_S)
    return stage(value)


def _device_lost(error: Exception) -> bool:
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error)
