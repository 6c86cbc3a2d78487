"""Copies a file to this machine, by one process at a time."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from lipsync_ray.errors import WeightsError

Progress = Callable[[int, int | None], None]
"""Called with (bytes so far, total bytes or None)."""

_CHUNK = 1 << 20
_TIMEOUT_S = 60


def download(url: str, target: Path, progress: Progress | None = None) -> None:
    """Copy a file over http(s), or from any path or URL that fsspec supports (``s3://``, ``gs://``, a mounted folder).

    Raises
    ------
    WeightsError : the source cannot be reached, or the connection broke
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


@contextlib.contextmanager
def locked(path: Path, variable: str) -> Iterator[None]:
    """Lock a file against all other processes on this machine.

    Parameters
    ----------
    variable : environment variable that sets the folder, for the message

    Raises
    ------
    WeightsError : the folder is not writable
    """
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise WeightsError(
            f"{path.parent} cannot be written ({error.strerror or error}); set {variable} to a folder that can"
        ) from error
    try:
        yield
    finally:
        lock.release()
