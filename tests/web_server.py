"""A web server on this machine that keeps files as stores do, and refuses what it is told to."""

from __future__ import annotations

import email.utils
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class WebServer:
    """What it serves, how, and what it was asked.

    Attributes
    ----------
    files : path → bytes; or path?query → bytes, of which those are looked for first
    head, ranges, length, etag, time : whether it answers HEAD, sends parts, and says these of a file
    needs : what a query has to have in it, as the right signature
    modified : seconds since 1970 of all files
    address : http://host:port
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.head, self.ranges, self.length, self.etag, self.time = False, True, True, True, True
        self.needs = ""
        self.modified = 1_700_000_000
        self.asked: list[tuple[str, str, int]] = []
        self.address = ""


class Quiet(ThreadingHTTPServer):
    """Says nothing of those who hang up."""

    def handle_error(self, request, client_address):
        pass


@contextmanager
def web_server() -> Iterator[WebServer]:
    """A server while it is needed."""
    told = WebServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(403) if not told.head else self.do_GET()

        def do_GET(self):
            path = urlsplit(self.path).path
            data = told.files.get(self.path, told.files.get(path))
            if told.needs not in self.path:
                self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            elif data is None:
                self.answer(404)
            else:
                self.send_file(data)

        def send_file(self, data):
            wanted = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if told.ranges else None
            headers = {}
            if told.etag:
                headers["ETag"] = f'"{hashlib.md5(data).hexdigest()}"'
            if told.time:
                headers["Last-Modified"] = email.utils.formatdate(told.modified, usegmt=True)
            if wanted is None:
                self.answer(200, data, headers)
                return
            start, stop = int(wanted[1]), min(len(data), int(wanted[2] or len(data)) + 1)
            if start >= len(data):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            else:
                self.answer(206, data[start:stop], headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"})

        def answer(self, status, data=b"", headers=None):
            told.asked.append((self.command, self.path, status))
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if told.length or status != 200:
                self.send_header("Content-Length", str(len(data)))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                try:
                    self.wfile.write(data)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # who asked wanted the beginning alone

        def log_message(self, *args):
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    told.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
