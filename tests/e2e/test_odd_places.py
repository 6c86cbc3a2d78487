"""Places where such a tool is run, too: each works, or says in a sentence what to set."""

import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import s3fs
from commands import frame_digests, lipsync_ray
from faulty_store import faulty_store

from lipsync_ray.io.results import read_results

pytestmark = pytest.mark.nightly

NOBODY = 65534
OPTIONS = ("--model", "warp", "--segment", "1", "--precision", "fp32", "--length", "shortest")


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd-place")
    for name in ("pan.mp4", "en.ogg"):
        shutil.copy(demo_inputs / name, folder / name)
    (folder / "table.csv").write_text("id,video,audio\nd,pan.mp4,en.ogg\n")
    return folder / "table.csv"


@pytest.fixture(scope="module")
def right(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("odd-place-right")
    assert lipsync_ray("dub", table, "-o", out, *OPTIONS) == 0
    return frame_digests(out / "videos" / "d.mp4")


def interpreters():
    """Folders that another user has to reach for this Python to run: its own, and the virtual environment's."""
    return [Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), Path(__file__).resolve().parents[2]]


def script(folder, words):
    """Run as nobody, at a home that is not there, with 64 MB of shared memory. What hides in /root is bound into another one."""
    hidden = [path for path in interpreters() if path.is_relative_to("/root")]
    shown = [f"mkdir -p {folder}/{n} && mount --bind {path} {folder}/{n}" for n, path in enumerate(hidden)]
    again = [f"mkdir -p {path} && mount --bind {folder}/{n} {path}" for n, path in enumerate(hidden)]
    root = ["mount -t tmpfs -o mode=755 tmpfs /root"] if hidden else []
    run = (
        f"cd / && exec env -i PATH={os.environ['PATH']} HOME=/nonexistent PYTHONPATH={interpreters()[2]} "
        f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {' '.join(map(str, words))}"
    )
    return " && ".join([*shown, *root, *again, "mount -t tmpfs -o size=64m tmpfs /dev/shm", run])


@pytest.mark.usefixtures("cluster")  # Ray runs here already, as another user, without a token
def test_another_user_without_a_home_with_little_shared_memory_beside_another_ray(table, right, tmp_path):
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("needs the right to run as somebody else, and to mount")
    shared = Path("/tmp") / f"lsnobody{os.getpid()}"
    try:
        shutil.copytree(table.parent, shared)
        (shared / "out").mkdir()
        for path in [shared, *shared.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)
        words = [sys.executable, "-m", "lipsync_ray", "dub", shared / "table.csv", "-o", shared / "out", *OPTIONS]
        (tmp_path / "mounts").mkdir()
        run = subprocess.run(
            ["unshare", "-m", "sh", "-c", script(tmp_path / "mounts", words)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert "Traceback" not in run.stderr
        assert frame_digests(shared / "out" / "videos" / "d.mp4") == right
        assert (shared / "out" / "results.parquet").stat().st_uid == NOBODY
        words = [*words, "--model", "wav2lip"]
        run = subprocess.run(
            ["unshare", "-m", "sh", "-c", script(tmp_path / "mounts", words)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 2
        assert "set LIPSYNC_RAY_WEIGHTS to a folder that can" in run.stderr
    finally:
        shutil.rmtree(shared)


def test_a_token_expires_in_the_middle(table, right, s3_server, tmp_path, monkeypatch, capsys):
    with faulty_store(s3_server) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.address)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("token")
        store.expires_with = "/out/parts/d/"
        assert lipsync_ray("dub", table, "-o", "s3://token/out", *OPTIONS) == 1
        said = capsys.readouterr().err
        assert "the credentials have expired (The provided token has expired)" in said
        assert "run the same command again: finished work is kept" in said
        assert "Traceback" not in said
        store.expires_with = None
        kept = s3fs.S3FileSystem(skip_instance_cache=True).find("token/out/parts")
        assert lipsync_ray("dub", table, "-o", "s3://token/out", *OPTIONS) == 0
        (row,) = read_results("s3://token/out")
        assert row.reused_segments == len(kept) == 1
        assert frame_digests(row.output) == right
        assert not [name for name in s3fs.S3FileSystem(skip_instance_cache=True).find("token/out") if "parts" in name]
    s3fs.S3FileSystem.clear_instance_cache()


def test_the_requester_pays_where_the_store_is_told_so(tmp_path):
    asked = []

    class Store(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers.get("x-amz-request-payer"))
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {
        "FSSPEC_S3": '{"requester_pays": true}', "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
    }  # fmt: skip
    words = [sys.executable, "-m", "lipsync_ray", "status", "s3://theirs/run"]
    run = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
    server.shutdown()
    server.server_close()
    assert run.returncode == 2
    assert "no run was started here" in run.stderr
    assert asked
    assert set(asked) == {"requester"}


def test_a_public_bucket_is_read_without_credentials(table, right, s3_server, tmp_path, monkeypatch, capsys):
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("public")
    for path in table.parent.iterdir():
        store.put_file(str(path), f"public/{path.name}")
        store.chmod(f"public/{path.name}", "public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    words = ("dub", "s3://public/table.csv", "-o", tmp_path / "out", *OPTIONS)
    assert lipsync_ray(*words) == 2
    assert "FSSPEC_S3='{\"anon\": true}'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    run = subprocess.run(
        [sys.executable, "-m", "lipsync_ray", *map(str, words), "--engine", "inline"],  # fsspec reads them when imported
        env=os.environ | {"FSSPEC_S3": '{"anon": true}'}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert frame_digests(tmp_path / "out" / "videos" / "d.mp4") == right
