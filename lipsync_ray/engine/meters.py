"""Progress of a run's passes as Ray metrics, for Prometheus (see cluster/monitoring).

    lipsync_rows_total{pass, outcome}         rows that ended: "done" or "failed"
    lipsync_rows_left{pass}                   rows that have not ended
    lipsync_frames_total{pass}                frames of rows that succeeded
    lipsync_fetched_bytes_total{pass}         bytes that rows have read from object stores
    lipsync_faces_total{kind}                 faces of rows that succeeded: "drawn", "restored"
    lipsync_stage_seconds_total{pass, stage}  seconds of work

The driver counts outcomes as they come back, so a retried row counts once. Without Ray nothing is counted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any


def count(name: str, frames: int, failed: bool, seconds: Mapping[str, float], fetched: int = 0) -> None:
    """Count one ended row of the pass `name`."""
    meters = _meters()
    if meters is None:
        return
    meters["rows_total"].inc(1, {"pass": name, "outcome": "failed" if failed else "done"})
    if frames and not failed:
        meters["frames_total"].inc(frames, {"pass": name})
    if fetched:
        meters["fetched_bytes_total"].inc(fetched, {"pass": name})
    for stage, spent in seconds.items():
        if spent > 0:
            meters["stage_seconds_total"].inc(spent, {"pass": name, "stage": stage})


def faces(kind: str, number: int) -> None:
    """Count `number` faces of a kind: "drawn" or "restored"."""
    meters = _meters()
    if meters is not None and number:
        meters["faces_total"].inc(number, {"kind": kind})


def left(name: str, rows: int) -> None:
    """Set the number of rows of a pass that have not ended."""
    meters = _meters()
    if meters is not None:
        meters["rows_left"].set(rows, {"pass": name})


def _meters() -> dict[str, Any] | None:
    ray = sys.modules.get("ray")  # not imported: nothing runs on Ray
    return _made() if ray is not None and ray.is_initialized() else None


@lru_cache(maxsize=1)
def _made() -> dict[str, Any]:
    from ray.util.metrics import Counter, Gauge

    definitions = {
        "rows_total": ("Rows of work that ended.", ("pass", "outcome")),
        "frames_total": ("Frames of rows that succeeded.", ("pass",)),
        "fetched_bytes_total": ("Bytes that rows have read from object stores.", ("pass",)),
        "faces_total": ("Faces of rows that succeeded.", ("kind",)),
        "stage_seconds_total": ("Seconds of work.", ("pass", "stage")),
    }
    meters: dict[str, Any] = {
        name: Counter(f"lipsync_{name}", text, tags) for name, (text, tags) in definitions.items()
    }
    meters["rows_left"] = Gauge("lipsync_rows_left", "Rows of work that have not ended.", ("pass",))
    return meters
