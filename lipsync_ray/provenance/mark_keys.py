"""Reads watermark keys where they are used; only a key's path and digest are sent to workers.

Without a private key, watermarks use a public key, so that anyone can read them.
"""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lipsync_ray.errors import EncodeError, SettingsError
from lipsync_ray.io import storage

VARIABLE = "LIPSYNC_WATERMARK_KEY"
PUBLIC = b"lipsync-ray: the key that everybody has"
_LEAST, _MOST = 16, 4096  # bytes


@dataclass(frozen=True)
class MarkKey:
    """Location of a watermark key.

    Attributes
    ----------
    path : absolute, on every node that composes frames; None for the public key
    digest : identifies the key without revealing it
    """

    path: str | None
    digest: str

    def secret(self) -> bytes:
        """The key.

        Raises
        ------
        EncodeError : the key is missing or has changed
        """
        try:
            secret = read_key(self.path)
        except SettingsError as error:
            raise EncodeError(str(error)) from None
        if digest_of(secret) != self.digest:
            raise EncodeError(f"--watermark-key {self.path}: another key than this run began with; run it again")
        return secret


def key_of(path: str | None) -> MarkKey:
    """The key given by the option or the environment.

    Parameters
    ----------
    path : value of the option; None for $LIPSYNC_WATERMARK_KEY, or else the public key

    Raises
    ------
    SettingsError : it is unreadable, or too short
    """
    path = path or os.environ.get(VARIABLE) or None
    path = storage.absolute(path) if path else None
    return MarkKey(path, digest_of(read_key(path)))


def digest_of(secret: bytes) -> str:
    """A digest that identifies a key without revealing it."""
    return hmac.new(secret, b"which key this is", "sha256").hexdigest()[:16]


@lru_cache(maxsize=8)
def read_key(path: str | None) -> bytes:
    """Read a key; None for the public one.

    Raises
    ------
    SettingsError : it is unreadable, or too short
    """
    if path is None:
        return PUBLIC
    try:
        secret = Path(path).read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"--watermark-key {path}: cannot be read ({error.strerror}); or ${VARIABLE}") from None
    if not _LEAST <= len(secret) <= _MOST:
        raise SettingsError(
            f"--watermark-key {path}: {len(secret)} bytes; expected {_LEAST} to {_MOST}, such as openssl rand -hex 32 writes"
        )
    return secret
