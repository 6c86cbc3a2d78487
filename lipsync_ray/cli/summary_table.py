"""The end of a run as a person sees it: a short table and one line of sums."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lipsync_ray.cli.tables import print_rows
from lipsync_ray.io import storage
from lipsync_ray.io.formatting import number, text_or_dash
from lipsync_ray.io.results import Result, Summary, line_of

MAX_ROWS = 50


def print_summary(summary: Summary, console: Console) -> None:
    """Print what became of every row, what did not become a video first."""
    table = Table(box=None, pad_edge=False)
    for name, justify in (
        ("id", "left"),
        ("status", "left"),
        ("frames", "right"),
        ("no face", "right"),
        ("hidden", "right"),
        ("work s", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify, no_wrap=bool(name))  # type: ignore[arg-type]
    lines: list[str] = []
    listed = sorted(summary.results, key=lambda result: (result.status == "done", not result.warnings))[:MAX_ROWS]
    for result in listed:
        colour = {"done": "green", "failed": "red", "no_face": "yellow"}[result.status]
        output = (
            [] if result.output is None else [result.output.removeprefix(f"{storage.parent(summary.results_url)}/")]
        )
        warnings = [f"! {warning}" for warning in result.warnings]
        texts = (output or [f"{text_or_dash(result.stage)}: {text_or_dash(result.error)}"]) + warnings
        lines += [line_of(result), *(f"  {text}" for text in output + warnings)]
        numbers = (number(value, digits) for value, digits in _numbers(result))
        table.add_row(escape(result.id), f"[{colour}]{result.status}[/]", *numbers, escape("\n".join(texts)))
    print_rows(console, table, lines)
    if len(summary.results) > len(listed):
        console.print(f"… and {len(summary.results) - len(listed)} more, all in the table below", highlight=False)
    counts = {status: sum(r.status == status for r in summary.results) for status in ("done", "failed", "no_face")}
    counted = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    warned = sum(bool(result.warnings) for result in summary.results)
    counted += f" ({warned} with warnings)" if warned else ""
    named = sum(result.consent is not None for result in summary.results)
    counted += f", consent named for {named} of {len(summary.results)}" if named else ""
    files = {result.one_file for result in summary.results if result.one_file is not None}
    counted += f", {len(files)} {'file' if len(files) == 1 else 'files'} of several languages" if files else ""
    made = sum(result.frames or 0 for result in summary.results)
    took = f"{made} frames in {number(summary.seconds)} s"
    console.print(f"{counted}; {took}; {escape(summary.results_url)}", highlight=False, soft_wrap=True)


def _numbers(result: Result) -> tuple[tuple[float | None, int], ...]:
    return (result.frames, 0), (result.faceless_frames, 0), (result.hidden_frames, 0), (result.seconds, 1)
