"""A proxy that stands before an object store and makes it fail as stores do: it is busy, it hangs up, it cuts off, it is slow."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

EXPIRED = (
    b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
)
SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class FaultyStore:
    """What goes through the proxy, and what is done to it.

    Attributes
    ----------
    address : of the proxy
    first : HTTP method → number of its requests, from now on, that are answered by 503
    rates : fault → part of the requests: "busy" (503), "reset" (the connection ends without an answer), "cut" (it ends in the
        middle of one), "slow"
    expires_with : part of a path; the token expires when something is written there a second time. None: it does not
    met : fault → how often
    bytes_of : path → bytes that were sent of it
    """

    def __init__(self, upstream: str, seed: int = 0) -> None:
        self.upstream, self.address = upstream, ""
        self.first: dict[str, int] = {}
        self.rates: dict[str, float] = {}
        self.expires_with: str | None = None
        self._written = 0
        self.met: Counter[str] = Counter()
        self.bytes_of: Counter[str] = Counter()
        self._random, self._lock = random.Random(seed), threading.Lock()

    def fault(self, method: str, path: str) -> str | None:
        """What is to happen to the next request."""
        with self._lock:
            if self.expires_with is not None:
                self._written += method == "PUT" and self.expires_with in path
                if self._written > 1:
                    return "expired"
            if self.first.get(method, 0) > 0:
                self.first[method] -= 1
                return "busy"
            drawn = self._random.random()
            for name, rate in self.rates.items():
                if drawn < rate:
                    self.met[name] += 1
                    return name
                drawn -= rate
        return None


@contextmanager
def faulty_store(upstream: str, seed: int = 0):
    """A running proxy before the store at this address."""
    store = FaultyStore(upstream, seed)
    handler = type("Handler", (_Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    store.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # clients that ask "Expect: 100-continue" wait for the answer
    store: FaultyStore

    def _pass(self):
        body = self._body()
        fault = self.store.fault(self.command, self.path)
        if fault == "busy":
            self._answer(503, {"Content-Type": "application/xml"}, SLOW_DOWN)
            return
        if fault == "expired":
            self._answer(400, {"Content-Type": "application/xml"}, EXPIRED)
            return
        if fault == "reset":
            self.close_connection = True
            return
        if fault == "slow":
            time.sleep(0.3)
        headers = {
            k: v for k, v in self.headers.items() if k.lower() not in {"host", "connection", "transfer-encoding"}
        }
        if body is not None and not any(key.lower() == "content-type" for key in headers):
            headers["Content-Type"] = "application/octet-stream"  # urllib would call it a form
        request = Request(self.store.upstream + self.path, data=body, headers=headers, method=self.command)
        try:
            answer = urlopen(request, timeout=20)
        except HTTPError as error:
            answer = error
        with answer:
            data = answer.read()
            told = {
                key: value
                for key, value in answer.headers.items()
                if not re.fullmatch("(?i)transfer-encoding|connection|content-length|server|date", key)
            }
            length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
            if self.command == "GET":
                self.store.bytes_of[self.path.partition("?")[0]] += len(data)
            self._answer(answer.status, told, data, length, cut=fault == "cut")

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _answer(self, status, headers, data, length=None, cut=False):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if cut and len(data) > 1:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass  # noqa: N815

    def log_message(self, *args):
        pass
