"""The runner that is asked for, open while it is used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lipsync_ray.engine.runners import Runner
from lipsync_ray.settings import Workers


@contextlib.contextmanager
def started(workers: Workers) -> Iterator[Runner]:
    """The runner that is asked for, until the work is done.

    Raises
    ------
    ClusterError : nobody answers at the address, or Ray does not start
    """
    if workers.engine == "inline":
        from lipsync_ray.engine.inline_runner import InlineRunner

        yield InlineRunner()
        return
    from lipsync_ray.engine.ray_runner import RayRunner
    from lipsync_ray.engine.session import session

    with session(workers.address) as cluster:
        yield RayRunner(cluster)
