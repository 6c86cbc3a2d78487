"""The user's home folder, also where the system knows of none."""

from __future__ import annotations

from pathlib import Path


def home() -> Path:
    """``$HOME``, or what the system says; ``/``, as containers have it, for a user id that it does not know."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")
