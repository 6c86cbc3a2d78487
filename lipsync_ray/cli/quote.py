"""``lipsync-ray dub --dry-run``: the plan before it starts; and ``lipsync-ray calibrate``, which measures what it needs."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lipsync_ray.cli.logs import LogFile, Verbose, log_to
from lipsync_ray.cli.options import Actors, Address, Batch, Gpus, Model, PrecisionOption, Restore, restore_settings
from lipsync_ray.io.console import console_for

if TYPE_CHECKING:
    from lipsync_ray.engine.runners import Cluster
    from lipsync_ray.jobs.quote.plan import Quote
    from lipsync_ray.settings import DubSettings, Workers

_MOST_NAMED = 10

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Say what there is to do and about how long it takes; do nothing.", rich_help_panel="Quote"
    ),
]
RatesOption = Annotated[
    str | None,
    typer.Option(
        "--rates",
        help="What frames cost: the table of lipsync-ray calibrate, or the folder of a finished run. Default: OUT's last "
        "run, else the table where calibrate leaves it.",
        rich_help_panel="Quote",
    ),
]
QuoteCpus = Annotated[
    float | None, typer.Option("--cpus", help="Plan for so many CPUs instead of those here.", rich_help_panel="Quote")
]
QuoteGpus = Annotated[
    float | None, typer.Option("--gpus", help="Plan for so many GPUs instead of those here.", rich_help_panel="Quote")
]
PriceCpu = Annotated[float | None, typer.Option(help="Of a CPU an hour, for --dry-run.", rich_help_panel="Quote")]
PriceGpu = Annotated[float | None, typer.Option(help="Of a GPU an hour, for --dry-run.", rich_help_panel="Quote")]


def dry_run(
    table: str,
    out: str,
    settings: DubSettings,
    workers: Workers,
    rates: str | None,
    cpus: float | None,
    gpus: float | None,
    price_cpu: float | None,
    price_gpu: float | None,
) -> None:
    """Print the plan of a table.

    Raises
    ------
    SettingsError, ManifestError, WeightsError, CheckpointError, ClusterError
    """
    from dataclasses import replace

    from lipsync_ray.engine.start import cluster_of
    from lipsync_ray.errors import SettingsError
    from lipsync_ray.jobs.quote.job import quote_table
    from lipsync_ray.jobs.quote.plan import Prices

    for option, value in (("--cpus", cpus), ("--gpus", gpus), ("--price-cpu", price_cpu), ("--price-gpu", price_gpu)):
        if value is not None and (value < 0 or (option == "--cpus" and value < 1)):
            raise SettingsError(f"{option} {value:g}: expected {'1 or more' if option == '--cpus' else '0 or more'}")
    began = time.monotonic()
    cluster = cluster_of(workers)
    cluster = replace(cluster, cpus=cpus or cluster.cpus, gpus=cluster.gpus if gpus is None else gpus)
    prices = Prices(price_cpu, price_gpu)
    plan = quote_table(
        table, out, settings=settings, workers=workers, cluster=cluster, rates=rates, prices=prices
    )  # fmt: skip
    console = console_for()
    _print(plan, cluster, console)
    console.print(
        f"planned in {time.monotonic() - began:.1f} s, with {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB "
        "of memory; nothing was started",
        highlight=False,
    )


def _print(plan: Quote, cluster: Cluster, console: Console) -> None:
    left = plan.dubs - plan.before - len(plan.unreadable)
    before = f"; {plan.before:,} are done" if plan.before else ""
    lines = [
        f"{left:,} dubs of {plan.videos:,} videos to make{before}",
        f"faces to find in {plan.fresh:,} videos of {_clock(plan.source_s)}",
        f"to be drawn: {plan.frames:,} frames, {_clock(plan.output_s)} of video, in {plan.segments:,} segments",
    ]
    for line in lines:
        console.print(line, highlight=False)
    for name, reason in plan.unreadable[:_MOST_NAMED]:
        console.print(
            f"{name}: cannot be dubbed: {reason}", style="yellow", highlight=False, markup=False, soft_wrap=True
        )
    if len(plan.unreadable) > _MOST_NAMED:
        console.print(f"… and {len(plan.unreadable) - _MOST_NAMED:,} more that cannot be dubbed", highlight=False)
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "processes", "CPUs each", "GPUs each", "frames", "CPU minutes", "GPU minutes"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage, pool in plan.pools:
        load = plan.loads.get(stage)
        minutes = [f"{value / 60:,.1f}" if load and plan.rates and value else "–" for value in ((load.cpu, load.gpu) if load else (0, 0))]  # fmt: skip
        table.add_row(
            stage, str(pool.workers), f"{pool.cpus:.2f}", f"{pool.gpus:g}", f"{load.frames if load else 0:,}", *minutes
        )
    console.print(table, highlight=False)
    where = f"on {cluster.cpus:g} CPUs" + (f" and {cluster.gpus:g} GPUs" if cluster.gpus else "")
    if not left:
        console.print("nothing is left to do", highlight=False)
    elif plan.rates is None or plan.seconds is None:
        console.print(
            "no time is told: nothing was measured for this model, restoration and device. `lipsync-ray calibrate` with the "
            "same --model and --restore does",
            style="yellow", highlight=False, soft_wrap=True,
        )  # fmt: skip
    else:
        cost = f", costs {plan.cost:,.2f}" if plan.cost is not None else ""
        console.print(
            f"about {_clock(plan.seconds)} {where}{cost} (by rates of {escape(plan.rates.work)})", highlight=False, soft_wrap=True
        )  # fmt: skip


def _clock(seconds: float) -> str:
    from lipsync_ray.engine.progress import time_left

    return time_left(seconds)


def calibrate(
    rates: Annotated[
        str | None,
        typer.Option("-o", "--rates", help="Table to put the rates into. Default: ~/.cache/lipsync_ray/rates.json."),
    ] = None,
    model: Model = "wav2lip_gan",
    restore: Restore = "none",
    precision: PrecisionOption = "auto",
    actors: Actors = None,
    gpus_per_actor: Gpus = None,
    batch: Batch = None,
    address: Address = None,
    scratch: Annotated[
        str | None, typer.Option(help="A folder that all nodes of --address share; it is used for a moment.")
    ] = None,
    log_file: LogFile = None,
    verbose: Verbose = False,
) -> None:
    """Measure what a frame costs here, stage by stage: dubs a built-in clip at two sizes. dub --dry-run reads it.

    Once for each model, restoration and kind of machine; about two minutes.
    """
    from lipsync_ray.errors import SettingsError
    from lipsync_ray.jobs.quote.job import calibrate as measure
    from lipsync_ray.jobs.quote.rates import default_rates_url
    from lipsync_ray.settings import DubSettings, Workers

    log_to(log_file, verbose)
    if address is not None and scratch is None:
        raise SettingsError(
            "--scratch is missing: a folder that the nodes of --address share, such as s3://bucket/scratch"
        )
    settings = DubSettings(
        model=model,
        precision=precision,  # type: ignore[arg-type]
        restore=restore_settings(restore, "ellipse", "face", 1.0),
    )
    found = measure(
        rates, settings=settings, workers=Workers(actors, gpus_per_actor, batch, address=address, engine="ray"), scratch=scratch
    )  # fmt: skip
    console = console_for()
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "ms a frame", "ms a megapixel more", "GPU ms a frame"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage, rate in found.stages.items():
        table.add_row(stage, *(f"{1000 * value:.1f}" for value in (rate.frame, rate.megapixel, rate.gpu)))
    console.print(table, highlight=False)
    codecs = ", ".join(f"{codec} {1000 * seconds:+.1f}" for codec, seconds in found.decode.items())
    console.print(f"decoding a megapixel, to H.264: {codecs or 'no other encoder to compare'} ms", highlight=False)
    console.print(
        f"a run's start and end {found.start_s:.0f} s; CPUs busy {found.busy:.0%}; {escape(rates or default_rates_url())}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
