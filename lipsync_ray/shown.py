"""The end of a run as a person sees it: a short table and one line of sums."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lipsync_ray.results import Summary

SHOWN_ROWS = 50


def show(summary: Summary, console: Console) -> None:
    """Print what became of every row, what did not become a video first."""
    table = Table(box=None, pad_edge=False)
    for name, justify in (
        ("id", "left"),
        ("status", "left"),
        ("frames", "right"),
        ("no face", "right"),
        ("work s", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    shown = sorted(summary.results, key=lambda result: result.status == "done")[:SHOWN_ROWS]
    for result in shown:
        colour = {"done": "green", "failed": "red", "no_face": "yellow"}[result.status]
        said = result.output or f"{result.stage}: {result.error}"
        frames, faceless = ("" if n is None else str(n) for n in (result.frames, result.faceless_frames))
        seconds = "" if result.seconds is None else f"{result.seconds:.1f}"
        table.add_row(escape(result.id), f"[{colour}]{result.status}[/]", frames, faceless, seconds, escape(said))
    console.print(table, highlight=False)
    if len(summary.results) > len(shown):
        console.print(f"… and {len(summary.results) - len(shown)} more, all in the table below", highlight=False)
    counts = {status: sum(r.status == status for r in summary.results) for status in ("done", "failed", "no_face")}
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    made = sum(result.frames or 0 for result in summary.results)
    console.print(f"{said}; {made} frames in {summary.seconds:.0f} s; {escape(summary.results_url)}", highlight=False)
