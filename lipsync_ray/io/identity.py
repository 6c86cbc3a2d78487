"""Identity of a file's content; compared whenever a file is opened with the one at planning."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lipsync_ray import addresses
from lipsync_ray.errors import ChangedError, LipsyncError
from lipsync_ray.io import local_files, reasons, storage, web
from lipsync_ray.io.listings import listed
from lipsync_ray.io.protocols import S3
from lipsync_ray.io.retries import with_retries

RECENT_S = 120.0
_LOOKERS = 32


def identity(url: str) -> str:
    """16 hex digits from the object's address, size, and modification time or ETag.

    Signing a URL again does not change them.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, StorageError
    """
    if storage.is_local(url):
        path = storage.absolute(url)
        found = local_files.status(path)
        return storage.digest(path, found.st_size, found.st_mtime_ns)
    fs, path = storage.file_system(url)
    if http_fs := web.http_file_system(fs):
        file = with_retries(f"looking at {url}", lambda: web.stat(http_fs, path))
        if http_fs is fs:
            web.check(url, file)
        return storage.digest(addresses.address(path), file.size, file.version)
    fs.invalidate_cache(path)  # a listing from before
    info = with_retries(f"looking at {url}", lambda: reasons.info(fs, path))
    if info.get("type") == "directory":
        raise IsADirectoryError(url)
    return _identity(url, info)


def identities(urls: Iterable[str], recent: bool = False) -> dict[str, str | Exception]:
    """URL → identity, or the exception that was raised. Folders of a bucket that have many of the files are listed.

    Parameters
    ----------
    recent : use the last listing (that of a table's check) once more, if it is at most :data:`RECENT_S` old; a file that was replaced
        since is noticed when it is opened
    """
    distinct = sorted(set(urls))
    near = {url: _identity_or_error(url) for url in distinct if storage.is_local(url)}
    far = [url for url in distinct if url not in near]
    before = _recent.take() if recent else {}
    found = {url: before[url] for url in far if url in before}
    found |= _by_listing([url for url in far if url not in found])
    if not recent:
        _recent.keep(found)
    asked = [url for url in far if url not in found]
    with ThreadPoolExecutor(_LOOKERS) as pool:
        return near | found | dict(zip(asked, pool.map(_identity_or_error, asked), strict=True))


def _by_listing(urls: list[str]) -> dict[str, str]:
    """URL → identity of those that are found in listings, where these agree with a look at one of the files."""
    found = {url: _identity(url, info) for url, info in listed(urls).items()}
    sample = next(iter(found), None)
    return found if sample is not None and _identity_or_error(sample) == found[sample] else {}


class _RecentListing:
    """Identities from the last listing, which can be used once more."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._at = 0.0

    def keep(self, found: dict[str, str]) -> None:
        self._found, self._at = found, time.monotonic()

    def take(self) -> dict[str, str]:
        found, self._found = self._found, {}
        return found if time.monotonic() - self._at < RECENT_S else {}


_recent = _RecentListing()


def _identity_or_error(url: str) -> str | Exception:
    try:
        return identity(url)
    except (OSError, LipsyncError, ValueError, ImportError) as error:
        return error


def _identity(url: str, info: Mapping[str, Any]) -> str:
    return storage.digest(addresses.address(url), info["size"], _version(info) or "")


def _version(info: Mapping[str, Any]) -> Any:
    return info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified")


def check_unchanged(url: str, planned: str, file: object = None) -> None:
    """Check that the object at ``url`` is still the planned one.

    Parameters
    ----------
    planned : its :func:`identity` at planning; empty if unknown
    file : from :func:`opened`, if there is one: a store's answer to opening it has its version

    Raises
    ------
    ChangedError : the content changed, or is gone
    """
    if not planned:
        return
    details = getattr(file, "details", None)
    try:
        found = _identity(url, details) if isinstance(details, dict) and _version(details) else identity(url)
    except FileNotFoundError:
        raise ChangedError(f"{url}: it was removed during the run. Restore it and run the same command again") from None
    if found != planned:
        raise ChangedError(
            f"{url}: it changed during the run. Run the same command again: it starts over with the new content"
        )


def is_pinned(url: str) -> bool:
    """Whether an open file always reads one version, or fails: true for S3, where each range is requested by ETag."""
    return url.partition("://")[0] in S3
