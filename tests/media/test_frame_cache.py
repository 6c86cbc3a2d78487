import numpy as np
import pytest
from clips import barcode, read_barcode, write_video

from lipsync_ray.media import decode
from lipsync_ray.media.frame_cache import FrameCache, shared_frame_cache
from lipsync_ray.media.probe import probe_video

FRAME = 128 * 64 * 3 // 2


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    path = tmp_path_factory.mktemp("held") / "a.mp4"
    return probe_video(str(write_video(path, [barcode(i) for i in range(30)])))


@pytest.fixture
def reads(monkeypatch):
    """Ranges that were decoded."""
    read, plain = [], decode.pictures_at
    monkeypatch.setattr(decode, "pictures_at", lambda info, wanted: read.append(tuple(wanted)) or plain(info, wanted))
    return read


def shown(held, info, indices, content="v"):
    return [read_barcode(picture.y) for picture in held.pictures_at(content, info, indices)]


def test_a_range_is_decoded_once(info, reads):
    held = FrameCache()
    wanted = [3, 4, 5, 5, 4]
    assert shown(held, info, wanted) == shown(held, info, wanted) == wanted
    assert len(reads) == 1


def test_another_content_under_the_same_name_is_decoded(info, reads):
    held = FrameCache()
    shown(held, info, [1, 2])
    shown(held, info, [1, 2], "changed")
    assert len(reads) == 2


def test_no_more_is_held_than_may_be(info, reads):
    held = FrameCache(FRAME * 10)
    for start in range(0, 24, 4):
        assert shown(held, info, range(start, start + 4)) == list(range(start, start + 4))
        assert held.bytes <= FRAME * 10
    shown(held, info, range(20, 24))
    assert len(reads) == 6, "the last one is there"
    shown(held, info, range(4))
    assert len(reads) == 7, "the first one is not"


def test_what_does_not_fit_is_read_all_the_same(info, reads):
    held = FrameCache(FRAME * 10)
    for _ in range(2):
        assert shown(held, info, range(11)) == list(range(11))
        assert held.bytes == 0
    assert len(reads) == 2


def test_a_range_that_is_left_half_read_is_not_held(info, reads):
    held = FrameCache()
    reading = held.pictures_at("v", info, range(8))
    next(reading)
    reading.close()
    assert held.bytes == 0
    assert shown(held, info, range(8)) == list(range(8))


def test_a_picture_that_is_shown_longer_counts_once(info):
    held = FrameCache()
    shown(held, info, [7] * 20)
    assert held.bytes == FRAME


def test_pictures_cannot_be_written_into(info):
    held = FrameCache()
    (picture,) = held.pictures_at("v", info, [2])
    with pytest.raises(ValueError, match="read-only"):
        picture.y[:] = 0
    copied = picture.copy()
    copied.y[:] = 0
    assert np.any(next(held.pictures_at("v", info, [2])).y)


def test_stages_of_a_process_share_until_the_last_has_gone():
    first = shared_frame_cache()
    assert shared_frame_cache() is first
    first.marked = True
    del first
    assert not hasattr(shared_frame_cache(), "marked")
