"""The key of marks in the pixels: read where it is used. What travels is where it is, and a digest of it.

Without a key of one's own marks are made with a key that everybody has, so that everybody can read them.
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
    """Where a key is.

    Attributes
    ----------
    path : absolute, on every node that composes frames; None for the key that everybody has
    digest : by which it is recognised, and which does not tell it
    """

    path: str | None
    digest: str

    def secret(self) -> bytes:
        """The key.

        Raises
        ------
        EncodeError : it is gone, or another one by now
        """
        try:
            secret = read_key(self.path)
        except SettingsError as error:
            raise EncodeError(str(error)) from None
        if digest_of(secret) != self.digest:
            raise EncodeError(f"--watermark-key {self.path}: another key than this run began with; run it again")
        return secret


def key_of(path: str | None) -> MarkKey:
    """The key that an option and the environment mean.

    Parameters
    ----------
    path : of the option; None for $LIPSYNC_WATERMARK_KEY, or else the key that everybody has

    Raises
    ------
    SettingsError : it cannot be read, or is too short
    """
    path = path or os.environ.get(VARIABLE) or None
    path = storage.absolute(path) if path else None
    return MarkKey(path, digest_of(read_key(path)))


def digest_of(secret: bytes) -> str:
    """A text that changes with a key, and does not tell it."""
    return hmac.new(secret, b"which key this is", "sha256").hexdigest()[:16]


@lru_cache(maxsize=8)
def read_key(path: str | None) -> bytes:
    """A key; None for the one that everybody has.

    Raises
    ------
    SettingsError : it cannot be read, or is too short
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
