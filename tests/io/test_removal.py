"""Many files are removed at once, here and in a bucket."""

import pytest
import s3fs

from lipsync_ray.io import storage
from lipsync_ray.io.removal import remove_files


def put(place, *names):
    for name in names:
        storage.commit_bytes(storage.join(place, name), b"x")
    return [storage.join(place, name) for name in names]


def test_files_go_and_what_is_not_there_is_no_fault(place):
    gone = put(place, "parts/a/1", "parts/a/2", "parts/b/1")
    put(place, "parts/b/2", "other")
    remove_files([*gone, *gone, storage.join(place, "parts", "absent", "1")])
    assert storage.list_tree(place) == {"parts/b/2", "other"}
    remove_files(gone)
    remove_files([])
    assert storage.list_tree(place) == {"parts/b/2", "other"}


def test_folders_that_are_left_empty_go(tmp_path):
    remove_files(put(str(tmp_path), "parts/a/1", "parts/a/2", "parts/b/1"))
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
    assert list((tmp_path / "parts").iterdir()) == []


@pytest.mark.parametrize("name", ["a*", "b?", "[c]"])
def test_a_name_is_no_pattern(place, name):
    put(place, "a1", "b1", "c")
    remove_files(put(place, name))
    assert storage.list_tree(place) == {"a1", "b1", "c"}


def test_a_thousand_of_a_bucket_are_a_request(bucket_requests):
    s3fs.S3FileSystem().mkdirs("removed", exist_ok=True)
    urls = put("s3://removed", *(str(number) for number in range(5)))
    bucket_requests.clear()
    remove_files(urls)
    assert bucket_requests == ["delete_objects"]
    assert storage.list_tree("s3://removed") == set()
