"""Checks that a run can write its results to OUT, before anything starts."""

from __future__ import annotations

import re
import uuid

from lipsync_ray.errors import AccessError, LipsyncError, SettingsError, UsageError
from lipsync_ray.io import storage
from lipsync_ray.io.run_folder import check_owner, owner_of

WRITTEN = (".mp4", ".mov", ".mkv", ".webm")  # output formats of a single pair
# File extensions: a folder with such a name is a mistake.
_FILES = re.compile(
    r"\.(mp4|mov|mkv|webm|avi|m4v|mpg|mpeg|ts|mts|m2ts|wmv|flv|f4v|3gp|ogv|mxf|vob|gif"
    r"|wav|mp3|m4a|aac|flac|ogg|oga|opus|wma|png|jpg|jpeg|webp|bmp|tif|tiff|heic|avif"
    r"|csv|tsv|json|jsonl|ndjson|parquet|xlsx|html|md|txt|log|pt|pth|ckpt|bin|onnx|safetensors|npz|zip|gz|tar)"
)
_ERRORS = (OSError, LipsyncError, ValueError, ImportError)  # of a store that cannot be read or written
_LONGEST = 300  # characters of a store's message


def is_video(out: str) -> bool:
    """Whether OUT names a video file rather than a folder; ignores case."""
    return _ending(out) in WRITTEN


def check_pair(out: str) -> None:
    """Check that OUT of a single pair names a video file or a folder.

    Raises
    ------
    SettingsError : it names another kind of file, or a folder exists under the video's name
    """
    if not is_video(out):
        if _FILES.fullmatch(_ending(out)):
            raise SettingsError(
                f"-o {out}: {_ending(out)} is not supported; expected a name that ends in {' or '.join(WRITTEN)}, or a folder"
            )
        return
    try:
        found = storage.what_is(out)
    except _ERRORS:  # check_out reports the reason
        return
    if found == "folder":
        raise SettingsError(f"-o {out}: a folder; expected the name of the video")


def check_out(out: str, job: str) -> None:
    """Check that a folder can take a job's results: its owner, its name, and that it is writable.

    Parameters
    ----------
    job : from :func:`lipsync_ray.io.run_folder.owner`

    Raises
    ------
    SettingsError : gives the reason
    """
    if not out:
        raise SettingsError("-o is empty: expected the folder for the results")
    try:
        check_owner(out, job)
        if storage.what_is(out) == "file":
            raise SettingsError(f"-o {out}: a file; expected a folder")
        if _FILES.fullmatch(_ending(out)) and owner_of(out) is None:  # an existing run may resume in it
            raise SettingsError(f"-o {out}: the name of a file; the results go into a folder")
    except UsageError:
        raise
    except _ERRORS as error:
        raise SettingsError(f"-o {out}: {_why_unwritable(error)}") from error
    check_writable(out)


def check_writable(url: str) -> None:
    """Write an object into a folder and remove it again.

    Raises
    ------
    SettingsError : gives the reason why it cannot
    """
    folder = _nearest(storage.absolute(url)) if storage.is_local(url) else url
    probe = storage.join(folder, f".write-test-{uuid.uuid4().hex[:8]}")
    try:
        storage.commit_bytes(probe, b"")
        storage.remove(probe)
    except _ERRORS as error:
        raise SettingsError(f"-o {url}: {_why_unwritable(error)}") from error


def _ending(out: str) -> str:
    name = storage.name_of(out)
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def _nearest(path: str) -> str:
    """The folder itself, or its nearest existing parent: folders are created only when needed."""
    while not storage.is_there(path) and path != "/":
        path = storage.parent(path)
    return path


def _why_unwritable(error: Exception) -> str:
    text = " ".join(str(error).split())[:_LONGEST]
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "part of the path is a file; expected a folder"
    if isinstance(error, AccessError):
        return text.partition(": ")[2]  # without the name of the test object
    if isinstance(error, PermissionError):
        return f"no permission to write there ({text})"
    if isinstance(error, FileNotFoundError):
        return f"it does not exist and cannot be created ({text})"
    if isinstance(error, ImportError):
        return f"a package is missing for this kind of store ({text})"
    return f"cannot be written ({text})"
