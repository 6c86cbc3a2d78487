"""``lipsync-ray evaluate`` and ``lipsync-ray report``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lipsync_ray.cli.options import OutFolder, RunOptions, end
from lipsync_ray.cli.parameters import with_options
from lipsync_ray.io.console import console_for
from lipsync_ray.jobs.evaluate import PREVIEWS
from lipsync_ray.settings import EvaluateSettings
from lipsync_ray.settings.options import Option

if TYPE_CHECKING:
    from lipsync_ray.jobs.evaluate.job import Evaluated

_MOST_NAMED = 20

Previews = Annotated[
    int | None,
    Option(
        "Videos that the report shows with pictures and a player: a number (the worst, the best and a sample), or all.",
        flag="--previews",
        least=0,
        unit="videos",
        none="all",
        python="previews=…",
    ),
]


@with_options
def evaluate(
    source: Annotated[
        str,
        typer.Argument(
            help="The folder of a finished dub run, or a table (CSV, JSON lines, Parquet) with the column video and "
            "optionally reference, id, language, model."
        ),
    ],
    out: OutFolder,
    *,
    settings: EvaluateSettings,
    previews: Previews = PREVIEWS,
    run: RunOptions,
) -> None:
    """Score dubbed videos: sync, FID, how the picture suffered. Tables and a report go to OUT.

    Run the same command again after it was stopped: what was scored is kept.
    """
    from lipsync_ray import api
    from lipsync_ray.io import storage
    from lipsync_ray.report.page import FILE

    evaluated = api.evaluate(source, out, settings=settings, workers=run.workers_for(), previews=previews)
    _print(evaluated, storage.join(evaluated.out, FILE), console_for())
    end(evaluated.complete, evaluated.scores, run.exit_zero)


@with_options
def report(
    runs: Annotated[list[str], typer.Argument(help="Folders of finished evaluations.")],
    out: OutFolder,
    previews: Previews = PREVIEWS,
) -> None:
    """Put several evaluations (models) into one comparison: OUT/report/index.html."""
    from lipsync_ray.io import storage
    from lipsync_ray.report.page import write_report

    page = write_report([storage.absolute(run) for run in runs], out and storage.absolute(out), previews)
    console_for().print(escape(page), highlight=False, soft_wrap=True)


def _print(evaluated: Evaluated, page: str, console: Console) -> None:
    from lipsync_ray.io.formatting import number
    from lipsync_ray.jobs.evaluate.summary import groups, listed_metrics, sample_note, videos_of

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
        table.add_row(escape(row.language), escape(row.model), videos_of(row), *cells)
    console.print(table, highlight=False)
    if note := sample_note(rows):
        console.print(note, highlight=False, soft_wrap=True)
    for note in sorted({fid.note for fid in evaluated.fids if fid.note}):
        console.print(f"FID: {note}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    faulty = [(score.id, fault) for score in evaluated.scores for fault in score.faults or ()]
    for name, fault in faulty[:_MOST_NAMED]:
        console.print(f"{name}: {fault}", style="red", highlight=False, markup=False, soft_wrap=True)
    if len(faulty) > _MOST_NAMED:
        console.print(f"… and {len(faulty) - _MOST_NAMED} more faults, in the tables", highlight=False)
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
