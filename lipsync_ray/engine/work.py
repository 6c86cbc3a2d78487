"""One pass of a job: rows through stages, and what they belong to put together as soon as it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lipsync_ray.engine import flow
from lipsync_ray.engine.crew import Crew
from lipsync_ray.engine.progress import Phase
from lipsync_ray.engine.rows import Failure, Keyed, Outcome, StageSpec
from lipsync_ray.engine.tasks import Tasks

Order = TypeVar("Order")
Made = TypeVar("Made")


def work_off(
    crew: Crew,
    name: str,
    rows: Sequence[Keyed],
    sizes: dict[str, int],
    stages: Sequence[StageSpec],
    take: Callable[[Outcome], None],
    joining: Tasks[Order, Made],
    joined: Callable[[Iterator[tuple[Order, Made | Failure]]], Any],
) -> None:
    """Run a pass to its end.

    Parameters
    ----------
    name : of the pass, for its progress line
    sizes : key → frames of each row
    take : told of every row that has ended; submits to `joining` what is complete
    joining : puts things together
    joined : told what has been put together
    """
    with Phase(crew.console, name, len(rows), sum(sizes.values())) as phase:
        for outcome in flow.run(rows, stages, crew.ledger):
            phase.advance(sizes[outcome.key], outcome.failure is not None)
            take(outcome)
            joined(joining.finished())
        joined(joining.finished(wait=True))
