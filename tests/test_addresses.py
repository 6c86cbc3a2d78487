"""What of a URL names a file, and what only opens it."""

import pickle

import pytest

from lipsync_ray import addresses
from lipsync_ray.engine.stages import Failure
from lipsync_ray.errors import AccessError, ManifestError, StorageError
from lipsync_ray.io.names import Source, stem_of, unique_ids
from lipsync_ray.io.results import Result
from lipsync_ray.io.table_files import kind_of

SIGNED = {
    "https://b.s3.amazonaws.com/in/a.mp4": "X-Amz-Algorithm=AWS4&X-Amz-Credential=AK%2F1&X-Amz-Signature=SECRET",
    "https://acct.blob.core.windows.net/c/a.mp4": "sv=2024-01-01&se=2030-01-01T00%3A00%3A00Z&sr=b&sp=r&sig=SECRET%3D",
    "https://storage.googleapis.com/b/a.mp4": "X-Goog-Algorithm=GOOG4&X-Goog-Expires=900&X-Goog-Signature=SECRET",
    "https://d1.cloudfront.net/a.mp4": "Expires=1700000000&Signature=SECRET~-_&Key-Pair-Id=SECRET",
    "https://h/a.mp4": "token=SECRET&access_token=SECRET&whatever=SECRET&key=SECRET&SECRET",
}


@pytest.mark.parametrize("place", SIGNED)
def test_a_signature_is_no_part_of_an_address(place):
    url = f"{place}?{SIGNED[place]}"
    assert addresses.address(url) == place
    for text in (f"{url}: no such file", f"({url})", f"URL('{url}')", f'"{url}", {url}; {url}.', f"simplecache::{url}"):
        assert addresses.without_secrets(text) == text.replace(url, place)


@pytest.mark.parametrize(("url", "place"), [
    ("https://user:SECRET@h:8080/a.mp4", "https://h:8080/a.mp4"),
    ("https://SECRET@h/a.mp4#access_token=SECRET", "https://h/a.mp4"),
    ("https://u:SEC@RET@h/a.mp4", "https://h/a.mp4"),
    ("HTTPS://h/a.mp4?sig=SECRET", "HTTPS://h/a.mp4"),
    ("sftp://me:SECRET@h/a.mp4", "sftp://me@h/a.mp4"),
    ("abfs://container@account.dfs.core.windows.net/a.mp4", "abfs://container@account.dfs.core.windows.net/a.mp4"),
    ("simplecache::https://u:SECRET@h/a.mp4?sig=SECRET", "simplecache::https://h/a.mp4"),
    ("https://h/x?id=1&token=SECRET", "https://h/x?id=1"),
    ("https://h/x?token=SECRET&ID=1&v=2", "https://h/x?ID=1&v=2"),
    ("https://h/x?file=https://u:SECRET@h/a", "https://h/x"),
    ("https://h/x?file=https%3A%2F%2Fh%2Fa%3Fsig%3DSECRET", "https://h/x"),
    ("s3://bucket/what?.mp4", "s3://bucket/what?.mp4"),
    ("hf://datasets/me/set@main/a#1.mp4", "hf://datasets/me/set@main/a#1.mp4"),
    ("/here/a?b#c@d:e.mp4", "/here/a?b#c@d:e.mp4"),
    ("file:///here/a?b.mp4", "file:///here/a?b.mp4"),
])  # fmt: skip
def test_the_address_of(url, place):
    assert addresses.address(url) == place
    assert addresses.without_secrets(f"{url}: gone") == f"{place}: gone"


def test_urls_in_a_row_are_told_apart():
    text = "https://h/a,b.mp4,https://u:SECRET@h/b.mp4?sig=SECRET|s3://b/k;https://h/c.mp4?sig=SECRET,SECRET: gone"
    assert addresses.without_secrets(text) == "https://h/a,b.mp4,https://h/b.mp4|s3://b/k;https://h/c.mp4: gone"


def test_a_quote_in_a_url_hides_nothing_behind_it():
    assert addresses.without_secrets("https://h/it's.mp4?sig=SECRET: gone") == "https://h/it's.mp4: gone"


def test_errors_failures_and_rows_hold_addresses():
    url = "https://u:SECRET@h/a.mp4?sig=SECRET"
    row = Result("a", url, url, None, "failed", error=f"{url}: gone", warnings=(f"see {url}",))
    told = [
        str(StorageError(f"reading {url}: 500")),
        str(pickle.loads(pickle.dumps(AccessError(f"reading {url}: 403")))),
        str(ManifestError(url, [f"row 1: {url}: gone"])),
        repr(ManifestError(url, [f"row 1: {url}: gone"]).problems),
        repr(Failure("probe", f"{url}: gone", f"Traceback … {url}")),
        repr(addresses.cleaned(row)),
        repr(addresses.cleaned({"settings": {"weights": [url], "n": 1}})),
    ]
    assert "SECRET" not in "".join(told)
    assert all("https://h/a.mp4" in text for text in told)


def test_ids_and_kinds_follow_the_address():
    first, again = (f"https://h/in/t.csv?sig={name}/x.y" for name in ("0123abcd", "9999ffff"))
    assert stem_of(first) == "t"
    assert kind_of(first) == kind_of(again) == "CSV"
    assert Source(first) == Source(again)
    two = [Source(f"https://h/get?id={n}&token=SECRET{n}") for n in (1, 2)]
    ids = unique_ids(two)
    assert len(set(ids)) == 2
    assert ids == unique_ids(two[::-1])[::-1] == unique_ids([Source(f"https://h/get?id={n}&token=new") for n in (1, 2)])
    assert "SECRET" not in "".join(ids)
