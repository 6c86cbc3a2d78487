"""What a finished video says of itself: that a computer drew in it, and who vouches for that."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from lipsync_ray import addresses
from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Option, described

ProvenanceKind = Literal["none", "tags", "c2pa"]
ConsentForm = Literal["hashed", "clear"]
_PANEL = "Provenance"


@described
@dataclass(frozen=True)
class ProvenanceSettings:
    """What is written into finished videos and pictures. It changes none of their frames, and no fingerprint."""

    kind: Annotated[
        ProvenanceKind,
        Option(
            "What the output says of itself: tags (XMP and a comment: a computer drew in it); c2pa, these and a signed "
            "manifest; none.",
            flag="--provenance",
            panel=_PANEL,
        ),
    ] = "tags"
    cert: Annotated[
        str | None,
        Option(
            "PEM file of the signer's certificate, those above it behind it. Default: $LIPSYNC_SIGN_CERT.",
            flag="--sign-cert",
            panel=_PANEL,
        ),
    ] = None
    key: Annotated[
        str | None,
        Option(
            "PEM file of its private key, on every node that finishes videos. Default: $LIPSYNC_SIGN_KEY.",
            flag="--sign-key",
            panel=_PANEL,
        ),
    ] = None
    command: Annotated[
        str | None,
        Option(
            "Instead of a key: a shell command that gets bytes on its standard input and writes their signature (HSM, KMS).",
            flag="--sign-command",
            panel=_PANEL,
        ),
    ] = None
    tsa: Annotated[str | None, Option("URL of a time-stamping authority (RFC 3161).", panel=_PANEL)] = None
    consent: Annotated[
        ConsentForm,
        Option(
            "How the manifest repeats the columns consent and rights: hashed, or clear.",
            flag="--consent-in-manifest",
            panel=_PANEL,
        ),
    ] = "hashed"

    def __post_init__(self) -> None:
        check(self)
        given = {
            "--sign-cert": self.cert,
            "--sign-key": self.key,
            "--sign-command": self.command,
            "--tsa": self.tsa,
            "--consent-in-manifest": None if self.consent == "hashed" else self.consent,
        }
        option_given = next((option for option, value in given.items() if value is not None), None)
        if option_given and self.kind != "c2pa":
            raise SettingsError(
                f"{option_given} is for --provenance c2pa, which signs; add that, or leave the option out"
            )
        if self.key is not None and self.command is not None:
            raise SettingsError("--sign-key and --sign-command: expected one of them")
        if self.tsa is not None and not self.tsa.startswith(("http://", "https://")):
            raise SettingsError(f"--tsa {self.tsa}: expected an http or https address")

    def record(self) -> dict[str, Any]:
        """What of it a run's record tells: nothing of where keys are, or of how they are reached."""
        return {"kind": self.kind, "tsa": self.tsa and addresses.address(self.tsa), "consent": self.consent}
