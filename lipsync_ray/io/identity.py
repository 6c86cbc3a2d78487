"""Whether a file is the one that was planned with: what tells one content from another, looked at again at every opening."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lipsync_ray import addresses
from lipsync_ray.errors import ChangedError
from lipsync_ray.io import local_files, reasons, storage, web
from lipsync_ray.io.retries import with_retries


def identity(url: str) -> str:
    """16 hex digits that change when the object at ``url`` is another one: its address, size and time or ETag.

    Of a URL that is signed anew they are the same.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, StorageError
    """
    if storage.is_local(url):
        path = storage.absolute(url)
        found = local_files.status(path)
        return storage.digest(path, found.st_size, found.st_mtime_ns)
    fs, path = storage.file_system(url)
    if asked := web.asked_by(fs):
        file = with_retries(f"looking at {url}", lambda: web.look(asked, path))
        if asked is fs:
            web.check(url, file)
        return storage.digest(addresses.address(path), file.size, file.version)
    fs.invalidate_cache(path)  # a listing from before
    info = with_retries(f"looking at {url}", lambda: reasons.info(fs, path))
    if info.get("type") == "directory":
        raise IsADirectoryError(url)
    return _identity(url, info)


def _identity(url: str, info: Mapping[str, Any]) -> str:
    return storage.digest(addresses.address(url), info["size"], _version(info) or "")


def _version(info: Mapping[str, Any]) -> Any:
    return info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified")


def check_unchanged(url: str, planned: str, file: object = None) -> None:
    """Compare what is at ``url`` with what was planned with.

    Parameters
    ----------
    planned : its :func:`identity` then; empty where nobody looked
    file : of :func:`opened`, where there is one: a store's answer to opening it says its version

    Raises
    ------
    ChangedError : it is another content, or gone
    """
    if not planned:
        return
    details = getattr(file, "details", None)
    try:
        found = _identity(url, details) if isinstance(details, dict) and _version(details) else identity(url)
    except FileNotFoundError:
        raise ChangedError(
            f"{url}: it was removed while it was worked on. Put it back and run the same command again"
        ) from None
    if found != planned:
        raise ChangedError(
            f"{url}: it changed while it was worked on. Run the same command again: it begins anew with what is there now"
        )


def is_pinned(url: str) -> bool:
    """Whether a file that is open shows one version to its end, or fails: S3, of which every range is asked by its ETag."""
    return url.partition("://")[0] in ("s3", "s3a")
