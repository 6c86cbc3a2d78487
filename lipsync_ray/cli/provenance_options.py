"""Options of what the output says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lipsync_ray.settings.provenance import ProvenanceSettings

_PANEL = "Provenance"

Provenance = Annotated[
    str,
    typer.Option(
        help="What the output says of itself: tags (XMP and a comment: a computer drew in it); c2pa, these and a signed manifest; none.",
        rich_help_panel=_PANEL,
    ),
]
SignCert = Annotated[
    str | None,
    typer.Option(
        help="PEM file of the signer's certificate, those above it behind it. Default: $LIPSYNC_SIGN_CERT.",
        rich_help_panel=_PANEL,
    ),
]
SignKey = Annotated[
    str | None,
    typer.Option(
        help="PEM file of its private key, on every node that finishes videos. Default: $LIPSYNC_SIGN_KEY.",
        rich_help_panel=_PANEL,
    ),
]
SignCommand = Annotated[
    str | None,
    typer.Option(
        help="Instead of a key: a shell command that gets bytes on its standard input and writes their signature (HSM, KMS).",
        rich_help_panel=_PANEL,
    ),
]
Tsa = Annotated[
    str | None,
    typer.Option("--tsa", help="URL of a time-stamping authority (RFC 3161).", rich_help_panel=_PANEL),
]
ConsentInManifest = Annotated[
    str,
    typer.Option(
        help="How the manifest repeats the columns consent and rights: hashed, or clear.", rich_help_panel=_PANEL
    ),
]


def provenance_settings(
    kind: str, cert: str | None, key: str | None, command: str | None, tsa: str | None, consent: str
) -> ProvenanceSettings:
    """What the options say.

    Raises
    ------
    SettingsError : options that do not belong together
    """
    from lipsync_ray.settings.provenance import ProvenanceSettings

    return ProvenanceSettings(kind, cert, key, command, tsa, consent)  # type: ignore[arg-type]
