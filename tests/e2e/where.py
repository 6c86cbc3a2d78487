"""Rows whose only work is to say on what kind of node they were: a job for clusters of tests. The folder for its ledger is its
argument."""

import sys
from functools import partial

from lipsync_ray.engine import ray_data
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.feed import RowSlot
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.session import session
from lipsync_ray.profiles import workers_of


class Where:
    """A stage."""

    def __call__(self, row):
        import ray

        return ray.get_runtime_context().get_node_labels().get("ray.io/market-type", "unlabelled")


with session() as cluster:
    pool = allocate(cluster, workers_of(sys.argv[2], actors=2), alone=True).model
    stages = [pool.stage("where", partial(Where))]
    rows = [RowSlot(number, 1, 1) for number in range(6)]
    found = {(outcome.value or str(outcome.failure)) for outcome in ray_data.run(rows, stages, Ledger(sys.argv[1], 3))}
print("rows were on:", ", ".join(sorted(found)))
