"""Signs with a certificate and a private key or a command; both are tested before anything starts.

The key is read in the process that signs and is not kept. Only its path is sent there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lipsync_ray.errors import SettingsError, SigningError
from lipsync_ray.io import storage
from lipsync_ray.provenance.certificates import Chain, check_signature, read_chain, read_key
from lipsync_ray.settings.provenance import ProvenanceSettings

if TYPE_CHECKING:
    import c2pa

CERT_VARIABLE = "LIPSYNC_SIGN_CERT"
KEY_VARIABLE = "LIPSYNC_SIGN_KEY"
_COMMAND_S = 120.0
_LONGEST = 300  # characters of c2pa's messages
_PROBE = b"lipsync-ray asks whether this key is that of the certificate"


@dataclass(frozen=True)
class Signer:
    """Locations of a signer's certificate and key.

    Attributes
    ----------
    cert, key : absolute paths, on every node that finishes files; key is None if a command signs
    command : shell command that signs its standard input
    tsa : URL of a time-stamping authority
    sha256 : of the certificate
    """

    cert: str
    key: str | None
    command: str | None
    tsa: str | None
    sha256: str

    @property
    def identity(self) -> tuple[object, ...]:
        """Everything that determines the signature, for fingerprints."""
        return self.sha256, self.tsa

    @property
    def files(self) -> tuple[str, ...]:
        """Files that every node must be able to read."""
        return tuple(filter(None, (self.cert, self.key)))

    @contextmanager
    def opened(self) -> Iterator[c2pa.Signer]:
        """A c2pa signer, valid inside the block.

        Raises
        ------
        SigningError : the certificate changed since the run began, the key is missing, or c2pa failed in the block
        """
        import c2pa

        refused: list[SettingsError] = []  # the command's error; c2pa reports only that it failed
        try:
            with self._made(refused) as signer:
                yield signer
        except SettingsError as error:
            raise SigningError(str(error)) from None
        except c2pa.C2paError as error:
            raise SigningError(str(refused[0]) if refused else self._why(error)) from None

    def _made(self, refused: list[SettingsError]) -> c2pa.Signer:
        import c2pa

        chain = read_chain(self.cert)
        if chain.sha256 != self.sha256:
            raise SettingsError(f"--sign-cert {self.cert}: another certificate than this run began with; run it again")
        algorithm = getattr(c2pa.C2paSigningAlg, chain.algorithm.upper())
        if self.command is None:
            info = c2pa.C2paSignerInfo(algorithm, chain.pem, read_key(self.key or "", chain), self.tsa)
            return c2pa.Signer.from_info(info)

        def sign(data: bytes) -> bytes:
            try:
                return ask_command(self.command or "", data, chain)
            except SettingsError as error:
                refused.append(error)
                return b""

        return c2pa.Signer.from_callback(sign, algorithm, chain.pem.decode(), self.tsa)

    def _why(self, error: Exception) -> str:
        message = " ".join(str(error).split())[:_LONGEST]
        if self.tsa and re.search(r"time.?stamp|http|tsa", message, re.IGNORECASE):
            return f"--tsa {self.tsa}: no time stamp from there ({message}); leave it out, or try again later"
        return f"--sign-cert {self.cert}: c2pa cannot sign with it: {message}"


def signer_of(settings: ProvenanceSettings) -> Signer:
    """The signer given by settings and environment; checks that the key belongs to the certificate.

    Raises
    ------
    SettingsError : names the option and what to do
    """
    if find_spec("c2pa") is None:
        raise SettingsError(
            "--provenance c2pa needs the package c2pa-python, which is not installed. Run: pip install 'lipsync-ray[provenance]'"
        )
    cert = settings.cert or os.environ.get(CERT_VARIABLE)
    key = None if settings.command is not None else settings.key or os.environ.get(KEY_VARIABLE)
    if not cert:
        raise SettingsError(
            f"--provenance c2pa needs a signer: give --sign-cert chain.pem (or {CERT_VARIABLE}) and --sign-key key.pem (or "
            f"{KEY_VARIABLE}); how to get a certificate is in docs/provenance.md"
        )
    if not key and settings.command is None:
        raise SettingsError(
            f"--sign-cert {cert}: its private key is missing; give --sign-key key.pem (or {KEY_VARIABLE}), or --sign-command"
        )
    chain = read_chain(cert)
    chain.check()
    signer = Signer(
        storage.absolute(cert), storage.absolute(key) if key else None, settings.command, settings.tsa, chain.sha256
    )
    if settings.command is not None:
        ask_command(settings.command, _PROBE, chain)
    else:
        read_key(signer.key or "", chain)
    return signer


def ask_command(command: str, data: bytes, chain: Chain) -> bytes:
    """Run the signing command; return its signature in C2PA's raw form (for elliptic curves r and s concatenated).

    Raises
    ------
    SettingsError : it fails, or signs with another key than the certificate's
    """
    option = "--sign-command"
    try:
        done = subprocess.run(command, shell=True, input=data, capture_output=True, timeout=_COMMAND_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"no answer in {_COMMAND_S:.0f} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        raise SettingsError(f"{option}: {message}; expected a signature of its standard input") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = f": {lines[-1]}" if lines else ""
        raise SettingsError(f"{option}: ended with status {done.returncode}{why}")
    return check_signature(option, chain, data, done.stdout)
