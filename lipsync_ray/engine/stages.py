"""What travels through a flow, and one stage's turn at it. Plain Python: a test needs no Ray."""

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
ENGINE = (
    "engine"  # the stage of rows that did not come back since what takes them through stages broke; no row is to blame
)


class Keyed(Protocol):
    """A row of work: anything with a key that is unique in its flow and safe in a file name."""

    @property
    def key(self) -> str: ...


Stage = Callable[[Any], Any]
"""Takes what the stage before it returned (the first one: the row) and returns what the next one takes."""


@dataclass(frozen=True)
class StageSpec:
    """A stage of a flow.

    Attributes
    ----------
    name : short, for messages and timings
    make : builds the stage in its worker, loading what it keeps loaded; must be picklable
    workers : processes
    cpus, gpus : what Ray reserves for each
    shares : its processes may be those of its neighbours too
    spot : they are to be on spot nodes, where there are any
    """

    name: str
    make: Callable[[], Stage]
    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    shares: bool = False
    spot: bool = False


def pools(stages: Sequence[StageSpec]) -> list[tuple[StageSpec, ...]]:
    """The stages, those together that share their processes: neighbours that may, and need no GPU."""
    together = groupby(enumerate(stages), key=lambda at: -1 if at[1].shares and not at[1].gpus else at[0])
    return [tuple(stage for _, stage in group) for _, group in together]


@dataclass(frozen=True)
class Failure:
    """Why a row ended early.

    Attributes
    ----------
    stage : where
    reason : one line, for the results table
    detail : the traceback where the reason was not expected, else empty

    URLs in them are without passwords, signatures and tokens.
    """

    stage: str
    reason: str
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", addresses.without_secrets(self.reason))
        object.__setattr__(self, "detail", addresses.without_secrets(self.detail))


@dataclass(frozen=True)
class Outcome:
    """A row on its way, and in the end what became of it.

    Attributes
    ----------
    key : the row's
    value : what the last stage returned; None after a failure
    failure : None where all went well
    seconds : stage → seconds of work
    cpu : stage → CPU seconds, of all its threads, where the process has nothing else to do
    fetched : bytes that were read from object stores
    attempts : most processes that any stage needed
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
    """Run one stage on one row. Every exception becomes the row's failure; a lost GPU ends the process.

    A failed row passes through. A retryable error is tried again here, a few times.

    Parameters
    ----------
    clock : of CPU seconds, where what this process spends meanwhile is the stage's
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


def _end_process(name: str, key: str, error: Exception) -> NoReturn:
    """Its CUDA context is broken for good, and only a new process gets another (ray#60145).

    The attempt stays begun in the ledger, so that a row that breaks every GPU is given up like one that kills.
    """
    said = str(error).splitlines()[0]
    print(
        f"{name}: the GPU was lost at {key} ({said}). Another process has to go on: Ray starts one; without Ray, give "
        "the same command again.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)


def build_stage(spec: StageSpec) -> Stage:
    """The spec's stage; one that fails each row with the reason, where it cannot be made.

    A constructor's exception would end the whole flow (and be tried again first): a broken checkpoint on one node is
    a reason for the rows that came there, and the run still ends with a results table.
    """
    try:
        return spec.make()
    except LipsyncError as error:
        said, detail = str(error), error.detail
    except Exception as error:
        said, detail = f"{type(error).__name__}: {error}".splitlines()[0], traceback.format_exc()

    def refuse(value: Any) -> Any:
        refusal = StageError(f"{spec.name} cannot start: {said}")
        refusal.detail = detail
        raise refusal

    return refuse


def guarded(name: str, function: Callable[[Any], Any], item: Any) -> Any:
    """What a small job returns, or the Failure of what it raises."""
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
