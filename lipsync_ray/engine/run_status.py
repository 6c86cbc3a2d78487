"""How a run goes or went, by what lies in its folder: its record, its sign of life, the records of its rows."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from lipsync_ray.engine.occupancy import life_of
from lipsync_ray.errors import ManifestError
from lipsync_ray.io import records
from lipsync_ray.io.run_folder import RUN_FILE, record_of


@dataclass(frozen=True)
class RunStatus:
    """A run, seen from outside.

    Attributes
    ----------
    job, run : which
    state : "running"; "ended"; "killed", where its process ended before it did
    rows : that were asked for
    counts : status → rows that have ended, those of earlier runs among them
    passes : of :meth:`lipsync_ray.engine.progress.ProgressReporter.state`
    seconds : since it began, or from begin to end
    host, process : where it works, or worked; empty where it has ended
    waiting : what it waits for; empty while it works
    """

    job: str
    run: str
    state: Literal["running", "ended", "killed"]
    rows: int
    counts: dict[str, int]
    passes: list[dict[str, Any]]
    seconds: float
    host: str = ""
    process: str = ""
    waiting: str = ""


def read_status(out: str) -> RunStatus:
    """Of the newest run in a folder.

    Raises
    ------
    ManifestError : no run has begun there, or it is something else
    """
    try:
        record = record_of(out)
        job, run, rows, began, ended = (record[key] for key in ("job", "run", "rows", "began", "ended"))
    except FileNotFoundError:
        raise ManifestError(
            out, [f"no run has begun here (no {RUN_FILE} in it); expected the folder of a run"]
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(out, [f"{RUN_FILE} is not that of a run of this version: {error!r}"]) from error
    life, note = life_of(out)
    if ended is not None and life != "lives":
        return RunStatus(job, run, "ended", rows, record["status"], record["passes"], ended - began)
    counts = dict(Counter(str(values.get("status")) for values in records.all_values(out, job)))
    state: Literal["running", "killed"] = "running" if life == "lives" else "killed"
    process = str(note.get("process", "")).split("-")[0]
    passes, host = note.get("passes", []), str(note.get("host", ""))
    waiting = str(note.get("waiting", "")) if state == "running" else ""
    return RunStatus(job, run, state, rows, counts, passes, max(0.0, time.time() - began), host, process, waiting)
