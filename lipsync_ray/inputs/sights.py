"""The sights that lie beside mesh and encoding tables."""

from __future__ import annotations

from functools import lru_cache

from lipsync_ray.faces.sight import Sight
from lipsync_ray.io import storage


@lru_cache(maxsize=4)
def read_sight(url: str) -> Sight:
    """A committed :class:`~lipsync_ray.faces.sight.Sight`; every stage of every segment of a video asks for it."""
    return Sight.from_bytes(storage.read_bytes(url))
