"""Options of a model that draws a head anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lipsync_ray.settings.head import HeadSettings

_PANEL = "Heads (EchoMimic)"

Steps = Annotated[
    int | None,
    typer.Option(
        help="Steps from noise to picture. By default 30, and 6 for echomimic-acc. Time goes with them.",
        rich_help_panel=_PANEL,
    ),
]
Guidance = Annotated[
    float | None,
    typer.Option(
        help="How far to exaggerate what person and sound change: 2.5 by default, for twice the time; 1, for echomimic-acc, asks once.",
        rich_help_panel=_PANEL,
    ),
]
Seed = Annotated[
    int | None, typer.Option(help="Of the noise; 420 by default. Equal seeds make equal heads.", rich_help_panel=_PANEL)
]
HeadSide = Annotated[
    int | None,
    typer.Option(
        help="Pixels of the square that is drawn: 512 by default, as taught; a multiple of 64.", rich_help_panel=_PANEL
    ),
]
PasteBack = Annotated[
    bool,
    typer.Option("--paste-back", help="Put the head back into the frame that it was cut from.", rich_help_panel=_PANEL),
]
Parity = Annotated[
    bool,
    typer.Option(
        "--parity",
        help="As the published pipeline: windows in a ring, noise in the weights' type, levels cut off, overlaps added up without "
        "guidance.",
        rich_help_panel=_PANEL,
    ),
]


def head_settings(
    steps: int | None, guidance: float | None, seed: int | None, side: int | None, paste_back: bool, parity: bool
) -> HeadSettings | None:
    """What the options say; None where they say nothing.

    Raises
    ------
    SettingsError : a number out of its range
    """
    from lipsync_ray.settings.head import HeadSettings

    said = {
        name: value
        for name, value in {"steps": steps, "guidance": guidance, "seed": seed, "side": side}.items()
        if value is not None
    }
    if not said and not paste_back and not parity:
        return None
    return HeadSettings(**said, paste_back=paste_back, parity=parity)  # type: ignore[arg-type]
