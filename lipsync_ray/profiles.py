"""Ways to spread the work that suit a kind of machine: ``--profile``. What is said by an option of its own counts for more."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any, Literal, get_args

from lipsync_ray.compute import MOST_THREADS, whole_cpus
from lipsync_ray.errors import LipsyncError, SettingsError
from lipsync_ray.settings import EngineKind, Workers

_MEGAPIXEL_S = 0.025  # CPU seconds for a frame's megapixel, by the bundled model
_RAY_START_S = 12.0  # until Ray's processes have started and imported their libraries
Profile = Literal["laptop", "gpu", "spot"]
PROFILES: tuple[str, ...] = get_args(Profile)


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
    given = {
        "actors": actors, "gpus_per_actor": gpus_per_actor, "batch": batch, "segment_s": segment_s, "attempts": attempts,
        "address": address,
    }  # fmt: skip
    values = {**_values(profile, engine), **{name: value for name, value in given.items() if value is not None}}
    return Workers(**values, engine=engine)


def auto_engine(address: str | None, pair: tuple[str, str] | None = None) -> EngineKind:
    """What works where nobody says.

    Ray for a table, or where a cluster is named. For one pair this process, which begins at once; Ray, where the work is
    so long and the CPUs so many that what its processes gain is more than their start.

    Parameters
    ----------
    pair : the video and the audio, where there is one pair
    """
    if pair is None or address is not None or os.environ.get("RAY_ADDRESS"):
        return "ray"
    cpus = whole_cpus()
    if cpus <= MOST_THREADS:
        return "inline"
    gained_s = _work_s(*pair) * (1 / MOST_THREADS - 1 / cpus)
    return "ray" if gained_s > _RAY_START_S else "inline"


def _work_s(video: str, audio: str) -> float:
    """CPU seconds that a dub takes, about, by its files' headers; 0 where they cannot be read, which the run then says."""
    from lipsync_ray.media.headers import read_sound, read_video

    try:
        video_header, sound_s = read_video(video, Fraction(25)), read_sound(audio)
    except LipsyncError:
        return 0.0
    return float(sound_s * video_header.rate) * video_header.megapixels * _MEGAPIXEL_S


def _values(profile: str | None, engine: EngineKind) -> dict[str, Any]:
    if profile == "laptop":
        alone = {} if engine == "inline" else {"address": "local"}
        return {"actors": max(1, whole_cpus() - 1), **alone}
    if profile == "gpu":
        return {"gpus_per_actor": 0.5}
    if profile == "spot":
        return {"segment_s": 2.0, "attempts": 10, "placement": "spot"}
    return {}
