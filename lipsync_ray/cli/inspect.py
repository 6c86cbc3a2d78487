"""``lipsync-ray inspect``: what files say of themselves."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from lipsync_ray.io.console import console_for


def inspect(
    files: Annotated[list[str], typer.Argument(help="Videos and pictures, paths or URLs; also of others.")],
    trust: Annotated[
        str | None,
        typer.Option(help="PEM file of certificates that are trusted; a manifest by anybody else is then no mark."),
    ] = None,
    watermark_key: Annotated[
        str | None,
        typer.Option(
            help="Key file of marks in the pixels. Default: $LIPSYNC_WATERMARK_KEY. The public key is always tried."
        ),
    ] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels/--no-pixels", help="Search the pixels for marks, which takes seconds a video.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line, with all that is known.")] = False,
) -> None:
    """Tell what files say of themselves: manifest and whether it holds, IPTC's source type, mark in the pixels, comment; a line a
    file.

    Exit status 0 where every file says that a computer made or drew in it, 1 where one does not or its manifest does not hold,
    2 where one cannot be read.
    """
    from lipsync_ray import addresses
    from lipsync_ray.provenance.inspection import inspect_file, status_of

    console = console_for()
    found = []
    for file in files:
        found.append(addresses.cleaned(inspect_file(file, trust, watermark_key, pixels)))
        said = json.dumps(asdict(found[-1]), ensure_ascii=False) if as_json else found[-1].line
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(status_of(found))
