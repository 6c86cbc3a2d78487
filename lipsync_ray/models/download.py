"""One file from somewhere else to this machine, by one process at a time."""

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


@contextlib.contextmanager
def locked(path: Path, variable: str) -> Iterator[None]:
    """The right to write a file, of all processes of this machine.

    Parameters
    ----------
    variable : of the environment, which says in which folder

    Raises
    ------
    WeightsError : the folder cannot be written
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
