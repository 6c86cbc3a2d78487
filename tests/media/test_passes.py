"""Passes over one video do not disturb one another, whatever thread they run in and wherever their frames' numbers come from."""

import threading
from itertools import count

import numpy as np
import pytest
from clips import barcode, read_barcode, write_both, write_video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lipsync_ray.media import decode, sequence
from lipsync_ray.media.probe import probe_video

FRAMES = 110  # two halves of which the second begins beyond those that the probe decodes


def video(kind, folder):
    """A file of `FRAMES` numbered pictures."""
    pictures = [barcode(number) for number in range(FRAMES)]
    path = folder / f"v.{kind}"
    if kind == "ts":  # two recordings behind one another: the clock is set anew
        half = FRAMES // 2
        sound = np.zeros(48_000, np.float32)
        pieces = [
            write_both(folder / f"{start}.ts", pictures[start : start + half], sound, options={"g": "12", "bf": "2"})
            for start in (0, half)
        ]
        path.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    else:
        write_video(path, pictures, options={"g": "12", "bf": "3"})
    return path


@pytest.fixture(scope="module", params=["avi", "ts", "h264", "mp4"])
def info(request, tmp_path_factory):
    found = probe_video(str(video(request.param, tmp_path_factory.mktemp("passes"))))
    assert found.order == {"avi": "count", "ts": "joined", "h264": "count", "mp4": "stamps"}[request.param]
    return found


def test_a_pass_within_a_pass(info):
    """What `warp` does: while a range is read, one frame of it, before it or after it, is fetched."""
    for inner in (0, 3, 30, FRAMES - 1):
        outer = []
        for place, picture in enumerate(decode.pictures(info, 2, FRAMES)):
            outer.append(read_barcode(picture.y))
            if place in (0, 1, 20):
                assert read_barcode(next(decode.pictures_at(info, [inner])).y) == inner
        assert outer == list(range(2, FRAMES)), inner


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ranges=st.lists(st.tuples(st.integers(0, FRAMES - 1), st.integers(1, 12)), min_size=2, max_size=5),
    turns=st.lists(st.integers(0, 4), max_size=40),
)
def test_passes_in_turns(info, ranges, turns):
    passes = [enumerate(decode.pictures(info, a, min(FRAMES, a + n)), a) for a, n in ranges]
    for turn in turns:
        if (step := next(passes[turn % len(passes)], None)) is not None:
            assert read_barcode(step[1].y) == step[0]
    for rest in passes:
        assert all(read_barcode(picture.y) == place for place, picture in rest)


def test_passes_in_threads(info):
    wrong = []

    def read(first):
        for start in range(first, FRAMES - 8, 7):
            found = [read_barcode(picture.y) for picture in decode.pictures(info, start, start + 8)]
            if found != list(range(start, start + 8)):
                wrong.append((start, found))

    threads = [threading.Thread(target=read, args=(first,)) for first in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_ranges_in_rising_order_decode_the_file_once(tmp_path, monkeypatch):
    info = probe_video(str(video("avi", tmp_path)))
    made = count()
    monkeypatch.setattr(sequence, "_numbered", _counting(sequence._numbered, made))
    for start in range(0, FRAMES, 10):
        assert len(list(decode.pictures(info, start, start + 10))) == 10
    assert next(made) == 1


def _counting(real, made):
    def numbered(*arguments):
        next(made)
        return real(*arguments)

    return numbered


def test_idle_readers_are_few_and_a_failed_one_is_closed(tmp_path, monkeypatch):
    info = probe_video(str(video("avi", tmp_path)))
    pool = sequence.ReaderPool(most=2)
    passes = [pool.numbered(info, 0, 1) for _ in range(4)]
    for each in passes:
        next(each)
    closed = []
    monkeypatch.setattr(sequence.Reader, "close", lambda self: closed.append(self))
    for each in passes:
        each.close()
    assert len(closed) == 2

    def failing(self, start, earlier):
        yield 0, None
        raise OSError("the store is gone")

    monkeypatch.setattr(sequence.Reader, "numbered", failing)
    with pytest.raises(OSError, match="gone"):
        list(pool.numbered(info, 0, 1))
    assert len(closed) == 3
