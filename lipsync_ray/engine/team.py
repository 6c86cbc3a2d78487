"""Processes that train one network together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def never() -> bool:
    """Never stop early."""
    return False


@dataclass(frozen=True)
class Team:
    """One process's rank among those that train together.

    Attributes
    ----------
    rank : its number, from 0
    world_size : number of processes
    stopping : whether the driver is stopping, and waits for the checkpoint
    """

    rank: int = 0
    world_size: int = 1
    stopping: Callable[[], bool] = field(default=never, compare=False)

    def broadcast(self, value: bool) -> bool:
        """Return the first process's value in all of them; each process has to call."""
        if self.world_size == 1:
            return value
        import torch
        import torch.distributed as dist

        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        flag = torch.tensor([int(value)], device=device)
        dist.broadcast(flag, 0)
        return bool(flag.item())


ALONE = Team()
Body = Callable[[Team, Callable[[Any], None]], None]
"""Runs in each process of a team, with its :class:`Team` and a function that sends a message to the driver."""
