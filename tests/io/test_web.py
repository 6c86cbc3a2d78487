"""Files of web servers: what is the same file, and what can be read."""

import pytest
from web_server import web_server

from lipsync_ray.errors import AccessError, ManifestError, StorageError
from lipsync_ray.io import storage, web
from lipsync_ray.io.identity import identity
from lipsync_ray.io.manifest import read_manifest

DATA = bytes(range(256)) * 1000


@pytest.fixture
def server():
    with web_server() as found:
        found.files["/in/a.mp4"] = DATA
        yield found


WAYS = [
    {},
    {"head": True},
    {"ranges": False},
    {"length": False},
    {"etag": False},
    {"time": False},
    {"etag": False, "time": False},
    {"ranges": False, "etag": False},
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way) or "no head")
def test_a_url_that_is_signed_anew_is_the_same_file_and_a_changed_file_another(server, way):
    vars(server).update(way)
    url = f"{server.address}/in/a.mp4"
    first = identity(f"{url}?X-Amz-Credential=AK%2F1&X-Amz-Signature=0123abcd")
    assert first == identity(f"{url}?X-Amz-Credential=AK%2F1&X-Amz-Signature=9999ffff")
    server.files["/in/a.mp4"] = b"!" + DATA[1:]
    assert first != identity(f"{url}?X-Amz-Signature=9999ffff")
    server.files["/in/a.mp4"] = DATA + b"!"
    assert first != identity(f"{url}?X-Amz-Signature=9999ffff")
    assert server.head or all(method == "GET" for method, _, _ in server.asked)


def test_a_new_time_is_a_new_file_where_there_is_no_tag(server):
    url, server.etag = f"{server.address}/in/a.mp4", False
    first = identity(url)
    server.modified += 1
    assert identity(url) != first


@pytest.mark.parametrize("name", ["id", "unknown"])
@pytest.mark.parametrize("way", [{}, {"etag": False, "time": False}], ids=["etag", "nothing"])
def test_files_that_differ_in_their_query_alone_are_two(server, name, way):
    vars(server).update(way)
    server.files |= {f"/get?{name}=1": DATA, f"/get?{name}=2": DATA[::-1]}
    one, two = (identity(f"{server.address}/get?{name}={n}") for n in (1, 2))
    assert one != two


def test_a_server_that_says_nothing_gives_two_ids_one_identity_each(server):
    server.files |= {"/get?id=1": DATA, "/get?id=2": DATA}
    one, two = (identity(f"{server.address}/get?id={n}") for n in (1, 2))
    assert one != two


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way) or "no head")
def test_any_part_is_read(server, way):
    vars(server).update(way)
    url = f"{server.address}/in/a.mp4?sig=x"
    assert storage.read_bytes(url) == DATA
    assert storage.read_bytes(url, 1000, 10) == DATA[1000:1010]
    assert storage.read_bytes(url, len(DATA) - 5) == DATA[-5:]
    assert storage.read_bytes(url, 5, 0) == storage.read_bytes(url, len(DATA), 5) == b""
    assert storage.size(url) == len(DATA)
    with storage.opened(url) as file:
        file.seek(2000)
        assert file.read(10) == DATA[2000:2010]
        file.seek(0, 2)
        assert file.tell() == len(DATA)


def test_of_a_large_file_blocks_are_fetched(server, monkeypatch):
    monkeypatch.setattr(storage, "READ_BLOCK", 1000)
    with storage.opened(f"{server.address}/in/a.mp4?sig=x") as file:
        file.seek(200_000)
        assert file.read(10) == DATA[200_000:200_010]
    assert {status for _, _, status in server.asked} == {206}


@pytest.mark.parametrize("length", [True, False])
def test_what_comes_only_as_a_whole_and_is_large_names_simplecache(server, monkeypatch, length):
    monkeypatch.setattr(web, "WHOLE", 100_000)
    server.ranges, server.length = False, length
    url = f"{server.address}/in/a.mp4"
    for call in (identity, lambda url: storage.opened(url).__enter__()):
        with pytest.raises(StorageError, match=f"use simplecache::{url}, ") as caught:
            call(f"{url}?sig=SECRET")
        assert "SECRET" not in str(caught.value)
    server.asked.clear()
    kept = f"simplecache::{url}?sig=SECRET"
    assert identity(kept) == identity(kept.replace("SECRET", "another"))
    for _ in range(2):
        with storage.opened(kept) as file:
            file.seek(2000)
            assert file.read(10) == DATA[2000:2010]
    server.asked.clear()
    with storage.opened(kept) as file:
        assert file.read() == DATA
    assert server.asked == []
    assert storage.size(kept) == len(DATA)


def test_a_cache_is_no_other_file(server):
    url = f"{server.address}/in/a.mp4"
    assert identity(url) == identity(f"simplecache::{url}?sig=x")


def test_an_empty_file_has_no_bytes(server):
    server.files["/empty"] = b""
    url = f"{server.address}/empty"
    assert storage.size(url) == 0
    assert storage.read_bytes(url) == storage.read_bytes(url, 0, 5) == b""
    with storage.opened(url) as file:
        assert file.read() == b""


def test_a_signature_that_has_expired_is_said_at_once(server):
    server.needs = "sig=new"
    for call in (identity, storage.read_bytes):
        server.asked.clear()
        with pytest.raises(AccessError, match=r"403 AccessDenied\).*sign it again") as caught:
            call(f"{server.address}/in/a.mp4?sig=old")
        assert "old" not in str(caught.value)
        assert len(server.asked) == 1
    with pytest.raises(FileNotFoundError):
        identity(f"{server.address}/gone?sig=new")


def test_tables_are_signed_too_and_their_paths_begin_at_their_folder(server, tmp_path):
    sign = "?X-Amz-Credential=AK%2F1/2&X-Amz-Signature=SECRET"
    server.files |= {"/in/t.csv": f"video,audio\na.mp4,{server.address}/in/a.wav{sign}\n".encode(), "/in/a.wav": b"x"}
    (dub,) = read_manifest(f"{server.address}/in/t.csv{sign}")
    assert dub.video == f"{server.address}/in/a.mp4"
    assert dub.id == "a-a"
    server.files["/in/t.csv"] = f"video,audio\nb.mp4,{server.address}/in/gone.wav{sign}\n".encode()
    with pytest.raises(ManifestError) as caught:
        read_manifest(f"{server.address}/in/t.csv{sign}")
    assert "SECRET" not in str(caught.value)
    assert "b.mp4: no such file" in str(caught.value)
    assert "gone.wav: no such file" in str(caught.value)
    with pytest.raises(ManifestError, match="nothing was started") as caught:
        read_manifest(f"{server.address}/in/none.csv{sign}")
    assert "SECRET" not in str(caught.value)
