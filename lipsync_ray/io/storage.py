"""Storage by fsspec URL: read, list, and atomic writes.

A local path is a URL without a scheme. Object stores show an object only after its upload, so writing it whole is
atomic; elsewhere the bytes go to a temporary name in the same folder, which is then renamed. Calls are retried on
transient faults (:mod:`lipsync_ray.io.retries`).
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import quote

from fsspec import filesystem
from fsspec.core import has_magic, url_to_fs

from lipsync_ray import addresses
from lipsync_ray.errors import ChangedError
from lipsync_ray.io import bytes_read, local_files, reasons, web
from lipsync_ray.io.retries import with_retries

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
READ_BLOCK = 1 << 20  # bytes per request to a remote file that is read in parts


def is_local(url: str) -> bool:
    """Whether ``url`` is a path of this machine's file system."""
    return local_files.is_local(url)


def local_path(url: str) -> Path:
    """The path of a local URL."""
    return Path(local_files.path_of(url))


def join(root: str, *names: str) -> str:
    """``root/name/…``, for a path or a URL."""
    return "/".join([root.rstrip("/") or "/", *names]) if names else root


def join_relative(folder: str, path: str) -> str:
    """Resolve a path relative to ``folder``; ``..`` goes up, in a bucket too."""
    if is_local(folder):
        return absolute(join(folder, path))
    protocol, _, inside = join(folder, path).partition("://")
    bucket, _, key = inside.partition("/")
    return f"{protocol}://{bucket}/{posixpath.normpath('/' + key).lstrip('/')}"


def parent(url: str) -> str:
    """The folder of a file."""
    return addresses.without_query(url).rstrip("/").rpartition("/")[0] or "/"


def absolute(url: str) -> str:
    """A local path made absolute, so that a worker with another working directory reads the same file.

    Spaces in a URL become ``%20``, so that its end is clear in a message.
    """
    return local_files.absolute(url) if is_local(url) else re.sub(r"\s", lambda blank: quote(blank[0]), url)


def is_absolute(path: str) -> bool:
    """Whether a local path does not depend on the current folder."""
    return os.path.isabs(local_files.path_of(path))


def is_there(path: str) -> bool:
    """Whether there is anything at a local path."""
    return local_files.exists(path)


def name_of(url: str) -> str:
    """The last part of a path or URL, without a query."""
    return addresses.without_query(url).rstrip("/").rsplit("/", 1)[-1]


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it."""
    if "::" in url and "://" in url.partition("::")[2]:  # a chain, such as simplecache::s3://…
        fs, path = url_to_fs(url)
    else:
        fs = filesystem(url.partition("://")[0])
        path = fs._strip_protocol(url)
    return fs, str(path)


def exists(url: str) -> bool:
    """Whether an object or folder exists."""
    if is_local(url):
        return is_there(url)
    fs, path = file_system(url)
    return bool(with_retries(f"looking for {url}", lambda: fs.exists(path)))


def what_is(url: str) -> Literal["file", "folder"] | None:
    """ "file", "folder", or None if nothing exists. A store's folder exists while an object is in it."""
    if is_local(url):
        return "folder" if os.path.isdir(local_files.path_of(url)) else "file" if is_there(url) else None
    fs, path = file_system(url)
    fs.invalidate_cache(path)
    try:
        kind = with_retries(f"looking for {url}", lambda: reasons.info(fs, path))["type"]
    except FileNotFoundError:
        return None
    return "folder" if kind == "directory" else "file"


def file_key(url: str) -> str:
    """A key that is equal for every spelling of one file or folder: relative, through a link, with a trailing slash.

    Raises
    ------
    FileNotFoundError : a local path does not exist (object stores are not queried)
    """
    if is_local(url):
        found = os.stat(absolute(url))
        return f"{found.st_dev}:{found.st_ino}"
    fs, path = file_system(url)
    return f"{type(fs).__name__}:{path.rstrip('/')}"


def size(url: str) -> int:
    """Bytes of the object at ``url``."""
    if is_local(url):
        return local_files.status(absolute(url)).st_size
    fs, path = file_system(url)
    if http_fs := web.http_file_system(fs):
        found = with_retries(f"looking at {url}", lambda: web.stat(http_fs, path))
        return found.size if found.size is not None else len(read_bytes(url))
    return int(with_retries(f"looking at {url}", lambda: fs.size(path)))


def digest(*parts: object) -> str:
    """16 hex digits of a hash over the parts' texts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def read_bytes(url: str, start: int = 0, length: int | None = None) -> bytes:
    """``length`` bytes from ``start``, or all."""
    if is_local(url):
        return with_retries(f"reading {url}", lambda: local_files.read(absolute(url), start, length))
    fs, path = file_system(url)
    stop = None if length is None else start + length
    if web.http_file_system(fs) is fs:
        data = with_retries(f"reading {url}", lambda: web.read(fs, path, start, length))
    else:
        data = bytes(with_retries(f"reading {url}", lambda: fs.cat_file(path, start=start, end=stop)))
    bytes_read.add(len(data))
    return data


def list_names(url: str) -> set[str]:
    """Names in a folder; empty if it does not exist."""
    if is_local(url):
        return local_files.names(absolute(url))
    fs, path = file_system(url)
    fs.invalidate_cache(path)
    try:
        entries = with_retries(f"listing {url}", lambda: fs.ls(path, detail=False))
    except (FileNotFoundError, NotADirectoryError):
        return set()
    fs.invalidate_cache(path)  # else s3fs would not see files that other processes write later
    return {name_of(entry) for entry in entries}


def list_tree(url: str) -> set[str]:
    """Paths of all objects below a folder, relative to it; empty if it does not exist."""
    return local_files.tree(absolute(url)) if is_local(url) else set(remote_tree(url))


def remote_tree(url: str) -> dict[str, dict[str, Any]]:
    """Path of every object below a folder of a store, relative to it → its fsspec info."""
    fs, path = file_system(url)
    fs.invalidate_cache(path)
    found = with_retries(f"listing {url}", lambda: fs.find(path, detail=True))
    root = fs._strip_protocol(path).rstrip("/") + "/"
    return {fs._strip_protocol(name).removeprefix(root): entry for name, entry in found.items()}


def glob(url: str) -> list[str]:
    """Files whose name matches a pattern of ``*``, ``?`` and ``[…]``, in alphabetical order."""
    if is_local(url):
        return local_files.fitting(absolute(url))
    fs, path = file_system(url)
    found = with_retries(f"listing {url}", lambda: fs.glob(path, detail=True))
    return [fs.unstrip_protocol(name) for name in sorted(found) if found[name]["type"] == "file"]


def commit_bytes(url: str, data: bytes) -> None:
    """Write ``data`` to ``url`` atomically."""
    if is_local(url):
        with_retries(f"writing {url}", lambda: local_files.commit(absolute(url), lambda to: _write(to, data)))
        return
    fs, path = file_system(url)
    if _whole_writes(fs):
        with_retries(f"writing {url}", lambda: fs.pipe_file(path, data))
    else:
        _by_rename(fs, path, url, lambda to: fs.pipe_file(to, data))


def commit_file(source: Path, url: str) -> None:
    """Copy the local file ``source`` to ``url`` atomically."""
    if is_local(url):
        copying = partial(shutil.copyfile, source)
        with_retries(f"writing {url}", lambda: local_files.commit(absolute(url), copying))
        return
    fs, path = file_system(url)
    if _whole_writes(fs):
        with_retries(f"writing {url}", lambda: fs.put_file(str(source), path))
    else:
        _by_rename(fs, path, url, lambda to: fs.put_file(str(source), to))


def copy(source: str, target: str) -> None:
    """Copy an object between any two stores atomically."""
    if is_local(source):
        commit_file(local_path(source), target)
        return
    fs, path = file_system(source)
    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch) / name_of(source)
        with_retries(f"reading {source}", lambda: fs.get_file(path, str(local)))
        commit_file(local, target)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _whole_writes(fs: Any) -> bool:
    return bool(web.protocols(fs) & OBJECT_STORES)


def _by_rename(fs: Any, path: str, url: str, write: Callable[[str], None]) -> None:
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"

    def commit() -> None:
        fs.makedirs(folder or "/", exist_ok=True)
        try:
            write(temporary)
            fs.mv(temporary, path)
        except BaseException:
            if fs.exists(temporary):
                fs.rm_file(temporary)
            raise

    with_retries(f"writing {url}", commit)


def remove(url: str) -> None:
    """Remove an object, or a folder with its content, if it exists."""
    if is_local(url):
        with_retries(f"removing {url}", lambda: local_files.remove(absolute(url)))
        return
    fs, path = file_system(url)
    try:
        if has_magic(path):  # fsspec would treat it as a pattern
            for found in with_retries(f"listing {url}", lambda: fs.find(path)):
                with_retries(f"removing {url}", partial(fs.rm_file, found))
        else:
            with_retries(f"removing {url}", lambda: fs.rm(path, recursive=True))
    except FileNotFoundError:
        return


@contextmanager
def opened(url: str) -> Iterator[str | IO[bytes]]:
    """A source for PyAV: a local file's path, or a seekable file object that fetches blocks on demand."""
    if is_local(url):
        yield str(local_path(url))
        return
    fs, path = file_system(url)
    file = with_retries(f"opening {url}", lambda: web.opened(fs, path, READ_BLOCK))
    bytes_read.counting(file)
    try:
        yield file
    except OSError as error:
        check_version(url, error)
        raise
    finally:
        file.close()


def check_version(url: str, error: Exception) -> None:
    """Raise ChangedError if a store refused a range because the object's version changed."""
    if type(error).__name__ == "FileExpired":  # from s3fs, which does not export it
        raise ChangedError(f"{url}: it changed during reading. Run the same command again") from error
