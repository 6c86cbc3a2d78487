"""A connection to Ray: the cluster this process was submitted to, or this machine alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOCAL_STORE_BYTES = 512 << 20  # rows carry crops at most: 5 MB for 8 s

_ENVIRONMENT = {
    # Local workers run in this very environment: no upload of the folder, no `uv run` of their own.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Hold a stage back by how much waits for the next one, however empty the object store is (see flow.RUN_AHEAD).
    "RAY_DATA_DOWNSTREAM_CAPACITY_OBJECT_STORE_BUDGET_UTIL_THRESHOLD": "0",
    # Frames come and go on decoder and encoder threads; with an arena for each, freed memory is not given back.
    "MALLOC_ARENA_MAX": "2",
    # What a job says is said by the job; Ray's own notes are in its log files.
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
_LOGGERS = {"ray": logging.WARNING, "ray._private.authentication.authentication_token_setup": logging.ERROR}


@dataclass(frozen=True)
class Cluster:
    """What there is to work with.

    Attributes
    ----------
    cpus, gpus : of all nodes
    nodes : number of them
    """

    cpus: float
    gpus: float
    nodes: int


@contextmanager
def session(address: str | None = None) -> Iterator[Cluster]:
    """An open connection; one that was open before is used and left open.

    Parameters
    ----------
    address : of a cluster; None for the one in ``$RAY_ADDRESS`` (as inside ``ray job submit``), else a new one here
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    for name, level in _LOGGERS.items():
        logging.getLogger(name).setLevel(level)
    opened = not ray.is_initialized()
    if opened:
        where = address or os.environ.get("RAY_ADDRESS")
        if where and where != "local":
            ray.init(address=where, logging_level=logging.WARNING, log_to_driver=False)
        else:
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=LOCAL_STORE_BYTES,
                logging_level=logging.WARNING,
                log_to_driver=False,
            )
    try:
        total = ray.cluster_resources()
        alive = sum(bool(node["Alive"]) for node in ray.nodes())
        yield Cluster(total.get("CPU", 1.0), total.get("GPU", 0.0), alive)
    finally:
        if opened:
            ray.shutdown()
