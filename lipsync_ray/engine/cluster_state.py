"""Reads the state of this process's cluster from Ray's own tables; no dashboard is needed."""

from __future__ import annotations

import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lipsync_ray.engine import ray_executions
from lipsync_ray.engine.waiting import ClusterState, NodeResources, ResourceRequest

_LOCK_TIMEOUT_S = 30.0
_QUERY_LOCK = threading.Lock()  # Ray ends the process if it is queried while it shuts down


def read() -> ClusterState | None:
    """The state of this process's cluster; None if there is no cluster, or it does not answer."""
    ray: Any = sys.modules.get("ray")  # do not import it here
    with _QUERY_LOCK:
        if ray is None or not hasattr(ray, "is_initialized") or not ray.is_initialized():
            return None
        try:
            return _read(ray)
        except Exception:  # the tables are not a public interface: without them there is no state
            return None


def has_autoscaler() -> bool:
    """Whether an autoscaler adds nodes to the cluster on demand."""
    import ray

    state: Any = ray._private.state.state
    try:
        return state.get_cluster_config() is not None
    except Exception:  # as in `read`
        return True


@contextmanager
def no_queries() -> Iterator[None]:
    """Block :func:`read` while Ray shuts down."""
    acquired = _QUERY_LOCK.acquire(timeout=_LOCK_TIMEOUT_S)
    try:
        yield
    finally:
        if acquired:
            _QUERY_LOCK.release()


def _read(ray: Any) -> ClusterState:
    from ray.core.generated import common_pb2, gcs_pb2

    state = ray._private.state.state
    tables = state._connect_and_get_accessor()
    job = ray.get_runtime_context().get_job_id()
    alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
    free = state.available_resources_per_node()
    nodes = [NodeResources(node["Resources"], free.get(name, {})) for name, node in alive.items()]
    asks: Counter[tuple[tuple[str, float], ...]] = Counter()
    others: dict[str, Counter[str]] = defaultdict(Counter)
    loading = 0
    for data in tables.get_actor_table(None, None):
        actor = gcs_pb2.ActorTableData.FromString(data)
        needs, phase = _resources(actor.required_resources), gcs_pb2.ActorTableData.ActorState.Name(actor.state)
        if actor.job_id.hex() != job:
            if phase == "ALIVE":
                others[actor.class_name].update(needs)
        elif phase in ("PENDING_CREATION", "RESTARTING"):
            if actor.address.worker_id:  # its node is set before it is scheduled
                loading += 1
            else:
                asks[tuple(needs.items())] += 1
    for data in tables.get_placement_group_table():
        group = gcs_pb2.PlacementGroupTableData.FromString(data)
        if group.creator_job_id.hex() == job and group.state == gcs_pb2.PlacementGroupTableData.PENDING:
            for bundle in group.bundles:
                asks[tuple(_resources(bundle.unit_resources).items())] += 1
    if waiting := ray_executions.prepared():
        asks[tuple(ray_executions.PREPARING.items())] += waiting
    killed: Counter[str] = Counter()
    for data in tables.get_worker_table():
        worker = gcs_pb2.WorkerTableData.FromString(data)
        if worker.exit_type == common_pb2.NODE_OUT_OF_MEMORY and worker.job_id.hex() == job:
            node = alive.get(worker.worker_address.node_id.hex(), {})
            killed[node.get("NodeManagerHostname") or worker.worker_address.ip_address] += 1
    return ClusterState(
        [ResourceRequest(dict(needs), count) for needs, count in asks.items()],
        nodes,
        {name: dict(amounts) for name, amounts in others.items() if amounts},
        ray_executions.idle(),
        loading,
        dict(killed),
    )


def _resources(found: Mapping[str, float]) -> dict[str, float]:
    """Resources without those that Ray adds to name a node or a placement group."""
    return {name: amount for name, amount in sorted(found.items()) if ":" not in name and "_group_" not in name}
