"""Files of web servers, asked for as media players do: with GET alone, since a URL signed for GET is refused to HEAD.

One request for a file's beginning says its size, its version, and whether the server sends parts of it.
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

WHOLE = 32 << 20  # bytes: up to this a file is read whole, each time it is opened, where a server does not send parts
_BEGINNING = 1 << 16  # bytes that tell two versions apart where a server has no ETag
_TOTAL = re.compile(r"bytes\s+(?:\d+-\d+|\*)/(\d+)")
_CODE = re.compile(r"<Code>(\w+)</Code>")  # of the object stores' own words
_MAY_PASS = frozenset({408, 425, 429})  # 4xx that are worth another try


@dataclass(frozen=True)
class WebFile:
    """What a server says of a file.

    Attributes
    ----------
    size : bytes; None where it does not say
    version : its ETag, or else its time and a digest of its first bytes
    parts : whether the server sends parts of it
    """

    size: int | None
    version: str
    parts: bool


def protocols(fs: Any) -> set[str]:
    """The names by which a file system is asked for."""
    return {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)


def asked_by(fs: Any) -> Any:
    """The file system that asks web servers: itself, or the one below a cache; None where it is another's."""
    below = fs.fs if isinstance(fs, CachingFileSystem) else fs
    return below if "http" in protocols(below) else None


def look(fs: Any, url: str) -> WebFile:
    """What the server says of a file.

    Raises
    ------
    FileNotFoundError, AccessError, StorageError
    """
    found: WebFile = sync(fs.loop, _look, fs, url)
    return found


def check(url: str, found: WebFile) -> None:
    """Refuse a file that cannot be read in places and is too large to be read whole each time.

    Raises
    ------
    StorageError : with what to write in its place
    """
    if not found.parts and (found.size is None or found.size > WHOLE):
        size = "a file of unknown size" if found.size is None else f"{found.size >> 20} MB"
        raise StorageError(
            f"{url}: the server sends it only as a whole, {size}; write simplecache::{url}, and each process fetches it once"
        )


def read(fs: Any, url: str, start: int = 0, length: int | None = None) -> bytes:
    """``length`` bytes from ``start``, or all, whether the server sends parts or not."""
    data: bytes = sync(fs.loop, _read, fs, url, start, length)
    return data


def opened(fs: Any, url: str, block: int) -> IO[bytes]:
    """A seekable file, of any file system, that fetches blocks of so many bytes; a web server's may be fetched whole.

    Raises
    ------
    FileNotFoundError, AccessError, StorageError
    """
    known = {}
    if asked_by(fs) is fs:
        found = look(fs, url)
        check(url, found)
        if not found.parts or not found.size:
            data = read(fs, url)
            bytes_read.add(len(data))
            return io.BytesIO(data)
        known["size"] = found.size
    file: IO[bytes] = fs.open(url, "rb", block_size=block, **known)
    return file


async def _look(fs: Any, url: str) -> WebFile:
    async with _answer(fs, url, f"bytes=0-{_BEGINNING - 1}") as answer:
        begin = b"" if answer.status == 416 else await _up_to(answer, _BEGINNING)
        headers = answer.headers
        # Some servers put W/ before a tag when they compress the answer.
        tag = headers.get("ETag", "").removeprefix("W/")
        version = tag or f"{headers.get('Last-Modified', '')} {hashlib.sha256(begin).hexdigest()}"
        return WebFile(_size(answer, len(begin)), version, answer.status != 200)


def _size(answer: Any, begun: int) -> int | None:
    """Bytes of a file of which the first were read, as far as the answer tells."""
    headers = answer.headers
    if total := _TOTAL.match(headers.get("Content-Range", "")):
        return int(total[1])
    if answer.status == 416:  # no byte is there to send
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
    """A server's answer, its body not read yet; those that refuse are exceptions."""
    session = await fs.set_session()
    request = dict(fs.kwargs)
    headers = {**request.pop("headers", {}), "Accept-Encoding": "identity"}
    if wanted:
        headers["Range"] = wanted
    async with session.get(fs.encode_url(url), headers=headers, **request) as answer:
        if 400 <= answer.status < 500 and answer.status != 416 and answer.status not in _MAY_PASS:
            await _refuse(url, answer)
        if answer.status != 416:
            answer.raise_for_status()
        yield answer


async def _refuse(url: str, answer: Any) -> None:
    if answer.status in (404, 410):
        raise FileNotFoundError(url)
    code = _CODE.search((await _up_to(answer, 2000)).decode(errors="replace"))
    said = f"{answer.status} {code[1] if code else answer.reason}".strip()
    if answer.status in (401, 403) or code:
        raise AccessError(
            f"{url}: the server does not let us ({said}). A signed address may have expired: sign it anew and run the same "
            "command again; what was finished is kept"
        )
    raise StorageError(f"{url}: the server refuses ({said})")
