"""What a run waits for while nothing moves: CPUs or GPUs that others hold, memory, processes that load.

Plain functions over what a cluster looks like; :mod:`lipsync_ray.engine.ray_sight` looks at one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from lipsync_ray.engine.progress import passes_of

STILL_S = 20.0  # without a row that ends, before anybody looks
AGAIN_S = 60.0  # between two lines
_LOOK_EVERY_S = 5.0
_NAMES = {"CPU": "CPUs", "GPU": "GPUs", "memory": "bytes of memory"}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ask:
    """Processes that have no place yet.

    Attributes
    ----------
    needs : resource → what each asks for
    count : number of them
    """

    needs: Mapping[str, float]
    count: int = 1


@dataclass(frozen=True)
class Node:
    """A machine of a cluster.

    Attributes
    ----------
    total, free : resource → amount
    """

    total: Mapping[str, float]
    free: Mapping[str, float]


@dataclass(frozen=True)
class Sight:
    """What a cluster looks like from a run.

    Attributes
    ----------
    asks : of this run
    nodes : that are alive
    others : name of other programs' actors → what they hold of each resource
    idle : stages that have rows and no process that is up; None where no stage has rows
    loading : processes of this run that have a place and are not up yet
    killed : name of a node → processes of this run that Ray has ended there because memory was short
    """

    asks: Sequence[Ask] = ()
    nodes: Sequence[Node] = ()
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    idle: Sequence[str] | None = None
    loading: int = 0
    killed: Mapping[str, int] = field(default_factory=dict)


def reason(sight: Sight, killed_before: Mapping[str, int]) -> str:
    """What a run waits for, in which nothing has moved for a while; empty where it works.

    Parameters
    ----------
    killed_before : as `killed`, when something moved last
    """
    said = []
    for node, count in sorted(sight.killed.items()):
        if count > killed_before.get(node, 0):
            said.append(
                f"for memory on {node}: Ray has ended {_counted(count, 'process', 'processes')} of this run there, to keep the "
                "node's memory below RAY_memory_usage_threshold"
            )
    if sight.idle is None or sight.idle:
        stages = f" of {', '.join(sight.idle)}" if sight.idle else ""
        asks = [ask for ask in sight.asks if not any(_fits(ask.needs, node.free) for node in sight.nodes)]
        if asks:
            said.append(_for_resources(asks, sight, stages))
        elif sight.loading:
            said.append(f"for {_counted(sight.loading, 'process', 'processes')}{stages} to load")
        elif sight.asks:
            count = sum(ask.count for ask in sight.asks)
            said.append(f"for {_counted(count, 'process', 'processes')}{stages} to start")
    return f"waiting {', and '.join(said)}" if said else ""


def missing(needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> str:
    """Why none of these nodes, empty, could ever hold a process; empty where one could."""
    if any(_fits(needs, node) for node in nodes):
        return ""
    for name, amount in needs.items():
        most = max((node.get(name, 0.0) for node in nodes), default=0.0)
        if most < amount:
            return f"{amount:g} {_named(name)} are asked for, no node has more than {most:g}"
    return f"no node has {_needed(needs)} together"


def _for_resources(asks: Sequence[Ask], sight: Sight, stages: str) -> str:
    first = max(asks, key=lambda ask: ask.count)
    count = sum(ask.count for ask in asks)
    short = [name for name, need in first.needs.items() if not any(n.free.get(name, 0.0) >= need for n in sight.nodes)]
    short = short or list(first.needs)
    free = ", ".join(
        f"{sum(n.free.get(name, 0.0) for n in sight.nodes):g} of {sum(n.total.get(name, 0.0) for n in sight.nodes):g} "
        f"{_named(name)} are free"
        for name in short
    )
    held = [
        f"{name} {sum(holds.get(r, 0.0) for r in short):g}"
        for name, holds in sorted(sight.others.items())
        if any(holds.get(r, 0.0) for r in short)
    ]
    never = missing(first.needs, [node.total for node in sight.nodes])
    return (
        f"for {' and '.join(map(_named, short))}: {_counted(count, 'process has', 'processes have')} no place"
        f"{' (' + stages.strip() + ')' if stages else ''}, {'it asks' if count == 1 else 'each asks'} for {_needed(first.needs)}"
        f"; {free}{'; other programs hold ' + ', '.join(held) if held else ''}{'; ' + never if never else ''}"
    )


def _fits(needs: Mapping[str, float], free: Mapping[str, float]) -> bool:
    return all(free.get(name, 0.0) >= amount - 1e-6 for name, amount in needs.items())


def _named(resource: str) -> str:
    return _NAMES.get(resource, resource)


def _needed(needs: Mapping[str, float]) -> str:
    return " and ".join(f"{amount:.3g} {_named(name)}" for name, amount in needs.items()) or "nothing"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


class Waiting:
    """Tells what a run waits for: a line of the terminal and of the log, once a minute while nothing moves.

    Parameters
    ----------
    console : whose passes tell whether something moves
    look : at the cluster; None where there is none, or it cannot be looked at
    """

    def __init__(self, console: Console, look: Callable[[], Sight | None]) -> None:
        self._console, self._look = console, look
        self._moved: object = None
        self._since = 0.0
        self._told: float | None = None
        self._killed: Mapping[str, int] = {}
        self._killed_before: Mapping[str, int] = {}
        self.text = ""
        """What it waits for now; empty while it works."""

    def watch(self, over: threading.Event) -> None:
        """Look until the event is set."""
        while not over.wait(_LOOK_EVERY_S):
            self.turn(time.monotonic())

    def turn(self, now: float) -> None:
        """Look, where nothing has moved for a while, and tell.

        Parameters
        ----------
        now : seconds
        """
        moved = tuple((state["name"], state["unit"], state["done"]) for state in passes_of(self._console))
        if moved != self._moved:
            self._moved, self._since, self._told, self.text = moved, now, None, ""
            self._killed_before = self._killed
        if now - self._since < STILL_S:
            return
        sight = self._look()
        if sight is None:
            self.text = ""
            return
        self._killed = sight.killed
        self.text = reason(sight, self._killed_before)
        if self.text and (self._told is None or now - self._told >= AGAIN_S):
            self._told = now
            _LOG.warning("%s", self.text)
            self._console.print(self.text, highlight=False, markup=False, soft_wrap=True)
