"""Status of a run, from the files in its folder: run.json, its heartbeat, the records of its rows."""

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
    """Status of a run.

    Attributes
    ----------
    job, run : name of the job, id of the run
    state : "running"; "ended"; "killed" if its process ended before the run did
    rows : number requested
    counts : status → rows that have ended, including those of earlier runs
    passes : from :meth:`lipsync_ray.engine.progress.ProgressReporter.state`
    seconds : since the start, or from start to end
    host, process : where it runs or ran; empty if it has ended
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
    """Read the status of the newest run in a folder.

    Raises
    ------
    ManifestError : not the folder of a run
    """
    try:
        record = record_of(out)
        job, run, rows, began, ended = (record[key] for key in ("job", "run", "rows", "began", "ended"))
    except FileNotFoundError:
        raise ManifestError(
            out, [f"no run was started here (it has no {RUN_FILE}); expected the folder of a run"]
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(out, [f"{RUN_FILE} was not written by this version: {error!r}"]) from error
    life, note = life_of(out)
    if ended is not None and life != "lives":
        return RunStatus(job, run, "ended", rows, record["status"], record["passes"], ended - began)
    counts = dict(Counter(str(values.get("status")) for values in records.all_values(out, job)))
    state: Literal["running", "killed"] = "running" if life == "lives" else "killed"
    process = str(note.get("process", "")).split("-")[0]
    passes, host = note.get("passes", []), str(note.get("host", ""))
    waiting = str(note.get("waiting", "")) if state == "running" else ""
    return RunStatus(job, run, state, rows, counts, passes, max(0.0, time.time() - began), host, process, waiting)
