"""``lipsync-ray demo``: the built-in corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lipsync_ray.cli.dub import exit_with
from lipsync_ray.cli.options import Engine, Log, engine_of
from lipsync_ray.cli.parameters import with_options
from lipsync_ray.io.console import console_for


@with_options
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the demo's inputs and results.")] = Path(
        "lipsync-demo"
    ),
    *,
    engine: Engine = "auto",
    log: Log,
) -> None:
    """Dub a small built-in corpus with the bundled weights: no arguments, no network."""
    from lipsync_ray import api
    from lipsync_ray.demo.corpus import make_corpus
    from lipsync_ray.io.out_folder import check_out
    from lipsync_ray.settings import Workers

    check_out(str(out), "dub")
    console_for().print(f"making the demo's inputs in {escape(str(out))}/inputs", highlight=False, soft_wrap=True)
    table = make_corpus(out / "inputs")
    exit_with(api.dub_table(table, out, model="warp", workers=Workers(engine=engine_of(engine, None))))
