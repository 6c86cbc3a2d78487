"""``lipsync-ray evaluate`` and ``lipsync-ray report``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lipsync_ray.cli.logs import LogFile, Verbose, log_to
from lipsync_ray.cli.options import (
    Actors,
    Address,
    Attempts,
    Batch,
    EngineOption,
    ExitZero,
    Gpus,
    OutFolder,
    Profile,
    Protocols,
    Segment,
    end,
    engine_of,
)
from lipsync_ray.io.console import console_for
from lipsync_ray.jobs.evaluate import PREVIEWS

if TYPE_CHECKING:
    from lipsync_ray.jobs.evaluate.job import Evaluated

_MOST_NAMED = 20

PreviewsOption = Annotated[
    str,
    typer.Option(
        "--previews",
        help="Videos that the report shows with pictures and a player: a number (the worst, the best and a sample), or all.",
    ),
]


def evaluate(
    source: Annotated[
        str,
        typer.Argument(
            help="The folder of a finished dub run, or a table (CSV, JSON lines, Parquet) with the column video and "
            "optionally reference, id, language, model."
        ),
    ],
    out: OutFolder,
    scorer: Annotated[
        str,
        typer.Option(help="syncnet (LSE-D, LSE-C), or mini-sync (bundled, its own numbers).", rich_help_panel="Sync"),
    ] = "syncnet",
    scorer_weights: Annotated[
        str | None, typer.Option(help="A file to use instead of the registered weights.", rich_help_panel="Sync")
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(help="real: face tracks; lrs: the whole frame, for face-centred clips.", rich_help_panel="Sync"),
    ] = "real",
    min_track: Annotated[
        int,
        typer.Option(help="A face track counts if it is seen in more frames, at 25 a second.", rich_help_panel="Sync"),
    ] = 100,
    min_face: Annotated[
        int | None,
        typer.Option(
            help="… and its face is larger, in pixels. Default: 100 for syncnet, 40 for mini-sync.",
            rich_help_panel="Sync",
        ),
    ] = None,
    face: Annotated[
        str | None,
        typer.Option(
            help="Whose tracks: all, largest, center, left, right. Default: the dubbed face of a run, all of a table.",
            rich_help_panel="Sync",
        ),
    ] = None,
    fid: Annotated[
        str, typer.Option(help="inception, a file of its weights, or none to leave FID out.", rich_help_panel="FID")
    ] = "inception",
    dims: Annotated[int, typer.Option(help="Inception features: 64, 192, 768, 2048.", rich_help_panel="FID")] = 2048,
    fid_every: Annotated[int, typer.Option(help="Use every Nth frame (25 fps).", rich_help_panel="FID")] = 5,
    judges: Annotated[
        bool,
        typer.Option(
            "--judges/--no-judges",
            help="Measure the lips, and compare them with what a network never used to train a generator hears.",
            rich_help_panel="Judges",
        ),
    ] = True,
    previews: PreviewsOption = str(PREVIEWS),
    actors: Actors = None,
    gpus_per_actor: Gpus = None,
    batch: Batch = None,
    segment: Segment = None,
    attempts: Attempts = None,
    profile: Profile = None,
    address: Address = None,
    engine: EngineOption = "auto",
    allow_protocols: Protocols = None,
    exit_zero: ExitZero = False,
    log_file: LogFile = None,
    verbose: Verbose = False,
) -> None:
    """Score dubbed videos: sync, FID, how the picture suffered. Tables and a report go to OUT.

    Run the same command again after it was stopped: what was scored is kept.
    """
    from lipsync_ray import api
    from lipsync_ray.io import protocols, storage
    from lipsync_ray.profiles import workers_of
    from lipsync_ray.report.page import FILE
    from lipsync_ray.settings import EvaluateSettings

    log_to(log_file, verbose)
    protocols.allow(allow_protocols)
    preview_count = _count(previews)
    settings = EvaluateSettings(
        scorer=scorer,  # type: ignore[arg-type]
        scorer_weights=scorer_weights,
        protocol=protocol,  # type: ignore[arg-type]
        min_track=min_track,
        min_face=min_face,
        face=face,  # type: ignore[arg-type]
        fid=fid,
        dims=dims,
        fid_every=fid_every,
        judges=judges,
    )
    workers = workers_of(profile, actors, gpus_per_actor, batch, segment, attempts, address, engine_of(engine, address))
    evaluated = api.evaluate(source, out, settings=settings, workers=workers, previews=preview_count)
    _print(evaluated, storage.join(evaluated.out, FILE), console_for())
    end(evaluated.complete, evaluated.scores, exit_zero)


def report(
    runs: Annotated[list[str], typer.Argument(help="Folders of finished evaluations.")],
    out: OutFolder,
    previews: PreviewsOption = str(PREVIEWS),
) -> None:
    """Put several evaluations (models) into one comparison: OUT/report/index.html."""
    from lipsync_ray.io import storage
    from lipsync_ray.report.page import write_report

    page = write_report([storage.absolute(run) for run in runs], out and storage.absolute(out), _count(previews))
    console_for().print(escape(page), highlight=False, soft_wrap=True)


def _count(previews: str) -> int | None:
    """The number that --previews says; None for all.

    Raises
    ------
    SettingsError : neither
    """
    from lipsync_ray.errors import SettingsError

    if previews == "all":
        return None
    if not previews.isdigit():
        raise SettingsError(f"--previews {previews}: expected a number of videos, or all")
    return int(previews)


def _print(evaluated: Evaluated, page: str, console: Console) -> None:
    from lipsync_ray.io.formatting import number
    from lipsync_ray.jobs.evaluate.summary import groups, listed_metrics

    rows = groups(evaluated.scores, evaluated.fids)
    metrics = [metric for metric in listed_metrics(rows) if metric.in_terminal]
    table = Table(box=None, pad_edge=False)
    for name in ("language", "model", "videos"):
        table.add_column(name)
    for name in (*(metric.short for metric in metrics), *(["FID"] if evaluated.fids else [])):
        table.add_column(name, justify="right")
    for row in rows:
        cells = [number(row.stats[m.name].mean if m.name in row.stats else None, m.digits) for m in metrics]
        if evaluated.fids:
            cells.append(number(row.fid.fid if row.fid else None, 2))
        table.add_row(escape(row.language), escape(row.model), f"{row.scored}/{row.videos}", *cells)
    console.print(table, highlight=False)
    for note in sorted({fid.note for fid in evaluated.fids if fid.note}):
        console.print(f"FID: {note}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    doubted = [(score.id, warning) for score in evaluated.scores for warning in score.warnings or ()]
    for name, warning in doubted[:_MOST_NAMED]:
        console.print(f"{name}: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    if len(doubted) > _MOST_NAMED:
        console.print(f"… and {len(doubted) - _MOST_NAMED} more warnings, in the tables", highlight=False)
    alone = Counter(score.reference_error for score in evaluated.scores if score.reference and score.reference_error)
    for reason, count in list(alone.items())[:_MOST_NAMED]:
        console.print(
            f"{count} of {len(evaluated.scores)} videos not compared with the reference: {reason}",
            style="yellow", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    if len(alone) > _MOST_NAMED:
        console.print(f"… and {len(alone) - _MOST_NAMED} more reasons, in the tables", highlight=False)
    missing = [score for score in evaluated.scores if score.status != "scored"]
    for score in missing[:_MOST_NAMED]:
        console.print(
            f"{score.id}: {score.status.replace('_', ' ')}: {score.error}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if len(missing) > _MOST_NAMED:
        console.print(f"… and {len(missing) - _MOST_NAMED} more, in the tables", highlight=False)
    warning = (
        f"{len(evaluated.scores) - len(missing)} of {len(evaluated.scores)} videos scored in {evaluated.seconds:.0f} s"
    )
    console.print(f"{warning}; {escape(page)}", highlight=False, soft_wrap=True)
