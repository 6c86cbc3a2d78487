"""Explains what a stalled run waits for: CPUs or GPUs that others use, memory, processes that load.

Plain functions of a :class:`ClusterState`; :mod:`lipsync_ray.engine.cluster_state` reads one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from lipsync_ray.engine.progress import passes_of

STILL_S = 20.0  # without an ended row, before the cluster is queried
AGAIN_S = 60.0  # between two messages
_CHECK_EVERY_S = 5.0
_NAMES = {"CPU": "CPUs", "GPU": "GPUs", "memory": "bytes of memory"}
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResourceRequest:
    """Processes that are not scheduled yet.

    Attributes
    ----------
    needs : resource → amount that each requests
    count : number of them
    """

    needs: Mapping[str, float]
    count: int = 1


@dataclass(frozen=True)
class NodeResources:
    """A machine of a cluster.

    Attributes
    ----------
    total, free : resource → amount
    """

    total: Mapping[str, float]
    free: Mapping[str, float]


@dataclass(frozen=True)
class ClusterState:
    """State of a cluster, from the point of view of a run.

    Attributes
    ----------
    asks : unscheduled processes of this run
    nodes : live nodes
    others : name of other programs' actors → resource → amount that they use
    idle : stages that have rows and no running process; None if no stage has rows
    loading : processes of this run that are scheduled and not running yet
    killed : name of a node → processes of this run that Ray has ended there because memory was short
    """

    asks: Sequence[ResourceRequest] = ()
    nodes: Sequence[NodeResources] = ()
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    idle: Sequence[str] | None = None
    loading: int = 0
    killed: Mapping[str, int] = field(default_factory=dict)


def reason(cluster: ClusterState, killed_before: Mapping[str, int]) -> str:
    """Explain what a stalled run waits for; empty if it is working.

    Parameters
    ----------
    killed_before : `killed` at the time of the last progress
    """
    reasons = []
    for node, count in sorted(cluster.killed.items()):
        if count > killed_before.get(node, 0):
            reasons.append(
                f"for memory on {node}: Ray has ended {_counted(count, 'process', 'processes')} of this run there, "
                "to keep the "
                "node's memory below RAY_memory_usage_threshold"
            )
    if cluster.idle is None or cluster.idle:
        stages = f" of {', '.join(cluster.idle)}" if cluster.idle else ""
        asks = [ask for ask in cluster.asks if not any(_fits(ask.needs, node.free) for node in cluster.nodes)]
        if asks:
            reasons.append(_for_resources(asks, cluster, stages))
        elif cluster.loading:
            reasons.append(f"for {_counted(cluster.loading, 'process', 'processes')}{stages} to load")
        elif cluster.asks:
            count = sum(ask.count for ask in cluster.asks)
            reasons.append(f"for {_counted(count, 'process', 'processes')}{stages} to start")
    return f"waiting {', and '.join(reasons)}" if reasons else ""


def missing(needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]]) -> str:
    """Explain why none of these nodes could ever fit a process, even when idle; empty if one could."""
    if any(_fits(needs, node) for node in nodes):
        return ""
    for name, amount in needs.items():
        most = max((node.get(name, 0.0) for node in nodes), default=0.0)
        if most < amount:
            return f"{amount:g} {_named(name)} are requested, no node has more than {most:g}"
    return f"no node has {_needed(needs)} together"


def _for_resources(asks: Sequence[ResourceRequest], cluster: ClusterState, stages: str) -> str:
    first = max(asks, key=lambda ask: ask.count)
    count = sum(ask.count for ask in asks)
    short = [
        name for name, need in first.needs.items() if not any(n.free.get(name, 0.0) >= need for n in cluster.nodes)
    ]
    short = short or list(first.needs)
    free = ", ".join(
        f"{sum(n.free.get(name, 0.0) for n in cluster.nodes):g} of "
        f"{sum(n.total.get(name, 0.0) for n in cluster.nodes):g} "
        f"{_named(name)} are free"
        for name in short
    )
    in_use = [
        f"{name} {sum(amounts.get(r, 0.0) for r in short):g}"
        for name, amounts in sorted(cluster.others.items())
        if any(amounts.get(r, 0.0) for r in short)
    ]
    never = missing(first.needs, [node.total for node in cluster.nodes])
    return (
        f"for {' and '.join(map(_named, short))}: {_counted(count, 'process is', 'processes are')} not scheduled"
        f"{' (' + stages.strip() + ')' if stages else ''}, {'it needs' if count == 1 else 'each needs'} "
        f"{_needed(first.needs)}"
        f"; {free}{'; other programs use ' + ', '.join(in_use) if in_use else ''}{'; ' + never if never else ''}"
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
    """Reports what a run waits for, in the terminal and in the log, once a minute while nothing progresses.

    Parameters
    ----------
    console : its passes show whether the run progresses
    read_cluster : returns its state; None if there is no cluster, or it does not answer
    """

    def __init__(self, console: Console, read_cluster: Callable[[], ClusterState | None]) -> None:
        self._console, self._read_cluster = console, read_cluster
        self._moved: object = None
        self._since = 0.0
        self._printed_at: float | None = None
        self._killed: Mapping[str, int] = {}
        self._killed_before: Mapping[str, int] = {}
        self.text = ""
        """What the run waits for now; empty while it works."""

    def watch(self, over: threading.Event) -> None:
        """Check every few seconds until the event is set."""
        while not over.wait(_CHECK_EVERY_S):
            self.check(time.monotonic())

    def check(self, now: float) -> None:
        """If nothing has progressed for :data:`STILL_S`, query the cluster and report.

        Parameters
        ----------
        now : seconds
        """
        moved = tuple((state["name"], state["unit"], state["done"]) for state in passes_of(self._console))
        if moved != self._moved:
            self._moved, self._since, self._printed_at, self.text = moved, now, None, ""
            self._killed_before = self._killed
        if now - self._since < STILL_S:
            return
        cluster = self._read_cluster()
        if cluster is None:
            self.text = ""
            return
        self._killed = cluster.killed
        self.text = reason(cluster, self._killed_before)
        if self.text and (self._printed_at is None or now - self._printed_at >= AGAIN_S):
            self._printed_at = now
            _LOG.warning("%s", self.text)
            self._console.print(self.text, highlight=False, markup=False, soft_wrap=True)
