import os
import re
import threading
from pathlib import Path

import pytest
from clips import barcode, tone, write_audio, write_video
from faulty_store import faulty_store

from lipsync_ray.errors import StorageError
from lipsync_ray.io import bytes_read, storage
from lipsync_ray.io.identity import identity
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_probe import probe_audio


@pytest.fixture(params=["local", "memory", "s3"])
def root(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "store")
    if request.param == "memory":
        return f"memory://{tmp_path.name}"
    return request.getfixturevalue("bucket")


@pytest.fixture
def bucket(s3_server, monkeypatch, tmp_path):
    point_at(monkeypatch, s3_server)
    import s3fs

    name = re.sub("[^a-z0-9]", "", tmp_path.name.lower())[-40:]
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}/run"


def point_at(monkeypatch, url):
    import s3fs

    for name, value in (
        ("AWS_ENDPOINT_URL", url), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_DEFAULT_REGION", "us-east-1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()


def test_what_is_committed_is_read_listed_and_removed(root, tmp_path):
    one, other = storage.join(root, "a", "one.bin"), storage.join(root, "a", "b", "two.bin")
    assert not storage.exists(one)
    assert storage.list_names(storage.join(root, "a")) == storage.list_tree(root) == set()
    storage.commit_bytes(one, b"0123456789")
    (tmp_path / "local.bin").write_bytes(b"file")
    storage.commit_file(tmp_path / "local.bin", other)
    assert storage.exists(one)
    assert (storage.read_bytes(one), storage.read_bytes(one, 2, 3), storage.read_bytes(other)) == (
        b"0123456789",
        b"234",
        b"file",
    )
    assert storage.size(one) == 10
    assert storage.list_names(storage.join(root, "a")) == {"one.bin", "b"}
    assert storage.list_tree(root) == {"a/one.bin", "a/b/two.bin"}
    assert [storage.name_of(url) for url in storage.glob(storage.join(root, "a", "*.bin"))] == ["one.bin"]
    assert storage.read_bytes(storage.glob(storage.join(root, "*", "o?e.bin"))[0]) == b"0123456789"
    assert storage.glob(storage.join(root, "*.mp4")) == []
    first = identity(one)
    storage.commit_bytes(one, b"another")
    assert identity(one) != first
    storage.copy(one, storage.join(root, "c.bin"))
    assert storage.read_bytes(storage.join(root, "c.bin")) == b"another"
    storage.remove(storage.join(root, "a"))
    storage.remove(storage.join(root, "a"))
    assert storage.list_tree(root) == {"c.bin"}
    with pytest.raises(FileNotFoundError):
        identity(one)


def test_media_are_read_where_they_are(root, tmp_path):
    write_video(tmp_path / "v.mp4", [barcode(i) for i in range(30)])
    write_audio(tmp_path / "a.flac", tone(0.5), codec="flac")
    for name in ("v.mp4", "a.flac"):
        storage.commit_file(tmp_path / name, storage.join(root, name))
    info = probe_video(storage.join(root, "v.mp4"))
    assert info.frames == 30
    assert len(list(decode.pictures(info, 20, 30))) == 10
    assert probe_audio(storage.join(root, "a.flac")).samples == 8000


def test_what_another_process_writes_after_a_listing_is_found(bucket):
    import boto3

    storage.commit_bytes(storage.join(bucket, "f", "a.bin"), b"1")
    assert storage.list_names(storage.join(bucket, "f")) == {"a.bin"}
    late = storage.join(bucket, "f", "b.bin")
    name, _, key = late.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=name, Key=key, Body=b"22")
    assert storage.exists(late)
    assert storage.size(late) == 2
    with storage.opened(late) as file:
        assert file.read() == b"22"


def test_what_is_fetched_is_counted_block_by_block(bucket, tmp_path):
    path = write_video(tmp_path / "v.mp4", [barcode(n) for n in range(40)])
    url = storage.join(bucket, "v.mp4")
    storage.commit_file(path, url)
    before = bytes_read.total()
    assert probe_video(url).frames == 40
    size = storage.size(url)
    assert size <= bytes_read.total() - before < 4 * size + 4 * storage.READ_BLOCK
    before = bytes_read.total()
    storage.read_bytes(url, 10, 100)
    storage.read_bytes(str(path))  # here: nothing is fetched
    assert bytes_read.total() - before == 100
    threads = [threading.Thread(target=storage.read_bytes, args=(url,))]
    for thread in threads:
        thread.start()
        thread.join()
    assert bytes_read.total() - before == 100  # the other thread's own


def test_a_reader_never_sees_half_a_file(tmp_path, monkeypatch):
    target = tmp_path / "out" / "x.bin"
    storage.commit_bytes(str(target), b"old")

    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(storage.os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        storage.commit_bytes(str(target), b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == ["x.bin"]


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "replace", full)
    with pytest.raises(StorageError, match="Free space"):
        storage.commit_bytes(str(tmp_path / "x.bin"), b"new")


@pytest.fixture
def faulty(s3_server, bucket, monkeypatch):
    """The same bucket through a proxy that fails, and the proxy."""
    with faulty_store(s3_server) as faults:
        point_at(monkeypatch, faults.address)
        yield bucket, faults


def test_a_busy_store_is_asked_again(faulty, tmp_path):
    bucket, faults = faulty
    (tmp_path / "p.bin").write_bytes(b"part" * 1000)
    faults.first = {"PUT": 2, "GET": 2}
    storage.commit_file(tmp_path / "p.bin", storage.join(bucket, "p.bin"))
    assert storage.read_bytes(storage.join(bucket, "p.bin")) == b"part" * 1000
    assert "p.bin" in storage.list_names(bucket)
    assert all(left == 0 for left in faults.first.values())


@pytest.mark.parametrize(
    ("url", "local"), [("a/b.mp4", True), ("/a/b.mp4", True), ("file:///a/b.mp4", True), ("s3://a/b.mp4", False)]
)
def test_names(url, local):
    assert storage.is_local(url) is local
    assert storage.name_of(url) == "b.mp4"
    assert storage.absolute(url) == (
        url if not local else str(Path("/a/b.mp4") if "/a" in url else Path("a/b.mp4").absolute())
    )


ODD_NAMES = [
    "a::b",
    "~x",
    "a b",
    "a%20b",
    "p[1]",
    "s*",
    "q?",
    "co:lon",
    "http:x",
    "-dash",
    'q"uote',
    "back\\slash",
    "ünï 日本",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_a_name(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").write_bytes(b"other")
    for url in (str(tmp_path / name), name, f"./{name}"):
        storage.commit_bytes(url, b"0123")
        assert (storage.exists(url), storage.size(url), storage.read_bytes(url, 1, 2)) == (True, 4, b"12")
        assert identity(url) == identity(str(tmp_path / name))
        assert storage.absolute(url).endswith(name)
        storage.remove(url)
        assert storage.list_names(str(tmp_path)) == {"other"}


def test_a_folder_may_be_called_like_a_pattern(tmp_path):
    for folder in ("run[1]", "run1", "run*", "runs"):
        storage.commit_bytes(str(tmp_path / folder / "parts" / "x"), b"x")
    storage.remove(str(tmp_path / "run[1]" / "parts"))
    storage.remove(str(tmp_path / "run*"))
    assert storage.list_tree(str(tmp_path)) == {"run1/parts/x", "runs/parts/x"}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///a%20b/c.mp4", "/a b/c.mp4"),
        ("file:///a%23%3Fb", "/a#?b"),
        ("file:///a#b?c", "/a#b?c"),
        ("local:///a%20b", "/a%20b"),
        ("/a%20b", "/a%20b"),
    ],
)
def test_file_urls_are_decoded_and_paths_are_not(url, path):
    assert str(storage.local_path(url)) == path


def test_home_is_only_meant_where_it_is_written(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert storage.absolute("~/a.mp4") == str(tmp_path / "a.mp4")
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("~nobody.mp4") == str(tmp_path / "~nobody.mp4")


@pytest.mark.parametrize(
    ("folder", "path", "whole"),
    [
        ("s3://k/in", "a.mp4", "s3://k/in/a.mp4"),
        ("s3://k/in", "../b/a.mp4", "s3://k/b/a.mp4"),
        ("s3://k/in", "./a b.mp4", "s3://k/in/a b.mp4"),
        ("s3://k", "a.mp4", "s3://k/a.mp4"),
    ],
)
def test_paths_of_a_table_in_a_bucket_are_beside_it(folder, path, whole):
    assert storage.join_relative(folder, path) == whole


def test_whole_paths_need_no_current_folder(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    storage.commit_bytes(str(tmp_path / "x.bin"), b"new")
    assert storage.read_bytes(str(tmp_path / "x.bin")) == b"new"


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="a pipe or a device"):
        identity(str(tmp_path / "pipe.mp4"))
