"""Makes the tables of docs/options.md from the options of the commands: ``python docs/make_options.py``.

A table stands between ``<!-- options of COMMANDS: PANELS -->`` and ``<!-- end -->``; commands and panels are separated by
commas, and the first panel of ``--help`` is called Options. What is written around the tables stays.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from lipsync_ray.cli import app
from lipsync_ray.settings.checks import range_of
from lipsync_ray.settings.options import Leaf
from lipsync_ray.settings.workers import Workers

PAGE = Path(__file__).with_name("options.md")
COMMANDS = ("dub", "enhance", "evaluate", "analyze", "train", "calibrate", "report", "demo")
FIRST_PANEL = "Options"
_TABLE = re.compile(r"(<!-- options of ([\w, ]+): ([^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def leaves_of(command: str) -> list[Leaf]:
    """The options of a command, as its ``--help`` lists them."""
    return list(getattr(app, command).leaves)


def filled(page: str) -> str:
    """A page with its tables made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{_table(_words(found[2]), _words(found[3]))}{found[4]}", page)


def shown(page: str) -> dict[str, set[str]]:
    """The flags that a page's tables show, by command."""
    found: dict[str, set[str]] = {command: set() for command in COMMANDS}
    for table in _TABLE.finditer(page):
        for command in _words(table[2]):
            found[command] |= {leaf.option.flag for leaf in leaves_of(command) if _panel(leaf) in _words(table[3])}
    return found


def _table(commands: list[str], panels: list[str]) -> str:
    rows: dict[tuple[str, ...], list[str]] = {}
    for command in commands:
        for panel in panels:
            for leaf in leaves_of(command):
                if _panel(leaf) == panel:
                    rows.setdefault(_row(leaf), []).append(command)
    heads = ["option", *(["of"] if len(commands) > 1 else []), "", "default", "in Python"]
    lines = [heads, ["---"] * len(heads)]
    for (flag, *cells), owners in rows.items():
        owner = ["all" if owners == commands else ", ".join(owners)] if len(commands) > 1 else []
        lines.append([flag, *owner, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(leaf: Leaf) -> tuple[str, ...]:
    option = leaf.option
    flag = " ".join(filter(None, (option.flag if option.flag.startswith("-") else option.flag.upper(), option.metavar)))
    flag = f"`{flag}`"
    if leaf.hint is bool and leaf.default is not False:
        flag += f", `--no-{option.flag.removeprefix('--')}`"
    flag = f"`{option.short}`, {flag}" if option.short else flag
    values = range_of(option)
    meaning = leaf.meaning if not values else f"{leaf.meaning} Takes {values}."
    place = f"workers=Workers({leaf.python})" if leaf.kinds[:1] == (Workers,) else leaf.python
    python = f"`{place}`" if re.search(r"[=(]|^out$", place) else place
    return flag, meaning.replace("|", "\\|"), _default(leaf), python


def _default(leaf: Leaf) -> str:
    value: Any = leaf.default
    if leaf.option.required or value is False or value == "":
        return ""
    if value is None:
        return f"`{leaf.option.none}`" if leaf.option.none else ""
    if value is True:
        return "on"
    parts = [getattr(value, part.name) for part in fields(value)] if is_dataclass(value) else [value]
    return f"`{' '.join(f'{part:g}' if isinstance(part, float) else str(part) for part in parts)}`"


def _panel(leaf: Leaf) -> str:
    return leaf.option.panel or FIRST_PANEL


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
