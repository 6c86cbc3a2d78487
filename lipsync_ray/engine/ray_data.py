"""Runs rows through stages on Ray Data and yields outcomes as they come.

A block, which is one batch, has one row or several neighbouring ones: first descriptions, later with crops. Rows and
outcomes travel pickled in one binary column, because the shapes of their arrays differ between rows.
"""

from __future__ import annotations

import pickle
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.feed import RayFeed, RowSlot
from lipsync_ray.engine.ray_attempts import RayAttempts
from lipsync_ray.engine.ray_executions import ExecutionStoppedError, execution, preparing
from lipsync_ray.engine.stages import ENGINE, Failure, Keyed, Outcome, StageSpec, build_stage, pools, run_stages
from lipsync_ray.engine.startup_barrier import StartupBarrier
from lipsync_ray.errors import LipsyncError

COLUMN = "row"
# Ray's guard against a pipeline that hangs. Its default of 30 minutes ends runs that wait for a GPU node to start.
NO_PROGRESS_S = 4 * 3600
INIT_DEATHS = (
    3  # consecutive deaths of a stage's actors while they load, before Ray gives up (Ray's default: unlimited)
)
# Limit of what waits for a stage, relative to what it has in work. Without it a cheap stage runs ahead of an expensive
# one over the whole video: 229 MiB of crops for ten minutes, where 54 suffice.
RUN_AHEAD = 0.5
# Rows in flight per actor. On a GPU a row takes less time than the next one's arrival: one in work, one waiting. On a
# CPU a row takes a second, and a waiting one only uses memory.
IN_FLIGHT_GPU, IN_FLIGHT_CPU = 2, 1


# The node label to prefer, and the fallback if no node of the cluster has it.
_SPOT_FIRST = {"label_selector": {"ray.io/market-type": "spot"}, "fallback_strategy": [{"label_selector": {}}]}

_NOTHING = Failure("", "a slot for which no row came")


class FlowError(LipsyncError):
    """Ray has given up a pipeline."""


class _StageActor:
    """An actor of a pool: builds its stages once, then runs them on one block at a time.

    Parameters
    ----------
    specs : consecutive stages that share the process; each keeps its own name in the ledger and in the timings
    awaited : stages that must have a loaded actor before this one starts its first row
    feed : for the first stage, if its rows are not known yet
    """

    def __init__(
        self,
        specs: Sequence[StageSpec],
        ledger: Ledger,
        barrier: StartupBarrier | None,
        awaited: tuple[str, ...],
        feed: RayFeed | None,
    ) -> None:
        self._ledger, self._barrier, self._awaited, self._feed = ledger, barrier, awaited, feed
        self._stages = [(spec.name, build_stage(spec)) for spec in specs]
        if barrier is not None:
            barrier.arrive(specs[0].name)

    def __call__(self, batch: pa.Table) -> pa.Table:
        if self._awaited and self._barrier is not None:
            self._barrier.wait_for(self._awaited, NO_PROGRESS_S)
            self._awaited = ()
        outcomes = _opened(batch)
        if self._feed is not None and isinstance(outcomes[0].value, RowSlot):
            rows = self._feed.rows_for(outcomes[0].value)
            empty = replace(outcomes[0], value=None, failure=_NOTHING)
            outcomes = [Outcome(row.key, row) for row in rows] or [empty]
        return _closed(run_stages(self._stages, outcomes, self._ledger, time.process_time))


def run(
    rows: Sequence[Keyed],
    stages: Sequence[StageSpec],
    ledger: Ledger,
    stop: threading.Event | None = None,
    together: int = 1,
) -> Iterator[Outcome]:
    """Run every row through the stages; yield outcomes in the order in which they end.

    A session must be open (:func:`lipsync_ray.engine.session.session`).

    Parameters
    ----------
    stop : when set, no more outcomes come
    together : rows in a block
    """
    left = {row.key for row in rows}
    try:
        blocks = [rows[first : first + together] for first in range(0, len(rows), together)]
        for outcome in _outcomes(blocks, stages, ledger, None, stop or threading.Event()):
            left.discard(outcome.key)
            yield outcome
    except FlowError as error:
        lost = Failure(ENGINE, str(error), traceback.format_exc())
        for key in sorted(left):
            yield Outcome(key, None, lost)


def run_fed(
    feed: RayFeed,
    most: int,
    stages: Sequence[StageSpec],
    ledger: Ledger,
    stop: threading.Event | None = None,
    together: int = 1,
) -> Iterator[Outcome]:
    """Run rows through the stages that become known while the pipeline runs.

    Parameters
    ----------
    feed : hands out the rows; closed by its producer
    most : largest number of rows
    stop : when set, no more outcomes come
    together : usual number of rows in a block; blocks may have twice as many

    Raises
    ------
    FlowError : Ray has given up; the remaining outcomes are lost
    """
    count, largest = -(-most // together), 1 if together == 1 else 2 * together
    slots = [[RowSlot(number, count, most, largest)] for number in range(count)]
    outcomes = _outcomes(slots, stages, ledger, feed, stop or threading.Event())
    return (outcome for outcome in outcomes if outcome.failure != _NOTHING)


def _outcomes(
    rows: Sequence[Sequence[Keyed]],
    stages: Sequence[StageSpec],
    ledger: Ledger,
    feed: RayFeed | None,
    stop: threading.Event,
) -> Iterator[Outcome]:
    import ray
    import ray.data.exceptions
    from ray.data import ActorPoolStrategy, DataContext

    blocks = [_closed([Outcome(row.key, row) for row in some]) for some in rows]
    if not blocks:
        return
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = NO_PROGRESS_S
    context.max_consecutive_actor_init_deaths = INIT_DEATHS
    context.downstream_capacity_backpressure_ratio = RUN_AHEAD
    groups = pools(stages)
    ledger = replace(ledger, attempts=RayAttempts())
    # A single pool needs no barrier, whose actor would be one more process to start.
    barrier = None if len(groups) == 1 else feed.barrier() if feed is not None else StartupBarrier()
    names = ["/".join(stage.name for stage in group) for group in groups]
    with preparing(names):
        dataset: Any = ray.data.from_arrow(blocks)
    for number, group in enumerate(groups):
        # Without the barrier the first stage would run over the whole video while the others load. Ray can wait for one
        # pool before it starts the next; here all load at the same time.
        awaited = tuple(later[0].name for later in groups[1:]) if number == 0 else ()
        size = max(stage.workers for stage in group)
        gpus = max(stage.gpus for stage in group)
        # Actors for every stage, also for one that loads nothing: Ray ends a task's process a second after it falls
        # idle, and the imports of a new one cost seconds of CPU for each row.
        dataset = dataset.map_batches(
            _StageActor,
            fn_constructor_args=(group, ledger, barrier, awaited, feed if number == 0 else None),
            batch_size=None,  # a block
            batch_format="pyarrow",
            num_cpus=sum(stage.workers * stage.cpus for stage in group) / size,
            num_gpus=gpus or None,
            **(_SPOT_FIRST if group[0].spot else {}),
            compute=ActorPoolStrategy(
                # A pool that may shrink would shrink while it waits for its first row, and not grow again.
                size=min(size, len(blocks)),
                max_tasks_in_flight_per_actor=IN_FLIGHT_GPU if gpus else IN_FLIGHT_CPU,
            ),
        )
    try:
        with execution(dataset, stop, names) as under_way:
            for block in under_way.blocks(dataset):
                for item in block[COLUMN]:
                    yield pickle.loads(item.as_buffer())
    except ExecutionStoppedError:
        return
    except (ray.exceptions.RayError, ray.data.exceptions.RayDataUserCodeException) as error:
        raise FlowError(f"Ray gave up the pass: {_last_line(error)}") from error


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hint = next((number for number, line in enumerate(lines) if line.startswith("To change retry")), len(lines))
    lines = lines[:hint] or lines  # without Ray's advice to its users
    return lines[-1] if lines else type(error).__name__


def _closed(outcomes: list[Outcome]) -> pa.Table:
    packed = [pickle.dumps(outcome, protocol=pickle.HIGHEST_PROTOCOL) for outcome in outcomes]
    return pa.table({COLUMN: pa.array(packed, pa.large_binary())})


def _opened(batch: pa.Table) -> list[Outcome]:
    return [pickle.loads(item.as_buffer()) for item in batch[COLUMN]]
