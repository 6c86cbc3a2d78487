"""What tells one content of a file from another, for many files at once."""

from __future__ import annotations

from collections.abc import Iterable

from lipsync_ray.io.identity import identities


def content_ids(urls: Iterable[str]) -> dict[str, str | Exception]:
    """URL → identity, which changes with the content; or why the file cannot be reached."""
    found = identities(urls, recent=True)
    return {url: OSError("no such file") if isinstance(one, FileNotFoundError) else one for url, one in found.items()}
