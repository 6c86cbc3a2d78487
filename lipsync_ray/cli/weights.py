"""``lipsync-ray weights``: the registry of checkpoints on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lipsync_ray.cli.tables import print_rows
from lipsync_ray.io.console import console_for

if TYPE_CHECKING:
    from lipsync_ray.models.weights import Weights

_ANY_WIDTH = 10_000  # columns: a pipe has none

app = typer.Typer(no_args_is_help=True, help="The registry of checkpoints: list, fetch, verify.")


@app.command("list")
def weights_list() -> None:
    """Every registered checkpoint: where it is, how large, under what licence."""
    from lipsync_ray.models import weights

    console = console_for()
    line = "\n" if console.is_terminal else " "  # a pipe's reader takes line by line
    table = Table(box=None, pad_edge=False)
    for name in ("name", "here", "size", "licence", "file"):
        table.add_column(name, no_wrap=name != "licence")
    lines = []
    for entry in weights.REGISTRY:
        path = weights.location(entry)
        here = "bundled" if entry.bundled else ("yes" if path.is_file() else "no")
        size_bytes = entry.size or (path.stat().st_size if path.is_file() else None)
        size = f"{size_bytes / 1e6:.1f} MB" if size_bytes else "not known"
        names = line.join([entry.name, *(f"(= {alias})" for alias in entry.aliases)])
        table.add_row(names, here, size, entry.licence, str(path))
        lines += [f"{', '.join((entry.name, *entry.aliases))}: {here}, {size}; {entry.licence}", f"  {path}"]
    if console.is_terminal:
        print_rows(console, table, lines)
    else:
        console.width = console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum
        console.print(table, highlight=False)


@app.command("fetch")
def weights_fetch(names: Annotated[list[str], typer.Argument(help="Names from `weights list`.")]) -> None:
    """Download checkpoints, and those that they cannot do without, into the cache and verify them."""
    from lipsync_ray.errors import WeightsError
    from lipsync_ray.io.console import download_line
    from lipsync_ray.models import weights

    console = console_for()
    lost = []
    asked = [entry.name for entry in _entries(names)]
    companions = [name for entry in _entries(names) for name in entry.companions]
    for entry in _entries(list(dict.fromkeys((*asked, *companions)))):
        console.print(f"{entry.name}, licence: {entry.licence}", highlight=False, soft_wrap=True)
        try:
            console.print(str(weights.fetch(entry, download_line(console))), highlight=False, soft_wrap=True)
        except WeightsError as error:
            lost.append(
                f"the weights of {entry.name!r} cannot be fetched.\n  {error}\nInstead:\n{weights.by_hand(entry)}"
            )
    if lost:
        raise WeightsError("\n".join(lost))


@app.command("verify")
def weights_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Default: all that are here.")] = None,
) -> None:
    """Compare files with the registry's sizes and sha256."""
    from lipsync_ray.errors import WeightsError
    from lipsync_ray.models import weights

    console = console_for()
    bad = 0
    for entry in _entries(names or [entry.name for entry in weights.REGISTRY]):
        path = weights.location(entry)
        if not path.is_file():
            console.print(f"{entry.name}: not here ({path})", highlight=False, soft_wrap=True)
            bad += names is not None
            continue
        try:
            weights.check(entry, path)
            console.print(f"{entry.name}: good", highlight=False, soft_wrap=True)
        except WeightsError as error:
            console.print(f"{entry.name}: {escape(str(error))}", highlight=False, soft_wrap=True)
            bad += 1
    raise typer.Exit(1 if bad else 0)


def _entries(names: list[str]) -> list[Weights]:
    from lipsync_ray.errors import SettingsError
    from lipsync_ray.models import weights

    known = ", ".join(entry.name for entry in weights.REGISTRY)
    entries = [weights.find(name) for name in names]
    if unknown := [name for name, entry in zip(names, entries, strict=True) if entry is None]:
        raise SettingsError(f"{', '.join(unknown)}: not in the registry; expected {known}")
    return [entry for entry in entries if entry is not None]
