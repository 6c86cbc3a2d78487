"""Processes that train one network together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def never() -> bool:
    """Nobody asks for an early end."""
    return False


@dataclass(frozen=True)
class Team:
    """A process' place among those that train together.

    Attributes
    ----------
    rank : its number
    of : how many there are
    stopping : whether the driver was told to stop, and waits for what is to be kept
    """

    rank: int = 0
    world_size: int = 1
    stopping: Callable[[], bool] = field(default=never, compare=False)

    def broadcast(self, said: bool) -> bool:
        """What the first process says, in all of them; each has to ask."""
        if self.world_size == 1:
            return said
        import torch
        import torch.distributed as dist

        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        flag = torch.tensor([int(said)], device=device)
        dist.broadcast(flag, 0)
        return bool(flag.item())


ALONE = Team()
Body = Callable[[Team, Callable[[Any], None]], None]
"""What a member of a team does: with its place, and a function that tells the driver something."""
