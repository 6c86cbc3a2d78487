"""Every path is an fsspec URL: read, list, and commit so that a reader sees a whole object or none.

A local path is a URL without a scheme. Object stores show an object only once its upload has ended, so writing it
whole is the commit; everywhere else the bytes go to a temporary name in the same folder, which is then renamed.
Calls that meet a passing fault of the store (a time-out, a reset connection, a 5xx) are tried again with a growing,
jittered pause before they become a :class:`~lipsync_ray.errors.StorageError`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from fsspec.core import url_to_fs

from lipsync_ray.errors import StorageError

T = TypeVar("T")

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
TRIES = 5
FIRST_PAUSE_S = 0.2
READ_BLOCK = 1 << 20  # bytes fetched at a time from a remote file that is read in places
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
_FINAL_ERRNO = frozenset({errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, errno.EDQUOT})


def is_local(url: str) -> bool:
    """Whether ``url`` is a path of this machine's file system."""
    return "://" not in url or url.startswith(("file://", "local://"))


def local_path(url: str) -> Path:
    """The path of a local URL."""
    return Path(url.split("://", 1)[1] if "://" in url else url)


def join(root: str, *names: str) -> str:
    """``root/name/…``, for a path or a URL."""
    return "/".join([root.rstrip("/") or "/", *names]) if names else root


def absolute(url: str) -> str:
    """A local path made absolute, so that a worker with another working directory reads the same file."""
    return str(local_path(url).expanduser().absolute()) if is_local(url) else url


def name_of(url: str) -> str:
    """The last part of a path or URL."""
    return url.rstrip("/").rsplit("/", 1)[-1]


def _fs(url: str) -> tuple[Any, str]:
    fs, path = url_to_fs(absolute(url))
    return fs, str(path)


def _patiently(what: str, call: Callable[[], T]) -> T:
    """``call()``, tried again while the store has a passing fault."""
    for attempt in range(TRIES):
        try:
            return call()
        except _FINAL:
            raise
        except OSError as error:
            if error.errno in _FINAL_ERRNO:
                raise StorageError(f"{what}: {error.strerror or error}. Free space or choose another place.") from error
            if attempt == TRIES - 1:
                raise StorageError(f"{what}: {error} (tried {TRIES} times)") from error
        except Exception as error:
            # Botocore, aiohttp and their kin do not derive from OSError where fsspec has not translated them.
            if type(error).__module__.split(".")[0] not in {"botocore", "aiobotocore", "aiohttp", "fsspec", "asyncio"}:
                raise
            if attempt == TRIES - 1:
                raise StorageError(f"{what}: {error} (tried {TRIES} times)") from error
        time.sleep(FIRST_PAUSE_S * 2**attempt * random.uniform(0.5, 1.5))
    raise AssertionError("unreachable")


def exists(url: str) -> bool:
    """Whether an object or folder is there."""
    fs, path = _fs(url)
    return bool(_patiently(f"looking for {url}", lambda: fs.exists(path)))


def identity(url: str) -> str:
    """16 hex digits that change when the object at ``url`` is another one: its address, size and time or ETag.

    Raises
    ------
    FileNotFoundError, StorageError
    """
    fs, path = _fs(url)
    info = _patiently(f"looking at {url}", lambda: fs.info(path))
    if info.get("type") == "directory":
        raise IsADirectoryError(url)
    version = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified") or ""
    return digest(absolute(url), info["size"], version)


def size(url: str) -> int:
    """Bytes of the object at ``url``."""
    fs, path = _fs(url)
    return int(_patiently(f"looking at {url}", lambda: fs.size(path)))


def digest(*parts: object) -> str:
    """16 hex digits of a hash over the parts' texts."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def read_bytes(url: str, start: int = 0, length: int | None = None) -> bytes:
    """``length`` bytes from ``start``, or all."""
    fs, path = _fs(url)
    stop = None if length is None else start + length
    return bytes(_patiently(f"reading {url}", lambda: fs.cat_file(path, start=start, end=stop)))


def list_names(url: str) -> set[str]:
    """Names in a folder; empty where there is none."""
    fs, path = _fs(url)
    fs.invalidate_cache(path)
    try:
        entries = _patiently(f"listing {url}", lambda: fs.ls(path, detail=False))
    except (FileNotFoundError, NotADirectoryError):
        return set()
    return {name_of(entry) for entry in entries}


def list_tree(url: str) -> set[str]:
    """Paths of all objects below a folder, relative to it; empty where there is none."""
    fs, path = _fs(url)
    fs.invalidate_cache(path)
    found = _patiently(f"listing {url}", lambda: fs.find(path))
    root = fs._strip_protocol(path).rstrip("/") + "/"
    return {entry.removeprefix(root) for entry in map(fs._strip_protocol, found)}


def glob(url: str) -> list[str]:
    """Files whose name fits a pattern of ``*``, ``?`` and ``[…]``, in alphabetical order; empty where none does."""
    fs, path = _fs(url)
    found = _patiently(f"listing {url}", lambda: fs.glob(path, detail=True))
    return [
        fs.unstrip_protocol(name) if not is_local(url) else name
        for name in sorted(found)
        if found[name]["type"] == "file"
    ]


def commit_bytes(url: str, data: bytes) -> None:
    """Put ``data`` at ``url``, whole or not at all."""
    fs, path = _fs(url)
    if _whole_writes(fs):
        _patiently(f"writing {url}", lambda: fs.pipe_file(path, data))
        return

    def write(temporary: str) -> None:
        with fs.open(temporary, "wb") as file:
            file.write(data)

    _by_rename(fs, path, url, write)


def commit_file(source: Path, url: str) -> None:
    """Put the local file ``source`` at ``url``, whole or not at all; ``source`` is left where it is."""
    fs, path = _fs(url)
    if _whole_writes(fs):
        _patiently(f"writing {url}", lambda: fs.put_file(str(source), path))
        return

    def write(temporary: str) -> None:
        if is_local(url):
            shutil.copyfile(source, temporary)
        else:
            fs.put_file(str(source), temporary)

    _by_rename(fs, path, url, write)


def copy(source: str, target: str) -> None:
    """Copy an object, from any store to any other; the target appears whole or not at all."""
    if is_local(source):
        commit_file(local_path(source), target)
        return
    fs, path = _fs(source)
    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch) / name_of(source)
        _patiently(f"reading {source}", lambda: fs.get_file(path, str(local)))
        commit_file(local, target)


def _whole_writes(fs: Any) -> bool:
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    return bool(protocols & OBJECT_STORES)


def _by_rename(fs: Any, path: str, url: str, write: Callable[[str], None]) -> None:
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp"

    def commit() -> None:
        fs.makedirs(folder or "/", exist_ok=True)
        try:
            write(temporary)
            fs.mv(temporary, path) if not is_local(url) else os.replace(temporary, path)
        except BaseException:
            if fs.exists(temporary):
                fs.rm_file(temporary)
            raise

    _patiently(f"writing {url}", commit)


def remove(url: str) -> None:
    """Remove an object, or a folder with all in it; nothing where there is none."""
    fs, path = _fs(url)
    try:
        _patiently(f"removing {url}", lambda: fs.rm(path, recursive=True))
    except FileNotFoundError:
        return


@contextmanager
def opened(url: str) -> Iterator[str | IO[bytes]]:
    """What PyAV opens: a local file's path, or a seekable file object that fetches the blocks that are asked for."""
    if is_local(url):
        yield str(local_path(url))
        return
    fs, path = _fs(url)
    file = _patiently(f"opening {url}", lambda: fs.open(path, "rb", block_size=READ_BLOCK))
    try:
        yield file
    finally:
        file.close()
