"""Formats numbers for people. Missing values become a dash."""

from __future__ import annotations

import math
from fractions import Fraction

NONE = "–"


def number(value: float | Fraction | None, digits: int = 0, unit: str = "") -> str:
    """Format with `digits` decimals; a dash for None, NaN and infinity. Zero has no sign."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{float(value):.{digits}f}"
    if text.startswith("-") and float(text) == 0:
        text = text[1:]
    return f"{text} {unit}" if unit else text


def share(value: float | None) -> str:
    """Format a fraction of one as a percentage."""
    return NONE if value is None or not math.isfinite(value) else f"{number(100 * value)}%"


def text_or_dash(value: object) -> str:
    """The value as text; a dash for None."""
    return NONE if value is None else str(value)
