"""``lipsync-ray analyze``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lipsync_ray.cli.options import OutFolder, RunOptions, end
from lipsync_ray.cli.parameters import Without, with_options
from lipsync_ray.cli.tables import print_rows
from lipsync_ray.io.console import console_for
from lipsync_ray.settings import AnalyzeSettings

if TYPE_CHECKING:
    from lipsync_ray.jobs.analyze.analysis import Analysis
    from lipsync_ray.jobs.analyze.job import Analysed

MAX_ROWS = 50


@with_options
def analyze(
    sources: Annotated[
        list[str], typer.Argument(help="A table of dubs, or video and audio files; patterns such as 'in/*.mp4' too.")
    ],
    out: OutFolder,
    settings: AnalyzeSettings,
    run: Annotated[RunOptions, Without(("workers.batch", "workers.segment_s"))],
) -> None:
    """Know the input before dubbing: details, transcript, translation, language, faces, and a verdict for each file.

    Run the same command again after it was stopped: what was finished is kept.
    """
    from lipsync_ray import api

    analysed = api.analyze(sources, out, settings=settings, workers=run.workers_for())
    _print(analysed, console_for())
    end(analysed.complete, analysed.analyses, run.exit_zero)


def _print(analysed: Analysed, console: Console) -> None:
    """Print what was found, what cannot be dubbed first."""
    from lipsync_ray.jobs.analyze.verdict import tally

    table = Table(box=None, pad_edge=False)
    for name in ("id", "verdict", "language", ""):
        table.add_column(name, no_wrap=bool(name))
    lines = []
    order = ("impossible", "poor", "good")
    listed = sorted(analysed.analyses, key=lambda analysis: order.index(analysis.verdict.split(":")[0]))
    for analysis in listed[:MAX_ROWS]:
        kind, _, reasons = analysis.verdict.partition(": ")
        colour = {"good": "green", "poor": "yellow", "impossible": "red"}[kind]
        text = reasons or "; ".join(analysis.warnings)
        table.add_row(escape(analysis.id), f"[{colour}]{kind}[/]", escape(_language(analysis)), escape(text))
        lines.append("; ".join(filter(None, (f"{analysis.id}: {kind}", _language(analysis), text))))
    print_rows(console, table, lines)
    if len(listed) > MAX_ROWS:
        console.print(f"… and {len(listed) - MAX_ROWS} more, all in the table below", highlight=False)
    counts = tally([analysis.verdict for analysis in analysed.analyses])
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    console.print(f"{text}; {analysed.seconds:.0f} s; {escape(analysed.url)}", highlight=False, soft_wrap=True)
    console.print(escape(analysed.page), highlight=False, soft_wrap=True)


def _language(analysis: Analysis) -> str:
    return analysis.language or analysis.whisper_language or analysis.wordless or ""
