"""Reads files from web servers with GET only, as media players do: a URL signed for GET rejects HEAD.

One request for a file's beginning returns its size, its version, and whether the server supports ranges.
"""

from __future__ import annotations

import hashlib
import io
import re
from asyncio import IncompleteReadError
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Any

from fsspec.asyn import sync
from fsspec.implementations.cached import CachingFileSystem

from lipsync_ray.errors import AccessError, StorageError
from lipsync_ray.io import bytes_read

WHOLE = 32 << 20  # bytes: files up to this size are read whole at each opening if the server does not support ranges
_BEGINNING = 1 << 16  # bytes hashed as the version if a server has no ETag
_TOTAL = re.compile(r"bytes\s+(?:\d+-\d+|\*)/(\d+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")  # in object stores' error messages
_RETRYABLE = frozenset({408, 425, 429})  # 4xx that are worth a retry


@dataclass(frozen=True)
class WebFile:
    """A server's description of a file.

    Attributes
    ----------
    size : bytes; None if unknown
    version : its ETag, or else its modification time and a digest of its first bytes
    parts : whether the server supports ranges
    """

    size: int | None
    version: str
    parts: bool


def protocols(fs: Any) -> set[str]:
    """Protocol names of a file system."""
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


def http_file_system(fs: Any) -> Any:
    """The HTTP file system: `fs` itself, or the one below its cache; None for other protocols."""
    below = fs.fs if isinstance(fs, CachingFileSystem) else fs
    return below if "http" in protocols(below) else None


def stat(fs: Any, url: str) -> WebFile:
    """Request a file's description from its server.

    Raises
    ------
    FileNotFoundError, AccessError, StorageError
    """
    found: WebFile = sync(fs.loop, _stat, fs, url)
    return found


def check(url: str, found: WebFile) -> None:
    """Refuse a file that cannot be read in ranges and is too large to be read whole each time.

    Raises
    ------
    StorageError : suggests a cached URL
    """
    if not found.parts and (found.size is None or found.size > WHOLE):
        size = "a file of unknown size" if found.size is None else f"{found.size >> 20} MB"
        raise StorageError(
            f"{url}: the server does not support ranges, and this is {size}; use simplecache::{url}, which each "
            "process fetches once"
        )


def read(fs: Any, url: str, start: int = 0, length: int | None = None) -> bytes:
    """``length`` bytes from ``start``, or all, with or without support for ranges."""
    data: bytes = sync(fs.loop, _read, fs, url, start, length)
    return data


def opened(fs: Any, url: str, block: int) -> IO[bytes]:
    """A seekable file of any file system that fetches blocks of `block` bytes; a web server's may be fetched whole.

    Raises
    ------
    FileNotFoundError, AccessError, StorageError
    """
    known = {}
    if http_file_system(fs) is fs:
        found = stat(fs, url)
        check(url, found)
        if not found.parts or not found.size:
            data = read(fs, url)
            bytes_read.add(len(data))
            return io.BytesIO(data)
        known["size"] = found.size
    file: IO[bytes] = fs.open(url, "rb", block_size=block, **known)
    return file


async def _stat(fs: Any, url: str) -> WebFile:
    async with _answer(fs, url, f"bytes=0-{_BEGINNING - 1}") as answer:
        begin = b"" if answer.status == 416 else await _up_to(answer, _BEGINNING)
        headers = answer.headers
        # Some servers put W/ before a tag when they compress the answer.
        tag = headers.get("ETag", "").removeprefix("W/")
        version = tag or f"{headers.get('Last-Modified', '')} {hashlib.sha256(begin).hexdigest()}"
        return WebFile(_size(answer, len(begin)), version, answer.status != 200)


def _size(answer: Any, begun: int) -> int | None:
    """Size of a file after reading its first `begun` bytes; None if the answer does not tell."""
    headers = answer.headers
    if total := _TOTAL.match(headers.get("Content-Range", "")):
        return int(total[1])
    if answer.status == 416:  # an empty file
        return 0
    plain = headers.get("Content-Encoding", "identity") == "identity"
    if answer.status == 200 and plain and "Content-Length" in headers:
        return int(headers["Content-Length"])
    return begun if begun < _BEGINNING else None


async def _read(fs: Any, url: str, start: int, length: int | None) -> bytes:
    if length == 0:
        return b""
    wanted = f"bytes={start}-{'' if length is None else start + length - 1}" if start or length is not None else None
    async with _answer(fs, url, wanted) as answer:
        if answer.status == 416:
            return b""
        if answer.status == 206 or (length is None and not start):
            return bytes(await answer.read())
        data = await answer.read() if length is None else await _up_to(answer, start + length)
        return bytes(data[start:])


async def _up_to(answer: Any, count: int) -> bytes:
    try:
        return bytes(await answer.content.readexactly(count))
    except IncompleteReadError as error:
        return error.partial


@asynccontextmanager
async def _answer(fs: Any, url: str, wanted: str | None) -> AsyncIterator[Any]:
    """A server's answer, before its body is read; refusals raise."""
    session = await fs.set_session()
    request = dict(fs.kwargs)
    headers = {**request.pop("headers", {}), "Accept-Encoding": "identity"}
    if wanted:
        headers["Range"] = wanted
    async with session.get(fs.encode_url(url), headers=headers, **request) as answer:
        if 400 <= answer.status < 500 and answer.status != 416 and answer.status not in _RETRYABLE:
            await _refuse(url, answer)
        if answer.status != 416:
            answer.raise_for_status()
        yield answer


async def _refuse(url: str, answer: Any) -> None:
    if answer.status in (404, 410):
        raise FileNotFoundError(url)
    code = _CODE.search((await _up_to(answer, 2000)).decode(errors="replace"))
    reason = f"{answer.status} {code[1] if code else answer.reason}".strip()
    if answer.status in (401, 403) or code:
        raise AccessError(
            f"{url}: the server denies access ({reason}). A signed URL may have expired: sign it again and run the "
            "same command; finished work is kept"
        )
    raise StorageError(f"{url}: the server refuses ({reason})")
