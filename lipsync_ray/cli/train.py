"""``lipsync-ray train``: teach a network on clips of people who talk."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from lipsync_ray.cli.options import RunOptions, end
from lipsync_ray.cli.parameters import Without, with_options
from lipsync_ray.io.console import console_for
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.settings.options import Option

MAX_ROWS = 5


@with_options
def train(
    out: Annotated[
        str,
        Option(
            "Folder for the weights, their card and curve. Path or URL.",
            flag="--out",
            short="-o",
            required=True,
            python="out",
        ),
    ],
    settings: TrainSettings,
    clips: Annotated[
        str,
        typer.Argument(
            help="Folder of clips in which one person talks, or a table with columns video and optionally person."
        ),
    ],
    run: Annotated[RunOptions, Without(("workers.batch", "workers.segment_s", "profile", "allow_protocols"))],
) -> None:
    """Train on clips of people who talk; weights, curve and model card go to OUT.

    Run the same command again after it was stopped: clips that were looked at are kept, and training goes on from its last
    checkpoint.
    """
    from lipsync_ray import api

    trained = api.train(clips, out, settings=settings, workers=run.workers_for())
    console = console_for()
    lost = [row for row in trained.rows if row.status != "used"]
    warned = [row for row in trained.rows if row.warnings]
    for row in lost[:MAX_ROWS]:
        console.print(f"{row.id}: {row.error}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for row in warned[:MAX_ROWS]:
        text = "; ".join(row.warnings)
        console.print(f"{row.id}: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for name, value in trained.measured.items():
        console.print(f"{name}: {value}", highlight=False, markup=False, soft_wrap=True)
    clips = f"{len(trained.rows) - len(lost)} of {len(trained.rows)} clips of use"
    clips += f" ({len(warned)} with warnings)" if warned else ""
    said = f"{settings.steps_made(trained.steps)}; {clips}; {trained.seconds:.0f} s"
    console.print(f"{said}; {escape(trained.model)}", highlight=False, soft_wrap=True)
    end(trained.complete, trained.rows, run.exit_zero)
