"""What a finished video says of itself: that a computer drew in it, and who vouches for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from lipsync_ray import addresses
from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check_types, one_of

ProvenanceKind = Literal["none", "tags", "c2pa"]
KINDS: tuple[str, ...] = get_args(ProvenanceKind)
ConsentForm = Literal["hashed", "clear"]
CONSENT_FORMS: tuple[str, ...] = get_args(ConsentForm)


@dataclass(frozen=True)
class ProvenanceSettings:
    """What is written into finished videos and pictures. It changes none of their frames, and no fingerprint.

    Attributes
    ----------
    kind : "tags": IPTC's DigitalSourceType as XMP, and a sentence; "c2pa": these, and a signed manifest; "none"
    cert : PEM file of the signer's certificate, and of those above it; None for $LIPSYNC_SIGN_CERT
    key : PEM file of its private key; None for $LIPSYNC_SIGN_KEY
    command : shell command that gets the bytes on its standard input and writes the signature, instead of a key
    tsa : URL of a time-stamping authority (RFC 3161)
    consent : how the manifest repeats a row's `consent` and `rights`: their sha256, or the texts
    """

    kind: ProvenanceKind = "tags"
    cert: str | None = None
    key: str | None = None
    command: str | None = None
    tsa: str | None = None
    consent: ConsentForm = "hashed"

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--provenance", self.kind, KINDS)
        one_of("--consent-in-manifest", self.consent, CONSENT_FORMS)
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
