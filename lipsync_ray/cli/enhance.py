"""``lipsync-ray enhance``."""

from __future__ import annotations

from typing import Annotated

import typer

from lipsync_ray.cli.dub import exit_with
from lipsync_ray.cli.options import OutFolder, RunOptions
from lipsync_ray.cli.parameters import with_options
from lipsync_ray.settings import EnhanceSettings


@with_options
def enhance(
    sources: Annotated[list[str], typer.Argument(help="The folder of a finished dub run, or videos and pictures.")],
    out: OutFolder,
    settings: EnhanceSettings,
    run: RunOptions,
) -> None:
    """Restore the faces of finished videos, or of pictures, with GFPGAN.

    Run the same command again after it was stopped: what was finished is kept.
    """
    from lipsync_ray import api

    exit_with(api.enhance(sources, out, settings=settings, workers=run.workers_for()), run.exit_zero)
