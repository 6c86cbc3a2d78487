"""Tables of the terminal, in which no path or name is broken in its middle."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


def print_rows(console: Console, table: Table, lines: Sequence[str]) -> None:
    """Print the table; the lines instead, where the terminal is too narrow for the table's words.

    Parameters
    ----------
    table : of columns that do not wrap, but one of sentences, between words
    lines : the same in plain words, as long as they like: the terminal wraps them, and what is copied is whole
    """
    least = Measurement.get(console, console.options.update(max_width=100_000), table).minimum
    if least <= console.width:
        console.print(table, highlight=False)
        return
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
