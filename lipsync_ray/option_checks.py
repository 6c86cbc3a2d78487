"""Checks of what options say, in one wording."""

from __future__ import annotations

from lipsync_ray.errors import SettingsError


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Check a choice.

    Raises
    ------
    SettingsError : it is none of those allowed
    """
    if value not in allowed:
        raise SettingsError(f"{option} {value}: expected one of {', '.join(allowed)}")


def within(option: str, value: float | None, least: float, most: float, unit: str = "") -> None:
    """Check a number; None, which leaves it open, is one.

    Raises
    ------
    SettingsError : it is smaller, larger, or not a number
    """
    if value is not None and not least <= value <= most:
        raise SettingsError(f"{option} {value}: expected {least} to {most}{unit and ' '}{unit}")
