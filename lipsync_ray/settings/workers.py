"""How the work is spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check_types, one_of, within

EngineKind = Literal["ray", "inline"]
ENGINES: tuple[str, ...] = get_args(EngineKind)
Placement = Literal["any", "spot"]
PLACEMENTS: tuple[str, ...] = get_args(Placement)


@dataclass(frozen=True)
class Workers:
    """How the work is spread. Changes how long a run takes, and, but for ``batch``, never its frames.

    Attributes
    ----------
    actors : processes that keep the generator loaded; None to decide by the cluster's GPUs or CPUs
    gpus_per_actor : None for 1 where there is a GPU, else 0
    batch : frames a pass; None for the device's default. Arithmetic in another batch differs in last bits, so it is part of
        what a video's fingerprint says
    segment_s : seconds of output in one row of work; None for the job's default
    attempts : times a segment may end its process before it is given up
    address : a Ray cluster; None for the one this process belongs to, or else this machine alone
    engine : "ray", or "inline" for threads of this process
    placement : "spot" puts the networks' processes on nodes of the label ray.io/market-type: spot while there are any, and
        elsewhere where there are none; "any" asks for no label
    """

    actors: int | None = None
    gpus_per_actor: float | None = None
    batch: int | None = None
    segment_s: float | None = None
    attempts: int = 3
    address: str | None = None
    engine: EngineKind = "ray"
    placement: Placement = "any"

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--engine", self.engine, ENGINES)
        one_of("placement", self.placement, PLACEMENTS)
        if self.engine == "inline" and self.address is not None:
            raise SettingsError(f"--address {self.address}: --engine inline works in this process alone")
        for option, value in (("--actors", self.actors), ("--batch", self.batch), ("--attempts", self.attempts)):
            if value is not None and value < 1:
                raise SettingsError(f"{option} {value}: expected at least 1")
        within("--segment", self.segment_s, 0.2, 600, "seconds")
        gpus = self.gpus_per_actor
        if gpus is not None and not (0 <= gpus <= 1 or (gpus > 1 and float(gpus).is_integer())):
            raise SettingsError(f"--gpus-per-actor {gpus}: expected 0, a part of one GPU, or a whole number")
