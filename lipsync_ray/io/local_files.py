"""Local files: operations of :mod:`lipsync_ray.io.storage` on a path. No character of a name acts as a pattern."""

from __future__ import annotations

import glob as patterns
import os
import shutil
import stat
import uuid
from collections.abc import Callable
from urllib.parse import unquote, urlsplit


def is_local(url: str) -> bool:
    """Whether ``url`` is a path of this machine's file system."""
    return "://" not in url or url.startswith(("file://", "local://"))


def path_of(url: str) -> str:
    """The path of a local URL: ``file:///a%20b`` is ``/a b`` (RFC 8089), ``~`` is the home folder."""
    if url.startswith("file://"):
        return unquote(urlsplit(url.replace("?", "%3F").replace("#", "%23")).path)
    path = url.removeprefix("local://")
    return os.path.expanduser(path) if path == "~" or path.startswith("~/") else path


def absolute(url: str) -> str:
    """The path made absolute, so that a worker with another working directory reads the same file."""
    path = path_of(url)
    if not os.path.isabs(path):  # only now query the current folder, which may have been removed
        path = os.path.join(os.getcwd(), path)
    return path if "/../" in f"{path}/" else os.path.normpath(path)  # links decide what ".." means


def exists(url: str) -> bool:
    """Whether there is anything at a local path."""
    return os.path.exists(path_of(url))


def status(path: str) -> os.stat_result:
    """Stat a regular file.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
    OSError : a pipe or a device, which cannot be read twice
    """
    found = os.stat(path)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path}: a pipe or a device; expected a file")
    return found


def read(path: str, start: int, length: int | None) -> bytes:
    """``length`` bytes from ``start``, or all."""
    with open(path, "rb") as file:
        file.seek(start)
        return file.read() if length is None else file.read(length)


def names(folder: str) -> set[str]:
    """Names in a folder; empty if it does not exist."""
    try:
        return set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def tree(folder: str) -> set[str]:
    """Paths of all files below a folder, relative to it; empty if it does not exist."""
    return {os.path.relpath(os.path.join(root, name), folder) for root, _, files in os.walk(folder) for name in files}


def fitting(pattern: str) -> list[str]:
    """Files whose path matches a pattern of ``*``, ``?``, ``[…]`` and ``**``, in alphabetical order."""
    return sorted(path for path in patterns.glob(pattern, recursive=True) if os.path.isfile(path))


def commit(path: str, write: Callable[[str], None]) -> None:
    """Write a file atomically: under a temporary name in the same folder, then renamed."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    os.makedirs(folder or "/", exist_ok=True)
    try:
        write(temporary)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def remove_empty(folder: str) -> None:
    """Remove an empty folder.

    Raises
    ------
    OSError : it is not empty, or not there
    """
    os.rmdir(folder)


def remove(path: str) -> None:
    """Remove a file, or a folder with its content, if it exists."""
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return
