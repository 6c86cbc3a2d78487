"""Many files of a bucket are identified by listing it: as looking at each would, with few requests."""

from collections import Counter

import pytest
import s3fs
from fsspec.asyn import sync_wrapper

from lipsync_ray.io import listings, storage, user_tables
from lipsync_ray.io.identity import identities, identity

NAMES = [
    *(f"a{number:03}.wav" for number in range(90)),
    "with space.wav",
    "한국어.wav",
    "z#1.wav",
    "z+2.wav",
    "[3].wav",
]


@pytest.fixture(scope="module")
def folder(s3_server):
    """A folder of a bucket with files that are asked for, others around them, and a folder in it."""
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("listed", exist_ok=True)
    for number, name in enumerate([*NAMES, "0 before.wav", "a045.wav.bak", "deep/in.wav", "~after.wav"]):
        storage.commit_bytes(f"s3://listed/in/{name}", b"x" * number)
    return "s3://listed/in"


@pytest.fixture
def asked(monkeypatch):
    """How often each call of S3 was made."""
    counts = Counter()

    def count(method):
        counts[method] += 1

    watch(monkeypatch, count)
    return counts


def watch(monkeypatch, look):
    """Have a function called with the name of each call of S3, before it is made."""
    call = s3fs.S3FileSystem._call_s3

    async def watched(self, method, *arguments, **options):
        look(method)
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", watched)
    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", sync_wrapper(watched))


@pytest.mark.parametrize("page", [7, 1000])
def test_they_are_those_of_each_alone(folder, monkeypatch, page):
    monkeypatch.setattr(listings, "_PAGE", page)
    monkeypatch.setattr(listings, "_WORTH", 4)
    urls = [f"{folder}/{name}" for name in NAMES]
    assert set(listings.listed(urls)) == set(urls)
    assert identities(urls) == {url: identity(url) for url in urls}


def test_they_cost_a_listing_and_a_look(folder, asked):
    identities(f"{folder}/{name}" for name in NAMES)
    assert asked == {"list_objects_v2": 1, "head_object": 1}


def test_a_few_are_asked_for(folder, asked):
    identities(f"{folder}/{name}" for name in NAMES[:5])
    assert asked == {"head_object": 5}


def test_reasons_are_those_of_a_look_at_one_file(folder):
    urls = [*(f"{folder}/{name}" for name in NAMES), f"{folder}/absent.wav", f"{folder}/zz", f"{folder}/deep"]
    found = identities([*urls, "s3://listed/other/absent.wav", "/nowhere/a.wav"])
    wrong = {url: type(one) for url, one in found.items() if isinstance(one, Exception)}
    assert wrong == {
        f"{folder}/absent.wav": FileNotFoundError,
        f"{folder}/zz": FileNotFoundError,
        f"{folder}/deep": IsADirectoryError,
        "s3://listed/other/absent.wav": FileNotFoundError,
        "/nowhere/a.wav": FileNotFoundError,
    }
    assert user_tables.why_absent(urls) == {
        f"{folder}/absent.wav": "no such file",
        f"{folder}/zz": "no such file",
        f"{folder}/deep": "a folder; expected a media file",
    }


def test_files_at_the_top_of_a_bucket(s3_server):
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("top", exist_ok=True)
    urls = [f"s3://top/{number}" for number in range(40)]
    for url in urls:
        storage.commit_bytes(url, url.encode())
    assert set(listings.listed(urls)) == set(urls)
    assert identities(urls) == {url: identity(url) for url in urls}


def test_a_bucket_that_may_not_be_listed_is_asked_for_each(folder, monkeypatch):
    def refuse(method):
        if method == "list_objects_v2":
            raise PermissionError("Access Denied")

    watch(monkeypatch, refuse)
    urls = [f"{folder}/{name}" for name in NAMES]
    assert listings.listed(urls) == {}
    assert identities(urls) == {url: identity(url) for url in urls}


def test_a_listing_that_tells_another_etag_is_not_believed(folder, monkeypatch):
    urls = [f"{folder}/{name}" for name in NAMES]
    expected = {url: identity(url) for url in urls}
    monkeypatch.setattr(
        "lipsync_ray.io.identity.listed", lambda urls: {url: {"size": 1, "ETag": "W/x"} for url in urls}
    )
    assert identities(urls) == expected


def test_few_names_among_many_are_not_searched_for_to_the_end(folder, asked, monkeypatch):
    monkeypatch.setattr(listings, "_PAGE", 2)
    monkeypatch.setattr(listings, "FEW", 5)
    urls = [f"{folder}/{name}" for name in NAMES[::9]]
    assert len(listings.listed(urls)) < len(urls)
    assert asked["list_objects_v2"] <= 2
    assert not any(isinstance(one, Exception) for one in identities(urls).values())


def test_a_recent_listing_is_used_once_more(folder, asked):
    urls = [f"{folder}/{name}" for name in NAMES]
    before = identities(urls)
    asked.clear()
    assert identities(urls, recent=True) == before
    assert asked == {}
    storage.commit_bytes(urls[0], b"another content")
    asked.clear()
    after = identities(urls, recent=True)
    assert asked == {"list_objects_v2": 1, "head_object": 1}
    assert {url for url in urls if after[url] != before[url]} == {urls[0]}


def test_an_old_listing_is_not_used(folder, asked, monkeypatch):
    monkeypatch.setattr("lipsync_ray.io.identity.RECENT_S", 0.0)
    urls = [f"{folder}/{name}" for name in NAMES]
    identities(urls)
    asked.clear()
    identities([*urls, f"{folder}/~after.wav"], recent=True)
    assert asked["list_objects_v2"] == 1
