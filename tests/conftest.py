"""Fixtures of the whole suite: one Ray, where the shared material is, clips to work on."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

# Before Ray is imported anywhere: one authentication mode for the session and every process it starts.
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ.setdefault("RAY_DEDUP_LOGS", "0")

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "benchmarks")]

torch.set_num_threads(2)
hypothesis.settings.register_profile("any-machine", deadline=None)  # tests never assert a time
hypothesis.settings.load_profile("any-machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts Ray is slow."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden outputs and real videos; tests that need it are skipped where it is not."""
    if not (SHARED / "golden").is_dir():
        pytest.skip(f"needs the project's shared material at {SHARED}, which is not part of the repository")
    return SHARED


@pytest.fixture(scope="session")
def corpus(shared: Path) -> Path:
    return shared / "corpus"


@pytest.fixture
def memory_given_back():
    """Afterwards, what networks of gigabytes leave: cycles that nobody collects for long, heaps that the C library keeps.

    Other tests' Ray counts it, and ends workers when the machine's memory is used up.
    """
    yield
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def s3_server():
    """An S3 store on this machine; its address."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    # In the environment before Ray starts, so that its workers read and write there too.
    values = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield address
    server.stop()


@pytest.fixture(params=["here", "bucket"])
def place(request, tmp_path):
    """A folder's path, or its URL; nothing is in it."""
    if request.param == "here":
        return str(tmp_path / "out")
    import s3fs

    from lipsync_ray.io import storage

    request.getfixturevalue("s3_server")
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("whose", exist_ok=True)
    storage.remove("s3://whose/out")
    return "s3://whose/out"


@pytest.fixture(scope="session")
def cluster(s3_server):
    """One Ray for all tests of the session."""
    from lipsync_ray.engine.session import session

    with session("local") as found:
        yield found


@pytest.fixture(scope="session")
def demo_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's videos, portrait and speech."""
    from lipsync_ray.demo.corpus import make_corpus

    folder = tmp_path_factory.mktemp("demo")
    make_corpus(folder)
    return folder
