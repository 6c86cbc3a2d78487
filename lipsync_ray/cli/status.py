"""``lipsync-ray status``: how a run goes or went, told from its folder alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from lipsync_ray.io.console import console_for

if TYPE_CHECKING:
    from lipsync_ray.engine.run_status import RunStatus


def status(out: Annotated[str, typer.Argument(help="The folder of a run of any job. Path or URL.")]) -> None:
    """Tell how a run goes: rows done, failed and left, what it waits for, segments, rate, time left, slowest stage. From storage alone.

    Exit status 0 where it runs or has ended, 1 where it was ended from outside, 2 where there is no run.
    """
    from lipsync_ray.engine.run_status import read_status
    from lipsync_ray.io import storage

    found = read_status(storage.absolute(out))
    console = console_for()
    console.print(_headline(found), highlight=False, soft_wrap=True)
    if found.waiting:
        console.print(found.waiting, highlight=False, markup=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for name in ("pass", "rows", "failed", "frames/s", "time left", "MB fetched", "slowest stage"):
        table.add_column(name, justify="left" if name in ("pass", "slowest stage") else "right")
    for state in found.passes:
        table.add_row(*_cells(state, found.state == "running"))
    if found.passes:
        console.print(table, highlight=False)
    raise typer.Exit(1 if found.state == "killed" else 0)


def _headline(found: RunStatus) -> str:
    from lipsync_ray.engine.progress import time_left

    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(found.counts.items()))
    left = found.rows - sum(found.counts.values())
    rows = ", ".join(filter(None, (counts, f"{left} left" if left else "")))
    where = f" (process {found.process} on {found.host})" if found.process else ""
    states = {"running": "runs", "ended": "has ended", "killed": "was ended from outside: run the same command again"}
    since = f", {time_left(found.seconds)} so far" if found.state == "running" else f" after {time_left(found.seconds)}"
    since = "" if found.state == "killed" else since
    return f"{found.job} {escape(found.run)}: {states[found.state]}{since}{escape(where)}; {found.rows} rows: {rows or 'none'}"


def _cells(state: dict[str, Any], running: bool) -> tuple[str, ...]:
    from lipsync_ray.engine.progress import seconds_left, time_left
    from lipsync_ray.io.formatting import NONE, number

    rate = state["frames_done"] / state["seconds"] if state["seconds"] and state["frames_done"] else None
    rest = seconds_left(state) if running and state["done"] < state["rows"] else None
    left = NONE if rest is None else time_left(rest)
    work = sum(state["stages"].values())
    slowest = max(state["stages"], key=lambda name: state["stages"][name], default=None)
    share = f"{slowest}, {100 * state['stages'][slowest] / work:.0f}% of the work" if slowest and work else NONE
    rows = f"{state['done']}/{state['rows']} {state['unit']}"
    fetched = state.get("bytes", 0) / 1e6  # none in a run of before it was counted
    return (
        escape(state["name"]),
        rows,
        str(state["failed"]),
        number(rate, 1),
        left,
        number(fetched, 1) if fetched else NONE,
        escape(share),
    )
