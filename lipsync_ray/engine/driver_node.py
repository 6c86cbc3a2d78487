"""Actors that a whole run hangs on: they live on the driver's node, so that no other node's loss takes them along."""

from __future__ import annotations

from typing import Any


def options() -> dict[str, Any]:
    """How Ray places such an actor; it needs no CPU, so the driver's node may have none."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False)}
