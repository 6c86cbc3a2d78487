"""Where nothing can be written, one sentence says so before anything starts."""

import errno
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from lipsync_ray.errors import SettingsError
from lipsync_ray.io import retries, storage
from lipsync_ray.io.out_folder import check_writable


def why(url):
    with pytest.raises(SettingsError) as caught:
        check_writable(str(url))
    said = str(caught.value)
    assert said.startswith(f"-o {url}: ")
    assert "\n" not in said
    return said


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "expected a folder" in why(tmp_path / "file")
    assert "expected a folder" in why(tmp_path / "file" / "out")


def test_no_permission(tmp_path, monkeypatch):
    """Root may write anywhere: what the system would say to others is said here."""
    (tmp_path / "locked").mkdir(mode=0o500)

    def refuse(path, mode="r", *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(storage, "open", refuse, raising=False)
    assert "no permission" in why(tmp_path / "locked" / "out")


def test_a_store_that_is_not_known():
    assert "Protocol not known" in why("xyz://a/b")


def test_nothing_is_left_or_made(tmp_path):
    check_writable(str(tmp_path / "a" / "b"))
    check_writable(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


ERRORS = {
    "NoSuchBucket": (404, "does not exist"),
    "AccessDenied": (403, "no permission"),
    "ExpiredToken": (400, "expired"),
    "InvalidAccessKeyId": (403, "not valid there"),
    "SignatureDoesNotMatch": (403, "not valid there"),
}


@pytest.mark.parametrize("code", ERRORS)
def test_a_bucket_that_is_missing_forbidden_or_asks_for_other_credentials(code, monkeypatch):
    """A store of the test's own that answers every write as S3 documents it."""
    status, said = ERRORS[code]

    class Refuse(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = f"<Error><Code>{code}</Code><Message>The {code} message.</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET = do_HEAD = do_PUT  # noqa: N815

        def log_message(self, *arguments):
            pass

    import s3fs

    monkeypatch.setattr(retries, "FIRST_PAUSE_S", 0.001)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    Thread(target=server.serve_forever, daemon=True).start()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}"), ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "secret-of-the-test"), ("AWS_DEFAULT_REGION", "us-east-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        told = why("s3://bucket/out")
        assert said in told
        assert "secret-of-the-test" not in told
    finally:
        server.shutdown()
        s3fs.S3FileSystem.clear_instance_cache()
