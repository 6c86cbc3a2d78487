"""How c2pa is asked: no network, no thumbnails, and whom it trusts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import c2pa


@contextmanager
def reading(anchors: str | None = None) -> Iterator[c2pa.Context]:
    """A context to read and to build manifests in.

    Files of others may name a manifest elsewhere, which is not fetched. Thumbnails would keep faces in a manifest.

    Parameters
    ----------
    anchors : trusted certificates, as one PEM text
    """
    import c2pa

    said: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors is not None:
        said["trust"] = {"trust_anchors": anchors}
    with c2pa.Settings.from_dict(said) as settings, c2pa.Context(settings) as context:
        yield context
