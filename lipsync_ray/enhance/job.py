"""The enhance job from finished videos to restored ones.

    look at every video ► faces, where no table is at hand ► restore ► compose ► join (audio copied) ► results.parquet

What an earlier run committed under the same fingerprint is kept: finished videos, parts, face tables.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from typing import Any

from rich.console import Console

from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import started
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.engine.video_pass import Work, run_pass
from lipsync_ray.enhance.assemble import make_enhanced
from lipsync_ray.enhance.items import EnhanceInput
from lipsync_ray.enhance.prepare import prepare, rows_of
from lipsync_ray.enhance.stages import Compose, Composed, Restore
from lipsync_ray.enhance.state import Enhancement, State, Summary
from lipsync_ray.io import results, storage
from lipsync_ray.io.out_folder import check_writable
from lipsync_ray.models import weights
from lipsync_ray.models.precision import resolved
from lipsync_ray.restoration.weights import resolve
from lipsync_ray.settings import EnhanceSettings, Workers

_VERSIONS_OF = ("lipsync-ray", "ray", "torch", "av", "numpy", "gfpgan")


def run(
    items: list[EnhanceInput],
    base: dict[str, Any],
    settings: EnhanceSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
) -> Summary:
    """Enhance every item.

    Parameters
    ----------
    base : settings of the dub run that the items are of; empty for other videos
    out : folder, path or fsspec URL

    Raises
    ------
    WeightsError, CheckpointError, SettingsError, ClusterError : before anything is started
    """
    check_writable(out)
    restoration = resolve(settings.restore, fetching)
    retinaface = None
    if settings.detector == "retinaface":
        retinaface = weights.by_name("retinaface", fetching)
    with started(workers) as engine:
        layout = allocate(engine.cluster, workers, alone=False)
        settings = replace(settings, precision=resolved(settings.precision, layout.device))
        this = Enhancement(items, settings, restoration, workers, storage.absolute(out), console, engine, layout.device)
        prepare(this)
        _restore(this, retinaface)
        return _finish(this, base)


def _restore(this: Enhancement, retinaface: weights.Checkpoint | None) -> None:
    crew, settings = this.crew, this.settings
    layout = allocate(crew.cluster, crew.workers, alone=False)
    model = layout.model
    make = partial(Restore, this.restoration.files, layout.device, settings.precision, crew.workers.batch, retinaface)
    stages = [
        StageSpec("restore", make, model.workers, model.cpus, model.gpus),
        StageSpec("compose", partial(Compose, settings.restore), layout.write.workers, layout.write.cpus),
    ]
    work = Work(
        "restore",
        this.going,
        parts_of=partial(rows_of, this),
        stages=stages,
        taken=_take_row,
        order=this.order,
        join=("join", make_enhanced),
        made=partial(_take_video, this),
        fail=this.fail,
    )
    run_pass(crew, work, this.url("parts"))


def _take_row(state: State, composed: Composed) -> None:
    state.faceless += composed.faceless
    state.restored += composed.restored
    state.warnings |= dict.fromkeys(composed.notes)


def _take_video(this: Enhancement, state: State, output: str) -> None:
    this.done(state, output)
    storage.remove(this.url("parts", state.item.id))


def _finish(this: Enhancement, base: dict[str, Any]) -> Summary:
    """Write results.parquet and run.json, which an evaluation reads like those of a dub run."""
    ordered = [this.results[item.id] for item in this.items]
    url = results.write_results(this.out, ordered)
    storage.remove(this.url("attempts"))
    counts: dict[str, int] = defaultdict(int)
    for result in ordered:
        counts[result.status] += 1
    settings = this.settings.record()
    whole = {
        "face": "all",
        "loop": "pingpong",
        "still_rate": "25",
        "pads": asdict(EnhanceInput(ordered[0]).pads),
    } | base
    record = {
        "run": this.id,
        "job": "enhance",
        "settings": whole | {"enhance": settings},
        "workers": asdict(this.crew.workers),
        "model": {"name": this.restoration.name, "sha256": this.restoration.digest},
        "versions": {name: version(name) for name in _VERSIONS_OF},
        "began": this.began,
        "ended": time.time(),
        "status": dict(counts),
    }
    storage.commit_bytes(this.url("run.json"), json.dumps(record, indent=1).encode())
    return Summary(ordered, url, 0, time.time() - this.began)
