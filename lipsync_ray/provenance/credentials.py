"""Configures c2pa: no network access, no thumbnails, and the trusted certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import c2pa


@contextmanager
def reading(anchors: str | None = None) -> Iterator[c2pa.Context]:
    """A context to read and build manifests.

    Manifests referenced by address are not downloaded. Thumbnails are off, because they would store faces in the
    manifest.

    Parameters
    ----------
    anchors : trusted certificates, as one PEM text
    """
    import c2pa

    options: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors is not None:
        options["trust"] = {"trust_anchors": anchors}
    with c2pa.Settings.from_dict(options) as settings, c2pa.Context(settings) as context:
        yield context
