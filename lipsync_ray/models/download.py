"""One file from somewhere else to this machine."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from lipsync_ray.errors import WeightsError

Progress = Callable[[int, int | None], None]
"""Called with (bytes so far, bytes in all or None)."""

_CHUNK = 1 << 20
_TIMEOUT_S = 60


def download(url: str, target: Path, progress: Progress | None = None) -> None:
    """Copy a file: over http(s), or from any path or URL that fsspec knows (``s3://``, ``gs://``, a mounted folder).

    Raises
    ------
    WeightsError : it cannot be reached, or the connection ended
    """
    try:
        if url.startswith(("http://", "https://")):
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
                _copy(answer, int(answer.headers.get("Content-Length") or 0) or None, target, progress)
        else:
            import fsspec

            filesystem, path = fsspec.core.url_to_fs(url)
            with filesystem.open(path, "rb") as file:
                _copy(file, filesystem.size(path), target, progress)
    except (urllib.error.URLError, OSError, ValueError, ImportError) as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise WeightsError(f"{url}: cannot be downloaded: {reason}") from error


def _copy(source: IO[bytes] | Any, total: int | None, target: Path, progress: Progress | None) -> None:
    done = 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
