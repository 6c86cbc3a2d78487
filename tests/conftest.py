"""Fixtures of the whole suite: one Ray, where the shared material is, clips to work on."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

# Before Ray is imported anywhere: one authentication mode for the session and every process it starts.
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ.setdefault("RAY_DEDUP_LOGS", "0")

import hypothesis
import pytest
import torch
from filelock import FileLock

from lipsync_ray.compute import whole_cpus

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
sys.path.insert(0, str(Path(__file__).parent))

# Processes of one test session share the machine's cores.
torch.set_num_threads(max(1, whole_cpus() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
hypothesis.settings.register_profile("any-machine", deadline=None)  # tests never assert a time
hypothesis.settings.load_profile("any-machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts Ray as slow, and put end-to-end tests first: a long file that begins last leaves other processes idle."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("nightly"):
            item.add_marker(pytest.mark.timeout(900))
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Make a folder by calling a function with its path, once for all processes of the session."""
    own = tmp_path_factory.getbasetemp()
    session = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder = session / "once" / name
        folder.parent.mkdir(exist_ok=True)
        finished = folder.with_name(f"{name}.made")
        with FileLock(folder.with_name(f"{name}.lock")):
            if not finished.exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                finished.touch()
        return folder

    return made


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
def one_thread():
    """One thread for torch, as in every stage: with more, the last bits of a sum depend on how it was split."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def memory_given_back():
    """Afterwards, what networks of gigabytes leave: cycles that nobody collects for long, heaps that the C library keeps.

    Other tests' Ray counts it, and ends workers when the machine's memory is used up.
    """
    yield
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def memory_of_long_tests(request):
    """Tests of minutes give their memory back, or a session of a hundred of them keeps gigabytes in each process."""
    if request.node.get_closest_marker("nightly"):
        request.getfixturevalue("memory_given_back")


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


@pytest.fixture
def bucket_requests(s3_server, monkeypatch) -> list[str]:
    """Names of the requests that this process sends to the store, as it sends them; a test may clear the list."""
    import s3fs

    sent: list[str] = []
    call = s3fs.S3FileSystem._call_s3

    async def counted(self, method, *arguments, **options):
        sent.append(method)
        return await call(self, method, *arguments, **options)

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    return sent


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
def demo_inputs(made_once) -> Path:
    """The demo's videos, portrait and speech."""
    from lipsync_ray.demo.corpus import make_corpus

    return made_once("demo", make_corpus)
