"""Whether a run can put its results where it is told to, found out before anything starts."""

from __future__ import annotations

import uuid

from lipsync_ray.errors import AccessError, LipsyncError, SettingsError
from lipsync_ray.io import storage

_LONGEST = 300  # characters of a store's own words


def check_writable(url: str) -> None:
    """Write an object into a folder and remove it again.

    Raises
    ------
    SettingsError : why nothing can be written there, in one sentence
    """
    folder = _nearest(storage.absolute(url)) if storage.is_local(url) else url
    probe = storage.join(folder, f".write-test-{uuid.uuid4().hex[:8]}")
    try:
        storage.commit_bytes(probe, b"")
        storage.remove(probe)
    except (OSError, LipsyncError, ValueError, ImportError) as error:
        raise SettingsError(f"-o {url}: {_why_unwritable(error)}") from error


def _nearest(path: str) -> str:
    """The folder itself, or the nearest one above it that is there: nothing is made before it is needed."""
    while not storage.is_there(path) and path != "/":
        path = storage.parent(path)
    return path


def _why_unwritable(error: Exception) -> str:
    text = " ".join(str(error).split())[:_LONGEST]
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "there is a file of that name on the way; expected a folder"
    if isinstance(error, AccessError):
        return text.partition(": ")[2]  # without the name of the object that was to be written
    if isinstance(error, PermissionError):
        return f"no permission to write there ({text})"
    if isinstance(error, FileNotFoundError):
        return f"it does not exist and cannot be made ({text})"
    if isinstance(error, ImportError):
        return f"a package is missing for this kind of store ({text})"
    return f"cannot be written ({text})"
