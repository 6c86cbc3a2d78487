"""An S3 store on this machine that answers as late as a real one, counts what it is asked, and lists quickly what it has."""

from __future__ import annotations

import bisect
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ACCOUNT = "123456789012"


class SlowStore:
    """A running store.

    Attributes
    ----------
    asked : kind of request, such as "GET" or "LIST" → how often
    """

    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self.asked: Counter[str] = Counter()

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Add an object without a request."""
        from moto.s3.models import s3_backends

        s3_backends[_ACCOUNT]["aws"].put_object(bucket, key, data)

    def counted(self, environ: dict[str, Any]) -> None:
        """Count a request, and let it take its time."""
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        kind = {"POST": "DELETE of many"}.get(method, method) if "list-type" not in query else "LIST"
        self.asked[kind] += 1
        time.sleep(self.latency_s)


@contextmanager
def slow_store(bucket: str, latency_s: float) -> Iterator[SlowStore]:
    """A store with an empty bucket; processes that are started meanwhile find it by their environment."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication
    from moto.s3.models import S3Backend
    from moto.server import ThreadedMotoServer

    store = SlowStore(latency_s)
    before = DomainDispatcherApplication.__call__, S3Backend.list_objects_v2

    def call(self: Any, environ: dict[str, Any], start_response: Any) -> Any:
        store.counted(environ)
        return before[0](self, environ, start_response)

    _set(DomainDispatcherApplication, "__call__", call)
    _set(S3Backend, "list_objects_v2", _list_objects)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        import s3fs  # type: ignore[import-untyped]

        s3fs.S3FileSystem().mkdirs(bucket, exist_ok=True)
        store.asked.clear()
        yield store
    finally:
        server.stop()
        _set(DomainDispatcherApplication, "__call__", before[0])
        _set(S3Backend, "list_objects_v2", before[1])


def _set(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


_SORTED: dict[int, tuple[int, list[str]]] = {}


def _list_objects(
    self: Any,
    bucket: Any,
    prefix: str | None,
    delimiter: str | None,
    continuation_token: str | None,
    start_after: str | None,
    max_keys: int,
) -> tuple[list[Any], bool, str | None]:
    """In the place of moto's, which goes through all objects of the bucket for each page. Tokens are names."""
    count, names = _SORTED.get(id(bucket), (-1, []))
    if count != len(bucket.keys):
        names = sorted(name for name in list(bucket.keys) if bucket.keys.get(name) is not None)
        _SORTED[id(bucket)] = len(bucket.keys), names
    prefix = prefix or ""
    after = bytes.fromhex(continuation_token).decode() if continuation_token else start_after
    place = bisect.bisect_left(names, prefix)
    if after is not None:
        place = max(place, bisect.bisect_right(names, after))
    found: list[Any] = []
    while place < len(names) and names[place].startswith(prefix):
        name = names[place]
        inside = re.escape(delimiter) if delimiter else None
        folder = re.match(f".*?{inside}", name[len(prefix) :]) if inside else None
        if len(found) == max_keys:
            last = found[-1] if isinstance(found[-1], str) else found[-1].name
            return found, True, (last + ("\U0010ffff" if isinstance(found[-1], str) else "")).encode().hex()
        if folder:
            found.append(prefix + folder[0])
            place = bisect.bisect_right(names, f"{prefix}{folder[0]}\U0010ffff")
        else:
            if (key := bucket.keys.get(name)) is not None:
                found.append(key)
            place += 1
    return found, False, None
