"""Ranges of a bucket's files, in blocks."""

import numpy as np
import pytest
import s3fs

from lipsync_ray.io import block_cache, storage
from lipsync_ray.io.block_cache import BLOCK, read_range


@pytest.fixture
def blocks(s3_server, monkeypatch):
    """A bucket of files of 2.5 and of 2 blocks, and how many reads they took."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdirs("blocks", exist_ok=True)
    data = np.random.default_rng(0).bytes(5 * BLOCK // 2)
    store.pipe("blocks/long", data)
    store.pipe("blocks/even", data[: 2 * BLOCK])
    reads = []
    read = storage.read_bytes
    monkeypatch.setattr(storage, "read_bytes", lambda *where: reads.append(where) or read(*where))
    block_cache._block.cache_clear()
    return data, reads


def test_neighbouring_ranges_are_one_read(blocks):
    data, reads = blocks
    for start in range(0, BLOCK, BLOCK // 20):
        assert read_range("s3://blocks/long", start, 1000) == data[start : start + 1000]
    assert len(reads) == 2  # the last range begins in the first block and ends in the second


def test_a_range_ends_where_the_file_does(blocks):
    data, _ = blocks
    assert read_range("s3://blocks/long", BLOCK + 5, 4 * BLOCK) == data[BLOCK + 5 :]
    assert read_range("s3://blocks/even", BLOCK + 5, 4 * BLOCK) == data[BLOCK + 5 : 2 * BLOCK]
    assert read_range("s3://blocks/even", 7, 0) == b""


def test_files_of_this_machine_are_read_as_they_are(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    assert read_range(str(path), 2, 3) == b"234"
    path.write_bytes(b"abcdefghij")
    assert read_range(str(path), 2, 30) == b"cdefghij"
