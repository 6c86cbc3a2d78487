"""Ways to spread the work that suit a kind of machine: ``--profile``. What is said by an option of its own counts for more."""

from __future__ import annotations

import os
from typing import Any

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings import EngineKind, Workers

PROFILES = ("laptop", "gpu", "spot")


def workers_of(
    profile: str | None,
    actors: int | None = None,
    gpus_per_actor: float | None = None,
    batch: int | None = None,
    segment_s: float | None = None,
    attempts: int | None = None,
    address: str | None = None,
    engine: EngineKind = "ray",
) -> Workers:
    """The workers of a profile, but for what is said.

    Parameters
    ----------
    profile : "laptop": this machine alone, whatever ``$RAY_ADDRESS`` says, one CPU left to its owner; "gpu": two processes a
        GPU, so that one copies while the other computes; "spot": the networks on spot nodes where there are any, rows of two
        seconds, so that a lost node costs little, and ten attempts; None for none of that
    actors, gpus_per_actor, batch, segment_s, attempts, address, engine : as in Workers; None for the profile's

    Raises
    ------
    SettingsError : no such profile; a value cannot work
    """
    if profile is not None and profile not in PROFILES:
        raise SettingsError(f"--profile {profile}: expected one of {', '.join(PROFILES)}")
    said = {
        "actors": actors, "gpus_per_actor": gpus_per_actor, "batch": batch, "segment_s": segment_s, "attempts": attempts,
        "address": address,
    }  # fmt: skip
    values = {**_values(profile, engine), **{name: value for name, value in said.items() if value is not None}}
    return Workers(**values, engine=engine)


def _values(profile: str | None, engine: EngineKind) -> dict[str, Any]:
    if profile == "laptop":
        alone = {} if engine == "inline" else {"address": "local"}
        return {"actors": max(1, (os.cpu_count() or 2) - 1), **alone}
    if profile == "gpu":
        return {"gpus_per_actor": 0.5}
    if profile == "spot":
        return {"segment_s": 2.0, "attempts": 10, "placement": "spot"}
    return {}
