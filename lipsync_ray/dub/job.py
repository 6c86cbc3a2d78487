"""The dub job from manifest to results.

    look at every distinct file ► face tables, one per distinct video ► lips ► join ► results.parquet

Both passes run side by side: a dub begins when its own video's faces are there.

What earlier runs committed to the same folder under the same fingerprint is kept: finished dubs, face tables, mels,
scans and parts. A dub that cannot go on becomes a row that says why, and the others go on without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console

from lipsync_ray.dub.passes import make_dubs
from lipsync_ray.dub.prepare import prepare
from lipsync_ray.dub.run import Run, Use
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import started
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Dub
from lipsync_ray.io.out_folder import check_writable
from lipsync_ray.io.results import Summary
from lipsync_ray.models import generators, weights
from lipsync_ray.models.precision import resolved
from lipsync_ray.restoration.weights import resolve
from lipsync_ray.settings import DubSettings, Workers


def run(
    dubs: list[Dub],
    settings: DubSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
    rejected: Mapping[Use, str] | None = None,
) -> Summary:
    """Make every dub of a checked manifest.

    Parameters
    ----------
    out : folder, path or fsspec URL
    console : for progress lines
    fetching : told how far a download of the weights is
    rejected : files that an analysis says cannot be dubbed, and why

    Raises
    ------
    WeightsError, CheckpointError, SettingsError, ClusterError : before anything is started
    """
    check_writable(out)
    model = generators.resolve(settings.model, fetching)
    restoration = resolve(settings.restore, fetching) if settings.restore else None
    with started(workers) as engine:
        layout = allocate(engine.cluster, workers, alone=True)  # options that the cluster cannot meet end the run here
        settings = replace(settings, precision=resolved(settings.precision, layout.device))
        out = storage.absolute(out)
        this = Run(dubs, settings, workers, out, console, engine, layout.device, model, restoration, rejected)
        this.write()
        prepare(this)
        make_dubs(this)
        return this.finish()
