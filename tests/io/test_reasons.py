"""Why a store refuses: by the code of its answer, for reading, looking and writing."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import s3fs
from botocore.exceptions import ClientError, NoCredentialsError

from lipsync_ray.errors import AccessError, ManifestError, SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identity
from lipsync_ray.io.manifest import read_manifest
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.io.reasons import advice, is_certain

ANSWERS = {
    "RequestTimeTooSkewed": (403, "The difference between the times is too large.", "clock", "NTP"),
    "AuthorizationHeaderMalformed": (400, "the region 'us-east-1' is wrong; expecting 'eu-west-1'", "region", "eu-west-1"),
    "PermanentRedirect": (301, "The bucket must be addressed using the specified endpoint.", "region", "eu-west-1"),
    "InvalidObjectState": (403, "The operation is not valid for the storage class", "archived", "Restore it"),
    "AccountProblem": (403, "There is a problem with your account.", "account", "owner"),
    "KMS.DisabledException": (400, "arn:aws:kms:key is disabled.", "AWS KMS key", "Enable it"),
    "ExpiredToken": (400, "The provided token has expired.", "have expired", "Renew"),
    "SignatureDoesNotMatch": (403, "The signature does not match.", "are not valid", "AWS_ACCESS_KEY_ID"),
    "AccessDenied": (403, "Access Denied", "no permission", "list and read"),
}  # fmt: skip
OWN = ("clock", "region", "archived", "account", "AWS KMS key", "have expired", "are not valid", "no permission")


@contextmanager
def refusing(code):
    """A store that answers everything with one error; to HEAD without a word, as stores do."""
    status, message, *_ = ANSWERS[code]
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = b"" if self.command == "HEAD" else body
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            if status == 301:
                self.send_header("x-amz-bucket-region", "eu-west-1")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=ANSWERS)
def store(request, monkeypatch):
    """The code of a store that refuses everything."""
    with refusing(request.param) as address:
        for name, value in (("ENDPOINT_URL", address), ("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x")):
            monkeypatch.setenv(f"AWS_{name}", value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield request.param
    s3fs.S3FileSystem.clear_instance_cache()


def is_about(text, code):
    *_, cause, remedy = ANSWERS[code]
    assert cause in text
    assert remedy in text
    assert not [other for other in OWN if other != cause and f"{other} (" in text]
    assert "tried" not in text


def test_looking_reading_and_writing_say_the_same_cause(store):
    for call in (
        lambda: identity("s3://bucket/v.mp4"),
        lambda: storage.read_bytes("s3://bucket/v.mp4"),
        lambda: storage.commit_bytes("s3://bucket/out/x", b"x"),
    ):
        with pytest.raises(AccessError) as caught:
            call()
        is_about(str(caught.value), store)


def test_a_table_and_a_folder_there_are_refused_with_it(store):
    with pytest.raises(ManifestError) as caught:
        read_manifest("s3://bucket/t.csv")
    is_about(str(caught.value), store)
    with pytest.raises(SettingsError) as refused:
        check_out("s3://bucket/out", "dub")
    is_about(str(refused.value), store)


@pytest.mark.parametrize("code", ["RequestInTheFuture", "Redirect", "RestoreAlreadyInProgress", "NotSignedUp"])
def test_codes_that_name_a_cause_are_not_tried_again(code):
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject")
    assert is_certain(error)
    assert "no permission" not in advice(error)


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "500"])
def test_faults_that_may_pass_are_not_certain(code):
    assert not is_certain(ClientError({"Error": {"Code": code, "Message": "busy"}}, "GetObject"))


def test_missing_credentials_are_certain():
    error = NoCredentialsError()
    assert is_certain(error)
    assert "AWS_PROFILE" in advice(error)


def test_a_file_that_is_missing_is_missing(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("reasons", exist_ok=True)
    with pytest.raises(FileNotFoundError):
        identity("s3://reasons/gone.mp4")
