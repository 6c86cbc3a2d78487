import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.inputs.face_tables import face_rows
from lipsync_ray.jobs.dub.segment import output_frames
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.picture import Colour
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.sound_probe import Sound
from lipsync_ray.media.timeline import source_frames, split


def video(frames=100, rate=Fraction(25), still=False):
    return VideoInfo(
        "v.mp4",
        64,
        64,
        0,
        rate,
        frames,
        0,
        Fraction(1, 25),
        "h264",
        "yuv420p",
        False,
        still,
        Fraction(1),
        Colour(),
        False,
    )


def speech(seconds, rate=16000):
    samples = int(Fraction(seconds) * rate)
    return Speech(SoundTrack("a.wav"), Sound("pcm", rate, 1, samples), Span(0, samples), "a.mel", 1 + samples // 200)


def shown(count, n, loop):
    return source_frames(np.arange(n), count, loop).tolist()


def test_loops():
    assert shown(4, 10, "pingpong") == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert shown(4, 10, "restart") == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert shown(4, 6, "freeze") == [0, 1, 2, 3, 3, 3]
    assert shown(1, 3, "pingpong") == shown(1, 3, "restart") == [0, 0, 0]
    assert shown(2, 5, "pingpong") == [0, 1, 0, 1, 0]


@given(st.integers(2, 50), st.integers(1, 300))
def test_pingpong_never_jumps(count, n):
    frames = np.array(shown(count, n, "pingpong"))
    assert frames.min() >= 0
    assert frames.max() < count
    assert (np.abs(np.diff(frames)) == 1).all()


@pytest.mark.parametrize(
    ("rate", "seconds", "frames"),
    [(25, "8.6", 215), (25, "8.601", 216), ("30000/1001", "10", 300), ("24000/1001", "1/100", 1), (25, "0.04", 1)],
)
def test_the_output_lasts_as_long_as_the_audio(rate, seconds, frames):
    assert output_frames(video(rate=Fraction(rate)), speech(seconds).duration_s, "audio") == frames


def test_other_lengths():
    assert output_frames(video(100), speech(2).duration_s, "video") == 100
    assert output_frames(video(100), speech(2).duration_s, "shortest") == 50
    assert output_frames(video(10), speech(2).duration_s, "shortest") == 10
    assert output_frames(video(1, still=True), speech(2).duration_s, "shortest") == 50


@given(st.integers(1, 5000), st.fractions(1, 120, max_denominator=1001), st.floats(0.2, 600), st.integers(1, 256))
def test_segments_cover_every_frame_once(frames, rate, seconds, batch):
    bounds = split(frames, rate, seconds, batch)
    assert [n for start, stop in bounds for n in range(start, stop)] == list(range(frames))


def test_segments_are_whole_batches_where_that_is_near():
    assert split(500, Fraction(25), 8, 16)[0] == (0, 192)
    assert split(500, Fraction(25), 8, 128)[0] == (0, 256)
    assert split(500, Fraction(25), 1, 128)[0] == (0, 25)


def test_face_rows_cover_the_video_in_whole_groups():
    rows = face_rows("k", video(1000), "out/faces/parts/k", 10)
    assert rows[0].start == 0
    assert rows[-1].stop == 1000
    assert all(a.stop == b.start and a.stop % 25 == 0 for a, b in itertools.pairwise(rows))
    assert len({row.key for row in rows}) == len({row.url for row in rows}) == len(rows)
