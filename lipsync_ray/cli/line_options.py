"""Options of lines that are longer than their slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lipsync_ray.settings import LineSettings

FitOption = Annotated[
    str,
    typer.Option(
        "--fit",
        help="What is done to a line of a table's column cues that is longer than its slot: cut, stretch (speak faster, then cut), "
        "overlap (let it sound on).",
        rich_help_panel="Length",
    ),
]
MaxStretch = Annotated[
    float | None,
    typer.Option(
        "--max-stretch",
        help="For --fit stretch: by how much faster at most (1.3 by default).",
        rich_help_panel="Length",
    ),
]


def line_settings(fit: str, max_stretch: float | None) -> LineSettings:
    """The settings that the options say."""
    from lipsync_ray.settings import LineSettings

    return LineSettings(fit, max_stretch)  # type: ignore[arg-type]
