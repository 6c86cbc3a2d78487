"""Numbers as people read them. Whatever is missing is a dash, and nothing fails for it."""

from __future__ import annotations

import math
from fractions import Fraction

NONE = "–"


def number(value: float | Fraction | None, digits: int = 0, unit: str = "") -> str:
    """A number with so many digits behind its point; a dash where there is none. Zero has no sign."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{float(value):.{digits}f}"
    if text.startswith("-") and float(text) == 0:
        text = text[1:]
    return f"{text} {unit}" if unit else text


def share(value: float | None) -> str:
    """A part of one, in percent."""
    return NONE if value is None or not math.isfinite(value) else f"{number(100 * value)}%"


def text_or_dash(value: object) -> str:
    """The value's text; a dash where there is none."""
    return NONE if value is None else str(value)
