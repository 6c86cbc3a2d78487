"""The runner that is asked for, open while it is used."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lipsync_ray.cpus import whole_cpus
from lipsync_ray.engine import flows
from lipsync_ray.engine.runners import Cluster, Runner
from lipsync_ray.settings import Workers


def cluster_of(workers: Workers) -> Cluster:
    """What there would be to work with; nothing is started on this machine.

    Raises
    ------
    ClusterError : nobody answers at the address
    """
    from lipsync_ray.engine import session

    if workers.engine != "inline" and session.is_elsewhere(workers.address):
        with session.session(workers.address) as cluster:
            return cluster
    import torch

    if workers.engine == "inline":
        from lipsync_ray.engine.inline_runner import inline_cluster

        return inline_cluster()
    return Cluster(float(whole_cpus()), float(torch.cuda.device_count()), 1)


@contextlib.contextmanager
def started(workers: Workers) -> Iterator[Runner]:
    """The runner that is asked for, until the work is done.

    Raises
    ------
    ClusterError : nobody answers at the address, or Ray does not start
    """
    began = time.monotonic()
    if workers.engine == "inline":
        from lipsync_ray.engine.inline_runner import InlineRunner

        try:
            yield InlineRunner()
        finally:
            flows.end_all()
        return
    from lipsync_ray.engine.ray_runner import RayRunner
    from lipsync_ray.engine.session import session

    with session(workers.address) as cluster:
        yield RayRunner(cluster, time.monotonic() - began)
