"""``lipsync-ray clean``: what a run keeps of people, listed and removed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lipsync_ray.io.console import console_for

_NAMED = 5  # of files that the run did not make


def clean(
    out: Annotated[str, typer.Argument(help="The folder of a run of any job. Path or URL.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be removed, with sizes, and remove nothing.")
    ] = False,
    all_of_people: Annotated[
        bool,
        typer.Option("--all-of-people", help="Remove previews, too: pictures and sounds of people beside the results."),
    ] = False,
) -> None:
    """Remove what a run keeps of people besides its results: face tables, landmarks, encodings, features of voices, unfinished parts.

    Videos, results and reports stay, and so does every file that the run did not make. What is removed is made again by the next
    run that needs it. Refused while a run works there.
    """
    from lipsync_ray.engine.cleaning import clean as remove
    from lipsync_ray.engine.cleaning import contents

    console = console_for()
    found = contents(out, all_of_people) if dry_run else remove(out, all_of_people, console)
    table = Table(box=None, pad_edge=False)
    for name in ("", "files", "MB", "what"):
        table.add_column(name, justify="right" if name in ("files", "MB") else "left")
    for one in found:
        done = ("would go" if dry_run else "removed") if one.goes else "stays"
        names = (
            ""
            if one.use is not None
            else f": {', '.join(one.files[:_NAMED])}{', …' if len(one.files) > _NAMED else ''}"
        )
        table.add_row(done, str(len(one.files)), f"{one.size / 1e6:.2f}", escape(one.what + names))
    console.print(table, highlight=False)
    gone = [one for one in found if one.goes]
    console.print(
        f"{escape(out)}: {sum(len(one.files) for one in gone)} files, {sum(one.size for one in gone) / 1e6:.2f} MB "
        f"{'would be removed' if dry_run else 'removed'}",
        highlight=False,
        soft_wrap=True,
    )
