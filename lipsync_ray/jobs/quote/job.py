"""What a table of dubs will take and cost, as Python functions."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lipsync_ray.api import Location
from lipsync_ray.io.console import console_for, download_line
from lipsync_ray.profiles import auto_engine
from lipsync_ray.settings.checks import given
from lipsync_ray.settings.dub import dub_settings

if TYPE_CHECKING:
    from lipsync_ray.engine.runners import Cluster
    from lipsync_ray.jobs.quote.plan import Prices, Quote
    from lipsync_ray.jobs.quote.rates import Rates
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.settings import DubSettings, Workers


def quote_table(
    table: Location,
    out: Location,
    *,
    model: str | None = None,
    settings: DubSettings | None = None,
    workers: Workers | None = None,
    cluster: Cluster | None = None,
    rates: Location | None = None,
    prices: Prices | None = None,
    speakers: Location | None = None,
    redo: Location | None = None,
) -> Quote:
    """Plan the dubs of a table; nothing is fetched, decoded or written.

    Parameters
    ----------
    table, out, model, settings, workers, speakers, redo : as for :func:`lipsync_ray.dub_table`
    cluster : that will do it; None for this machine, or the cluster of `workers`
    rates : table of :func:`calibrate`, or the folder of a finished run; None for what `out` tells of its last run, else the
        table where calibrate leaves it; without either no time is told
    prices : of machines; without them no cost is told

    Raises
    ------
    ManifestError, SettingsError, WeightsError, CheckpointError, ClusterError
    """
    from lipsync_ray.engine.resources import allocate
    from lipsync_ray.engine.start import cluster_of
    from lipsync_ray.io import storage
    from lipsync_ray.io.manifest import read_manifest, with_speakers
    from lipsync_ray.io.run_folder import check_owner
    from lipsync_ray.jobs.dub.inputs import DUB
    from lipsync_ray.jobs.dub.networks import networks
    from lipsync_ray.jobs.dub.recipe import Recipe
    from lipsync_ray.jobs.quote.plan import Prices, quote
    from lipsync_ray.settings import Workers

    folder = storage.absolute(os.fspath(out))
    settings = dub_settings(settings, model)
    workers = given("workers", workers, Workers) or Workers(engine=auto_engine(None))
    prices = given("prices", prices, Prices)
    rows = with_speakers(read_manifest(os.fspath(table)), speakers)
    check_owner(folder, DUB.name)
    cluster = cluster or cluster_of(workers)
    device = allocate(cluster, workers, alone=True).device
    recipe = Recipe.of(settings, networks(settings, fetch=False), device, workers.batch, [row.language for row in rows])
    known = _rates(None if rates is None else os.fspath(rates), folder, recipe.work, settings.coding)
    review = None if redo is None else os.fspath(redo)
    return quote(rows, recipe, workers, folder, cluster, known, prices, review)


def calibrate(
    rates: Location | None = None,
    *,
    model: str | None = None,
    settings: DubSettings | None = None,
    workers: Workers | None = None,
    scratch: Location | None = None,
    progress: bool = True,
) -> Rates:
    """Measure what frames cost on this machine or cluster, and keep it for :func:`quote_table`.

    Parameters
    ----------
    rates : table that the costs are put into; None for ``~/.cache/lipsync_ray/rates.json``
    model, settings, workers, progress : as for :func:`lipsync_ray.dub_table`
    scratch : folder that all nodes of a cluster share

    Raises
    ------
    SettingsError, WeightsError, CheckpointError, ClusterError
    """
    from lipsync_ray.demo.corpus import LANGUAGES, make_corpus
    from lipsync_ray.io import storage
    from lipsync_ray.io.out_folder import check_writable
    from lipsync_ray.jobs.quote import calibration
    from lipsync_ray.jobs.quote import rates as tables
    from lipsync_ray.settings import Workers

    settings = dub_settings(settings, model)
    workers = given("workers", workers, Workers) or Workers(engine="ray")
    url = storage.absolute(os.fspath(rates) if rates is not None else tables.default_rates_url())
    check_writable(storage.parent(url))
    tables.check_rates_url(url)
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder))
        found = calibration.calibrate(
            [Path(folder) / "pan.mp4", Path(folder) / "sway.mp4"],
            [Path(folder) / f"{language}.ogg" for language in LANGUAGES],
            settings,
            workers,
            progress,
            None if scratch is None else os.fspath(scratch),
            download_line(console_for(progress)),
        )
    tables.save(url, found)
    return found


def _rates(given: str | None, out: str, work: str, coding: VideoCoding) -> Rates | None:
    """Rates of a way to work: from what is given, from the last run, from where calibrate leaves them. One that knows the codec
    comes before one that does not."""
    from lipsync_ray.errors import SettingsError
    from lipsync_ray.io import storage
    from lipsync_ray.io.run_folder import RUN_FILE
    from lipsync_ray.jobs.quote.rates import default_rates_url, load, rates_of

    if given is not None and given.endswith(".json"):
        return load(given, work)
    if given is not None:
        found = rates_of([storage.absolute(given)])
        if found.work != work:
            raise SettingsError(f"--rates {given}: a run of {found.work!r}; the plan is for {work!r}")
        return found
    url = default_rates_url()
    sources: list[tuple[str, Callable[[], Rates]]] = [
        (storage.join(out, RUN_FILE), lambda: rates_of([out])),
        (url, lambda: load(url, work)),
    ]
    known: list[Rates] = []
    for source, read in sources:
        try:
            if storage.exists(source) and (found := read()).work == work:
                known.append(found)
        except SettingsError:
            pass  # a run that made nothing, or is not over; a table without this way to work
    return next((one for one in known if one.coded(coding, "8 bits") is not None), next(iter(known), None))
