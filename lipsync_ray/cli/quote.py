"""``lipsync-ray dub --dry-run``: the plan before it starts; and ``lipsync-ray calibrate``, which measures what it needs."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lipsync_ray.cli.options import Log
from lipsync_ray.cli.parameters import Only, with_options
from lipsync_ray.errors import SettingsError
from lipsync_ray.io.console import console_for
from lipsync_ray.settings import DubSettings, Workers
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.dub import written_by
from lipsync_ray.settings.options import Option, leaves_of

if TYPE_CHECKING:
    from lipsync_ray.engine.runners import Cluster
    from lipsync_ray.jobs.quote.plan import Quote

_MOST_NAMED = 10
_HD = 1920 * 1080 / 1e6  # megapixels

_PANEL = "Quote"


@dataclass(frozen=True)
class QuoteOptions:
    """Whether a plan is asked for, and of what it is to be."""

    dry_run: Annotated[
        bool,
        Option(
            "Say what there is to do and about how long it takes; do nothing.", panel=_PANEL, python="quote_table(…)"
        ),
    ] = False
    rates: Annotated[
        str | None,
        Option(
            "What frames cost: the table of lipsync-ray calibrate, or the folder of a finished run. Default: OUT's last run, "
            "else the table where calibrate leaves it.",
            panel=_PANEL,
            python="quote_table(…, rates=…)",
        ),
    ] = None
    cpus: Annotated[
        float | None,
        Option(
            "Plan for so many CPUs instead of those here.",
            panel=_PANEL,
            least=1,
            python="quote_table(…, cluster=Cluster(…))",
        ),
    ] = None
    gpus: Annotated[
        float | None,
        Option(
            "Plan for so many GPUs instead of those here.",
            panel=_PANEL,
            least=0,
            python="quote_table(…, cluster=Cluster(…))",
        ),
    ] = None
    price_cpu: Annotated[
        float | None,
        Option(
            "Of a CPU an hour, for --dry-run.", panel=_PANEL, least=0, python="quote_table(…, prices=Prices(cpu=…))"
        ),
    ] = None
    price_gpu: Annotated[
        float | None,
        Option(
            "Of a GPU an hour, for --dry-run.", panel=_PANEL, least=0, python="quote_table(…, prices=Prices(gpu=…))"
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self)
        options = {leaf.option.flag: getattr(self, *leaf.path) for leaf in leaves_of(QuoteOptions)}
        given = next((flag for flag, value in options.items() if value is not None and value is not False), None)
        if given and not self.dry_run:
            raise SettingsError(f"{given} is for --dry-run, which plans and does nothing")


def dry_run(
    table: str,
    out: str,
    settings: DubSettings,
    workers: Workers,
    asked: QuoteOptions,
    speakers: str | None = None,
    redo: str | None = None,
) -> None:
    """Print the plan of a table.

    Raises
    ------
    SettingsError, ManifestError, WeightsError, CheckpointError, ClusterError
    """
    from lipsync_ray.engine.start import cluster_of
    from lipsync_ray.jobs.quote.job import quote_table
    from lipsync_ray.jobs.quote.plan import Prices

    began = time.monotonic()
    cluster = cluster_of(workers)
    cluster = replace(cluster, cpus=asked.cpus or cluster.cpus, gpus=cluster.gpus if asked.gpus is None else asked.gpus)
    prices = Prices(asked.price_cpu, asked.price_gpu)
    plan = quote_table(
        table, out, settings=settings, workers=workers, cluster=cluster, rates=asked.rates, prices=prices,
        speakers=speakers, redo=redo,
    )  # fmt: skip
    console = console_for()
    _print(plan, cluster, settings, console)
    console.print(
        f"planned in {time.monotonic() - began:.1f} s, with {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB "
        "of memory; nothing was started",
        highlight=False,
    )


def _print(plan: Quote, cluster: Cluster, settings: DubSettings, console: Console) -> None:
    left = plan.dubs - plan.before - len(plan.unreadable)
    before = f"; {plan.before:,} are done" if plan.before else ""
    lines = [
        f"{left:,} dubs of {plan.videos:,} videos to make{before}",
        f"faces to find in {plan.fresh:,} videos of {_clock(plan.source_s)}",
        f"to be drawn: {plan.frames:,} frames, {_clock(plan.output_s)} of video, in {plan.segments:,} segments",
        f"written by {written_by(settings)}",
    ]
    if plan.one_files:
        lines.append(f"files of several languages: {plan.one_files:,}")
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
        size = f", about {_megabytes(plan.bytes)} of video" if plan.bytes is not None else ""
        console.print(
            f"about {_clock(plan.seconds)} {where}{cost}{size} (by rates of {escape(plan.rates.work)})", highlight=False, soft_wrap=True
        )  # fmt: skip
        if plan.unmeasured:
            console.print(
                f"the cost of encoding {'; '.join(plan.unmeasured)} at this preset was not measured: that of another codec or preset "
                "is used. `lipsync-ray calibrate` measures CPU codecs at their default presets; --rates also takes the folder of a "
                "finished run with the same codec and preset",
                style="yellow", highlight=False, soft_wrap=True,
            )  # fmt: skip


def _megabytes(size: float) -> str:
    """Two digits of it, or all before the point."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:.2g} MB"


def _clock(seconds: float) -> str:
    from lipsync_ray.engine.progress import time_left

    return time_left(seconds)


@with_options
def calibrate(
    rates: Annotated[
        str | None,
        Option(
            "Table to put the rates into. Default: ~/.cache/lipsync_ray/rates.json.",
            flag="--rates",
            short="-o",
            python="calibrate(rates=…)",
        ),
    ] = None,
    *,
    settings: Annotated[DubSettings, Only(("model", "restore.model", "precision"))],
    workers: Annotated[Workers, Only(("actors", "gpus_per_actor", "batch", "address"))],
    scratch: Annotated[
        str | None,
        Option(
            "A folder that all nodes of --address share; it is used for a moment.", python="calibrate(…, scratch=…)"
        ),
    ] = None,
    log: Log,
) -> None:
    """Measure what a frame costs here, stage by stage: dubs a built-in clip at two sizes. dub --dry-run reads it.

    Once for each model, restoration and kind of machine; about three minutes.
    """
    from lipsync_ray.jobs.quote.job import calibrate as measure
    from lipsync_ray.jobs.quote.rates import default_rates_url

    if workers.address is not None and scratch is None:
        raise SettingsError(
            "--scratch is missing: a folder that the nodes of --address share, such as s3://bucket/scratch"
        )
    found = measure(rates, settings=settings, workers=workers, scratch=scratch)
    console = console_for()
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "ms a frame", "ms a megapixel more", "GPU ms a frame"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage, rate in found.stages.items():
        table.add_row(stage, *(f"{1000 * value:.1f}" for value in (rate.frame, rate.megapixel, rate.gpu)))
    console.print(table, highlight=False)
    decoding = ", ".join(f"{codec} {1000 * seconds:+.1f}" for codec, seconds in found.decode.items())
    coding = ", ".join(f"{sort} {1000 * rate.cpu(1, _HD):+.0f}" for sort, rate in found.encode.items())
    other = "no other encoder to compare"
    console.print(
        f"decoding a megapixel, relative to 8-bit H.264: {decoding or other} ms", highlight=False, soft_wrap=True
    )
    console.print(
        f"encoding 1920 × 1080, relative to 8-bit H.264: {coding or other} ms", highlight=False, soft_wrap=True
    )
    console.print(
        f"a run's start and end {found.start_s:.0f} s; CPUs busy {found.busy:.0%}; {escape(rates or default_rates_url())}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
