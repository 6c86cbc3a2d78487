"""What a table may name, and what a file may name."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import pytest
from clips import barcode, write_video

from lipsync_ray.errors import ManifestError, ProbeError, SettingsError
from lipsync_ray.io import protocols
from lipsync_ray.io.manifest import read_manifest
from lipsync_ray.media.probe import probe_video


@pytest.fixture(autouse=True)
def usual(monkeypatch):
    monkeypatch.delenv(protocols.VARIABLE, raising=False)
    protocols.allow(None)
    yield
    protocols.allow(None)


@pytest.mark.parametrize("url", ["a.mp4", "/a::b.mp4", "file:///a", "local://a", "s3://b/k", "https://h/a", "simplecache::s3://b/k"])  # fmt: skip
def test_the_usual_stores_are_read(url):
    assert protocols.why_refused(url) is None


@pytest.mark.parametrize("url", ["github://o:r@main/a", "reference://x", "simplecache::jupyter://h/a", "zip://a::s3://b/k", "gopher://h/a"])  # fmt: skip
def test_others_are_not(url):
    assert "--allow-protocols" in protocols.why_refused(url)


@pytest.mark.parametrize(("names", "url", "may"), [
    ("s3", "s3://b/k", True), ("s3", "a.mp4", False), ("s3", "https://h/a", False), (" S3 , file ", "file:///a", True),
    ("file", "local://a", True), ("github", "github://o:r@main/a", True), ("s3", "simplecache::s3://b/k", False),
])  # fmt: skip
def test_what_is_allowed_is_said(names, url, may, monkeypatch):
    protocols.allow(names)
    assert (protocols.why_refused(url) is None) == may
    protocols.allow(None)
    monkeypatch.setenv(protocols.VARIABLE, names)
    assert (protocols.why_refused(url) is None) == may


@pytest.mark.parametrize("names", ["", " , ", "s3;file", "s3://bucket/x", "s3 file"])
def test_what_is_no_list_is_refused(names):
    with pytest.raises(SettingsError, match="expected names of protocols"):
        protocols.allow(names)


@contextmanager
def web(data):
    """A server that answers everything with these bytes; what it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_a_table_does_not_make_this_machine_ask_others(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"x")
    with web(b"secret") as (address, asked):
        (tmp_path / "t.csv").write_text(f"video,audio\n{address}/latest/meta-data,a.wav\n")
        protocols.allow("file,s3")
        with pytest.raises(
            ManifestError, match=r"row 1, column 'video'.*protocol http is not allowed; allowed: file, s3"
        ):
            read_manifest(str(tmp_path / "t.csv"))
    assert asked == []


@pytest.fixture
def movie(tmp_path):
    return write_video(tmp_path / "private.ts", [barcode(i) for i in range(5)])


@pytest.mark.parametrize("name", ["p.m3u8", "p.mp4"])
@pytest.mark.parametrize("where", ["", "memory://"])
@pytest.mark.parametrize("far", [False, True])
def test_a_playlist_reads_no_other_file(movie, tmp_path, name, where, far):
    with web(movie.read_bytes()) as (address, asked):
        inside = f"{address}/x.ts" if far else str(movie)
        url = f"{where}{tmp_path}/{name}"
        with fsspec.open(url, "wb") as file:
            file.write(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:3,\n{inside}\n#EXT-X-ENDLIST\n".encode())
        with pytest.raises(ProbeError, match="a playlist of other files"):
            probe_video(url)
    assert asked == []


def test_a_list_of_files_is_none_either(movie, tmp_path):
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{movie}'\n")
    with pytest.raises(ProbeError, match="a playlist"):
        probe_video(str(tmp_path / "list.mp4"))
