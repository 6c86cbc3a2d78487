import hashlib
import pickle
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lipsync_ray.errors import UsageError, WeightsError
from lipsync_ray.jobs.analyze import stages as analyze_stages
from lipsync_ray.jobs.dub import stages as dub_stages
from lipsync_ray.jobs.dub.methods.paste import Sync
from lipsync_ray.jobs.enhance import stages as enhance_stages
from lipsync_ray.jobs.evaluate import fid
from lipsync_ray.jobs.evaluate import stages as evaluate_stages
from lipsync_ray.models import generators, weights
from lipsync_ray.models.weights import Weights
from lipsync_ray.restoration.faces import RestoreFiles

CONTENT = b"\x80\x02 not really weights " * 1000


class Quiet(SimpleHTTPRequestHandler):
    requests: list = []  # noqa: RUF012

    def log_message(self, *args):
        self.requests.append(self.path)


@pytest.fixture
def store(tmp_path):
    """A web server on this machine, and the requests it has had."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "w.pth").write_bytes(CONTENT)
    Quiet.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(url, content=CONTENT):
    return Weights(
        "w", "w.pth", url, len(content), hashlib.sha256(content).hexdigest(), "none", "--model mini is bundled"
    )


def test_a_file_is_fetched_once_and_verified(store, cache):
    url, _ = store
    said = []
    path = weights.fetch(entry(f"{url}/w.pth"), lambda done, total: said.append((done, total)))
    assert path == cache / "w.pth"
    assert path.read_bytes() == CONTENT
    assert said[-1] == (len(CONTENT), len(CONTENT))
    weights.fetch(entry(f"{url}/w.pth"))
    assert len(Quiet.requests) == 1
    assert sorted(p.name for p in cache.iterdir() if not p.name.endswith(".lock")) == ["w.pth"]


def test_many_processes_of_a_node_fetch_once(store, cache):
    url, _ = store
    threads = [threading.Thread(target=weights.fetch, args=(entry(f"{url}/w.pth"),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Quiet.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"), [(b"<!DOCTYPE html>", "web page"), (CONTENT[:100], "bytes"), (CONTENT[::-1], "sha256")]
)
def test_another_file_never_enters_the_cache(store, cache, answer, said):
    url, folder = store
    (folder / "w.pth").write_bytes(answer)
    with pytest.raises(WeightsError, match=said):
        weights.fetch(entry(f"{url}/w.pth"))
    assert not (cache / "w.pth").exists()
    assert not list(cache.glob(".*.part"))


def test_what_cannot_be_had_says_what_to_do(store, cache):
    url, _ = store
    with pytest.raises(WeightsError) as caught:
        weights.ensure(entry(f"{url}/absent.pth"))
    assert isinstance(caught.value, UsageError)
    for part in ("weights fetch w", str(cache / "w.pth"), "--model mini", "404"):
        assert part in str(caught.value)


def test_a_damaged_file_in_the_cache_is_refused(cache):
    cache.mkdir()
    (cache / "w.pth").write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="Remove it and fetch it again"):
        weights.ensure(entry("http://127.0.0.1:9/w.pth"))


def test_the_registry():
    assert weights.find("wav2lip_gen") is weights.find("wav2lip_gan")
    assert weights.find("nothing") is None
    for w in weights.REGISTRY:
        assert w.sha256 is None or len(w.sha256) == 64
    assert [w.name for w in weights.REGISTRY if w.sha256 is None] == [
        "musetalk-v1",
        *(w.name for w in weights.REGISTRY if w.name.startswith("echomimic")),
    ]
    mini = weights.find("mini")
    weights.check(mini, weights.location(mini))
    assert generators.resolve("mini").name == "mini"


def test_neither_name_nor_file():
    with pytest.raises(WeightsError, match="neither a registered name"):
        generators.resolve("wav2lip-xl")


@pytest.fixture
def registered(store, monkeypatch):
    """One registered entry that a web server of this machine has."""
    url, _ = store
    known = entry(f"{url}/w.pth")
    monkeypatch.setattr(weights, "find", lambda name: known if name == "w" else None)
    return known


def test_each_node_resolves_its_own_file(registered, tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "driver"))
    checkpoint = weights.by_name("w")
    assert str(tmp_path).encode() not in pickle.dumps(checkpoint)
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "node"))
    assert checkpoint.here() == tmp_path / "node" / "w.pth"
    assert len(Quiet.requests) == 2


def test_a_path_that_a_node_lacks_or_has_otherwise_is_refused(tmp_path):
    path = tmp_path / "own.pth"
    path.write_bytes(CONTENT)
    checkpoint = weights.Checkpoint.of(path)
    assert checkpoint.here() == path
    path.write_bytes(CONTENT + b"x")
    with pytest.raises(WeightsError, match="the driver's file"):
        checkpoint.here()
    path.unlink()
    with pytest.raises(WeightsError, match="all nodes share"):
        checkpoint.here()


@pytest.mark.parametrize(
    "stage",
    [
        lambda weights: partial(Sync, generators.GENERATORS[0], weights, "cpu", "fp32", None),
        lambda weights: partial(dub_stages.RestoreDrawn, RestoreFiles(weights), "cpu", "fp32"),
        lambda weights: partial(enhance_stages.RestoreRange, RestoreFiles(weights), "cpu", "fp32"),
        lambda weights: partial(evaluate_stages.Embed, "syncnet", weights, "cpu", None),
        lambda weights: partial(fid.AccumulateFID, weights, 64, "cpu", None),
        lambda weights: partial(analyze_stages.Transcribe, weights, "cpu"),
    ],
    ids=["sync", "restore", "enhance", "score", "fid", "transcribe"],
)
def test_every_stage_loads_what_its_own_node_has(stage, registered, tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "driver"))
    make = stage(weights.by_name("w"))
    (tmp_path / "driver" / "w.pth").unlink()
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "node"))
    with pytest.raises(WeightsError, match=str(tmp_path / "node" / "w.pth")):  # found there; it holds no network
        make()


@pytest.mark.parametrize("scheme", ["http", "folder"])
def test_a_mirror_is_asked_before_the_public_address(store, cache, monkeypatch, scheme):
    url, folder = store
    monkeypatch.setenv(weights.MIRROR_VARIABLE, f"{url}/" if scheme == "http" else str(folder))
    assert weights.fetch(entry("http://127.0.0.1:9/gone.pth")).read_bytes() == CONTENT


def test_a_mirror_that_lacks_a_file_or_has_another_is_not_the_end(store, cache, tmp_path, monkeypatch):
    url, _ = store
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    monkeypatch.setenv(weights.MIRROR_VARIABLE, str(mirror))
    (mirror / "w.pth").write_bytes(CONTENT[::-1])
    assert weights.fetch(entry(f"{url}/w.pth")).read_bytes() == CONTENT
    (cache / "w.pth").unlink()
    (mirror / "w.pth").unlink()
    with pytest.raises(WeightsError) as caught:
        weights.fetch(entry(f"{url}/absent.pth"))
    assert str(mirror / "w.pth") in str(caught.value)
    assert "404" in str(caught.value)
    assert not list(cache.glob(".*.part"))


def test_a_mirror_may_be_a_bucket(s3_server, cache, monkeypatch):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # one of an earlier test may be kept, of a store that is gone
    store = s3fs.S3FileSystem()
    store.mkdir("mirror")
    store.pipe_file("mirror/weights/w.pth", CONTENT)
    monkeypatch.setenv(weights.MIRROR_VARIABLE, "s3://mirror/weights")
    assert weights.fetch(entry("http://127.0.0.1:9/gone.pth")).read_bytes() == CONTENT


def test_what_a_checkpoint_cannot_do_without_is_fetched_with_it(cache, monkeypatch, capsys):
    fetched = []
    monkeypatch.setattr(weights, "fetch", lambda entry, progress=None: fetched.append(entry.name))
    from lipsync_ray.cli.weights import weights_fetch

    weights_fetch(["musetalk-v15", "sd-vae"])
    assert fetched == ["musetalk", "sd-vae", "whisper-tiny-hf"]
    assert "licence: MIT, of Stability AI" in capsys.readouterr().out


@pytest.fixture
def entries(store, monkeypatch):
    """Three registered entries; the server has the second."""
    url, _ = store
    known = {
        name: replace(entry(f"{url}/{file}"), name=name, file=f"{name}.pth")
        for name, file in (("a", "absent.pth"), ("w", "w.pth"), ("z", "absent.pth"))
    }
    monkeypatch.setattr(weights, "find", known.get)
    monkeypatch.setattr(weights, "REGISTRY", tuple(known.values()))
    return known


def test_fetch_says_where_each_missing_file_may_be_put(entries, cache, capsys):
    from lipsync_ray.cli.weights import weights_fetch

    with pytest.raises(WeightsError) as caught:
        weights_fetch(["a", "w", "z"])
    said = str(caught.value)
    for name in "az":
        for part in (f"the weights of '{name}'", f"put the file at {cache / name}.pth", entries[name].sha256, "404"):
            assert part in said
    assert weights.MIRROR_VARIABLE in said
    assert "weights fetch" not in said
    assert (cache / "w.pth").read_bytes() == CONTENT  # what can be had is there
    with pytest.raises(WeightsError, match="weights fetch a") as dub:
        weights.ensure(entries["a"])
    assert weights.by_hand(entries["a"]) in str(dub.value)


def test_a_list_in_a_pipe_is_not_cut(monkeypatch, tmp_path, capsys):
    from lipsync_ray.cli.weights import weights_list

    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / ("deep" * 40)))
    monkeypatch.setenv("COLUMNS", "80")
    weights_list()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(weights.REGISTRY)
    for line, known in zip(lines[1:], weights.REGISTRY, strict=True):
        assert line.startswith(known.name)
        assert line.rstrip().endswith(str(weights.location(known)))
        assert all(alias in line for alias in known.aliases)
