"""Options of what is put into frames to tell that a computer drew in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lipsync_ray.errors import SettingsError

if TYPE_CHECKING:
    from lipsync_ray.settings.marks import MarkSettings

_PANEL = "Provenance"

WatermarkOption = Annotated[
    bool,
    typer.Option(
        "--watermark",
        help="Mark the pixels of drawn frames invisibly; lipsync-ray inspect finds the mark.",
        rich_help_panel=_PANEL,
    ),
]
WatermarkKey = Annotated[
    str | None,
    typer.Option(
        help="Key file of the mark, on every node. Default: $LIPSYNC_WATERMARK_KEY, else a public key.",
        rich_help_panel=_PANEL,
    ),
]
LabelOption = Annotated[
    str | None,
    typer.Option(
        help="Text shown in a corner; auto: a notice that AI was used, in the row's language.", rich_help_panel=_PANEL
    ),
]
LabelSeconds = Annotated[
    str,
    typer.Option(help="Show the label for so many seconds from the first frame, or for all.", rich_help_panel=_PANEL),
]
LabelCorner = Annotated[
    str,
    typer.Option(help="Corner of the label: top-left, top-right, bottom-left, bottom-right.", rich_help_panel=_PANEL),
]
LabelFont = Annotated[
    str | None,
    typer.Option(
        help="Font file of the label. Default: an installed font that has the letters.", rich_help_panel=_PANEL
    ),
]


def mark_settings(
    watermark: bool, key: str | None, label: str | None, seconds: str, corner: str, font: str | None
) -> MarkSettings:
    """What the options say.

    Raises
    ------
    SettingsError : a value that cannot work, or options that do not belong together
    """
    from lipsync_ray.settings.marks import MarkSettings

    try:
        shown = None if seconds == "all" else float(seconds)
    except ValueError:
        raise SettingsError(f"--label-seconds {seconds}: expected a number of seconds, or all") from None
    return MarkSettings(watermark, key, label, shown, corner, font)  # type: ignore[arg-type]
