"""What is read is what was planned: every opening compares the file with what it was."""

import os

import fsspec
import numpy as np
import pytest
from clips import barcode, write_audio, write_video

from lipsync_ray.errors import ChangedError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged, identity
from lipsync_ray.media import audio, decode
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_probe import probe_audio


def replace(path, data):
    """Another file under the same name, as `mv` does."""
    new = path.with_name("new")
    new.write_bytes(data)
    new.replace(path)


def written_to(path, data):
    """The same file, with other bytes."""
    path.write_bytes(data)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


@pytest.fixture
def two(tmp_path):
    """Two videos of the same length and size of picture; the path of the first, the bytes of the second."""
    first = write_video(tmp_path / "v.mp4", [barcode(i) for i in range(40)], options={"g": "5"})
    second = write_video(tmp_path / "w.mp4", [barcode(i + 500) for i in range(40)], options={"g": "5"})
    return first, second.read_bytes()


@pytest.mark.parametrize("change", [replace, written_to])
def test_another_content_is_told(two, change):
    path, other = two
    planned = identity(str(path))
    check_unchanged(str(path), planned)
    change(path, other)
    with pytest.raises(ChangedError, match=r"v\.mp4: it changed during the run\. Run the same command again"):
        check_unchanged(str(path), planned)
    check_unchanged(str(path), "")


def test_a_file_that_has_gone_is_told(two):
    path, _ = two
    planned = identity(str(path))
    path.unlink()
    with pytest.raises(ChangedError, match="removed"):
        check_unchanged(str(path), planned)


@pytest.mark.parametrize("change", [replace, written_to])
def test_no_range_of_another_content_is_decoded(two, change):
    path, other = two
    info = probe_video(str(path), content=identity(str(path)))
    assert len(list(decode.pictures(info, 0, 20))) == 20
    change(path, other)
    for read in (
        lambda: list(decode.pictures(info, 20, 40)),
        lambda: list(decode.pictures_at(info, [30, 31, 5])),
        lambda: next(decode.small_rgb(info, 0, 1, 32, 32)),
        lambda: probe_video(str(path), content=info.content),
    ):
        with pytest.raises(ChangedError):
            read()


@pytest.mark.parametrize(
    "read", [lambda info: decode.pictures(info, 0, 12), lambda info: decode.pictures_at(info, range(12))]
)
def test_a_file_that_is_written_to_while_a_range_is_read_fails_the_range(read, two):
    path, other = two
    pictures = read(probe_video(str(path), content=identity(str(path))))
    next(pictures)
    written_to(path, other)
    with pytest.raises(ChangedError):
        list(pictures)


def test_a_video_that_is_replaced_while_a_range_is_read_shows_the_first_one_to_its_end_or_fails(two):
    path, other = two
    info = probe_video(str(path), content=identity(str(path)))
    read = decode.pictures(info, 0, 40)
    next(read)
    replace(path, other)
    with pytest.raises(ChangedError):
        list(read)


def test_sound_is_compared_too(tmp_path):
    path = write_audio(tmp_path / "a.wav", np.ones(160_000, np.float32) / 2)
    track = SoundTrack(str(path), content=identity(str(path)))
    assert probe_audio(track).samples == 160_000
    read = audio.blocks(track)
    next(read)
    written_to(path, write_audio(tmp_path / "b.wav", np.zeros(160_000, np.float32)).read_bytes())
    for again in (read, audio.blocks(track)):
        with pytest.raises(ChangedError):
            list(again)


@pytest.fixture
def bucket(s3_server):
    storage_options = fsspec.filesystem("s3")
    storage_options.makedirs("changing", exist_ok=True)
    return "s3://changing"


def test_an_object_is_compared_by_its_etag(bucket, two):
    path, other = two
    url = f"{bucket}/v.mp4"
    storage.commit_file(path, url)
    info = probe_video(url, content=identity(url))
    assert len(list(decode.pictures(info, 0, 40))) == 40
    storage.commit_bytes(url, other)
    with pytest.raises(ChangedError):
        list(decode.pictures(info, 20, 40))
    assert identity(url) != info.content


def test_an_object_that_is_replaced_while_it_is_open_is_never_two(bucket, tmp_path):
    """Ranges are fetched with If-Match: the store refuses another version."""
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 255, (128, 128, 3), np.uint8) for _ in range(160)]
    path = write_video(tmp_path / "n.mp4", noisy, options={"crf": "5", "g": "5", "movflags": "faststart"})
    assert path.stat().st_size > 2 * storage.READ_BLOCK
    url = f"{bucket}/n.mp4"
    storage.commit_file(path, url)
    info = probe_video(url, content=identity(url))
    read = decode.pictures(info, 0, 160)
    next(read)
    storage.commit_bytes(url, path.read_bytes()[:-1] + b"x")
    with pytest.raises(ChangedError):
        list(read)
