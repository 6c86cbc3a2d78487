"""Caches FID, so that a run whose videos are all scored need not read them again."""

from __future__ import annotations

import json
from dataclasses import asdict

from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.fid import Fid
from lipsync_ray.jobs.evaluate.state import EvaluateRun


def kept(run: EvaluateRun) -> list[Fid] | None:
    """Cached distances for the same videos, weights and settings; empty without FID; None if not cached."""
    if run.fid_weights is None:
        return []
    try:
        found = json.loads(storage.read_bytes(_url(run)))
    except FileNotFoundError:
        return None
    return [Fid(**values) for values in found["fids"]] if found["of"] == _key(run) else None


def keep(run: EvaluateRun, fids: list[Fid]) -> None:
    """Commit the distances of all readable videos."""
    found = {"of": _key(run), "fids": [asdict(fid) for fid in fids]}
    storage.commit_bytes(_url(run), json.dumps(found).encode())


def _url(run: EvaluateRun) -> str:
    return run.url("fid", "distances.json")


def _key(run: EvaluateRun) -> str:
    """Hash of everything that FID depends on."""
    settings, checkpoint = run.settings, run.fid_weights
    videos = sorted(
        json.dumps([s.id, s.fingerprint, s.item.language, s.item.model, s.item.source_table])
        for s in run.known.values()
    )
    return storage.digest(checkpoint and checkpoint.sha256, settings.dims, settings.fid_every, *videos)
