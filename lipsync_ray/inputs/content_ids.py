"""What tells one content of a file from another, for many files at once."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from lipsync_ray.errors import LipsyncError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identity

_LOOKERS = 32


def content_ids(urls: Iterable[str]) -> dict[str, str | Exception]:
    """URL → identity, which changes with the content; or why the file cannot be reached."""

    def identify(url: str) -> str | Exception:
        try:
            return identity(url)
        except FileNotFoundError:
            return OSError("no such file")
        except (OSError, LipsyncError) as error:
            return error

    distinct = sorted(set(urls))
    found = {url: identify(url) for url in distinct if storage.is_local(url)}
    far = [url for url in distinct if url not in found]
    with ThreadPoolExecutor(_LOOKERS) as pool:
        return found | dict(zip(far, pool.map(identify, far), strict=True))
