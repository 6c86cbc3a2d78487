"""Places actors that a whole run depends on on the driver's node, so that they survive the loss of other nodes."""

from __future__ import annotations

from typing import Any


def options() -> dict[str, Any]:
    """Ray options of such an actor. It reserves no CPU, since the driver's node may have none."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = ray.get_runtime_context().get_node_id()
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False)}
