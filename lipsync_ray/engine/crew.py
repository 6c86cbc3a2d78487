"""Who does a job's work: the cluster, how it is divided, where attempts are noted, where progress is told."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from lipsync_ray.engine.ledger import Ledger
from lipsync_ray.engine.session import Cluster
from lipsync_ray.settings import Workers

TASKS_PER_NODE = 4


@dataclass(frozen=True)
class Crew:
    """What a pass needs to run.

    Attributes
    ----------
    cluster : what there is
    workers : how much of it to use
    console : for progress lines
    ledger : of attempts, of this run
    """

    cluster: Cluster
    workers: Workers
    console: Console
    ledger: Ledger

    @property
    def tasks_limit(self) -> int:
        """Small jobs at a time."""
        return TASKS_PER_NODE * self.cluster.nodes
