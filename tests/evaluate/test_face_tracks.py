from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq
import pytest
from clips import write_video
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import medfilt

from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.crop import crop_context
from lipsync_ray.faces.table import read_table, write_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.jobs.evaluate.face_tracks import FaceTracksOrder, build_tracks, find_tracks, read_face_tracks, squares
from lipsync_ray.jobs.evaluate.plan import score_rows, why_not_comparable, windows_of_tracks
from lipsync_ray.media import decode
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.sound_probe import Sound
from lipsync_ray.media.timeline import at_rate


def table(frames, boxes, track=0):
    n = len(frames)
    return Tracks(
        np.array(frames, np.int32), np.full(n, track, np.int32), np.zeros(n, np.int32), np.full(n, track, np.int32), np.zeros(n, np.bool_),
        np.array(boxes, np.float32),
        np.zeros((n, 5, 2), np.float32), np.ones(n, np.float32), np.ones(n, np.bool_),
    )  # fmt: skip


def still(n, side=120.0):
    return [[10, 20, 10 + side, 20 + side]] * n


def tracks_of(frames, boxes, seen, min_track=10, min_face=100):
    return find_tracks(table(frames, boxes), (0,), np.array(seen), min_track, min_face)


def test_a_gap_is_filled_and_a_long_one_splits():
    starts, tracks, _ = tracks_of([*range(20), *range(30, 50)], still(40), range(60))
    assert (starts, [len(t) for t in tracks]) == ([0], [50])
    starts, tracks, _ = tracks_of([*range(20), *range(46, 66)], still(40), range(70))
    assert (starts, [len(t) for t in tracks]) == ([0, 46], [20, 20])


def test_boxes_in_a_gap_lie_between():
    boxes = [[i, 0, i + 120, 120] for i in (*range(20), *range(30, 50))]
    _, tracks, _ = tracks_of([*range(20), *range(30, 50)], boxes, range(50))
    assert np.allclose(tracks[0][:, 0], range(50))


def test_a_leap_splits():
    boxes = [*still(20), *[[300, 20, 420, 140]] * 20]
    starts, _, _ = tracks_of(range(40), boxes, range(40))
    assert starts == [0, 20]


def test_why_there_is_no_track():
    for seen, boxes, said in (
        (range(8), still(8), "longest: 8 frames"),
        (range(40), still(40, 60), "largest: 60 pixels"),
        (range(100, 140), still(40), "no face is seen"),
    ):
        starts, _, reason = tracks_of(range(len(boxes)), boxes, seen)
        assert not starts
        assert said in reason


def test_more_than_min_track_as_published():
    assert tracks_of(range(10), still(10), range(10), min_track=10)[0] == []
    assert tracks_of(range(11), still(11), range(11), min_track=10)[0] == [0]


def test_squares_are_median_filtered():
    rng = np.random.default_rng(0)
    corner = np.cumsum(rng.normal(0, 2, (40, 2)), axis=0) + 200
    boxes = np.concatenate((corner, corner + np.array([100, 140])), axis=1)
    found = squares(boxes)
    assert np.allclose(found[:, 0], medfilt(corner[:, 0] + 50, 13))
    assert np.allclose(found[7:33, 2], 70)
    assert np.allclose(found[[0, 39], 2], 70)


def published_crop(frame, x, y, s):
    """The crop of run_pipeline.py, written as its description has it: pad the whole frame, then cut."""
    pad = int(s * 1.8)
    padded = np.pad(frame, ((pad, pad), (pad, pad), (0, 0)), constant_values=110)
    my, mx = y + pad, x + pad
    return padded[int(my - s) : int(my + s * 1.8), int(mx - s * 1.4) : int(mx + s * 1.4)]


@given(st.floats(0, 127), st.floats(0, 95), st.floats(15, 60))  # centres inside the frame
def test_the_context_crop_is_the_published_one(x, y, s):
    import cv2

    rng = np.random.default_rng(0)
    picture = YuvFrame(
        rng.integers(16, 235, (96, 128), np.uint8), np.full((48, 64), 120, np.uint8), np.full((48, 64), 130, np.uint8),
        Colour(),
    )  # fmt: skip
    wanted = published_crop(picture.bgr(), x, y, s)
    if min(wanted.shape[:2]) < 2:
        return
    found = crop_context(picture, np.array([x, y, s]), 64)
    assert np.abs(found.astype(int) - cv2.resize(wanted, (64, 64)).astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("frames", "rate", "shown"),
    [
        (6, 25, [0, 1, 2, 3, 4, 5]),
        (12, 30, [0, 1, 2, 4, 5, 6, 7, 8, 10, 11]),
        (5, "25/2", [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        (10, 50, [0, 2, 4, 6, 8]),
    ],
)
def test_another_rate(frames, rate, shown):
    found = at_rate(frames, Fraction(rate), Fraction(25)).tolist()
    assert len(found) == len(shown)
    assert np.abs(np.array(found) - shown).max() <= 1
    assert sorted(found) == found
    assert found[-1] < frames


@given(st.integers(1, 500), st.sampled_from(["24000/1001", "24", "25", "30000/1001", "30", "50", "60"]))
def test_no_frame_is_shown_far_from_its_time(frames, rate):
    rate = Fraction(rate)
    shown = at_rate(frames, rate, Fraction(25))
    assert abs(len(shown) - frames * 25 / rate) <= 1
    assert np.abs(shown / float(rate) - np.arange(len(shown)) / 25).max() <= 0.5 / 25 + 1 / float(rate) + 1e-9


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    picture = np.full((240, 320, 3), 90, np.uint8)
    dub = probe_video(str(write_video(folder / "dub.mp4", [picture] * 60)))
    source = probe_video(str(write_video(folder / "source.mp4", [picture] * 40)))
    write_table(str(folder / "t.parquet"), table(range(40), [[i, 20, i + 120, 160] for i in range(40)]))
    return folder, dub, source


def test_a_table_of_an_older_version_names_no_people(pair):
    url = str(pair[0] / "older.parquet")
    pq.write_table(pq.read_table(pair[0] / "t.parquet").drop_columns(["person", "still"]), url)
    older = read_table(url, 3, 5)
    assert older.person.tolist() == older.track.tolist() == [0, 0]
    assert older.still.tolist() == [False, False]


def test_a_dub_uses_the_table_of_its_source(pair):
    folder, dub, source = pair
    order = FaceTracksOrder(
        "x", dub, source, "pingpong", str(folder / "t.parquet"), True, "largest", None, 30, 100, str(folder / "g.npz")
    )
    index = build_tracks(order)
    tracks = read_face_tracks(order.url)
    assert (index.frames, index.start, index.length, index.faces) == (60, (0,), (60,), 60)
    assert tracks.source.tolist() == [*range(40), *range(38, 18, -1)]
    assert tracks.boxes_at(45)[0, 0] == 33
    assert tracks.track_box[45, 0] == 33


def speech(seconds):
    return Speech(
        SoundTrack("a.wav"), Sound("pcm", 16000, 1, int(seconds * 16000)), Span(0, int(seconds * 16000)), "f", 1
    )


def test_rows_cover_every_window_once(pair):
    folder, dub, source = pair
    order = FaceTracksOrder("x", dub, None, None, None, False, "all", None, 30, 100, str(folder / "w.npz"))
    index = build_tracks(order)  # whole frames
    windows = windows_of_tracks(index, speech(2.0))
    assert windows == (45,)
    rows = score_rows("x", index, windows, dub, None, order.url, speech(2.0), Pads(), "parts", 1, 10)
    covered = [w for row in rows for run in row.runs for w in range(run.first, run.first + run.count)]
    assert covered == list(range(45))
    assert all(row.start % 10 == 0 for row in rows)  # so that the scorer's batches lie alike in every split
    assert len(rows) > 1
    compared = score_rows("x", index, (0,), dub, source, order.url, None, Pads(), "parts", 1, 10)
    assert [(row.start, row.stop) for row in compared][-1][1] == 60
    assert score_rows("x", index, (0,), dub, None, order.url, None, Pads(), "parts", 1, 10) == []


def test_what_cannot_be_compared(pair, tmp_path):
    _, dub, source = pair
    assert "40 frames, the video 60" in why_not_comparable(dub, source, follows=False)
    assert why_not_comparable(dub, source, follows=True) == ""
    picture = np.full((240, 240, 3), 90, np.uint8)
    square = probe_video(str(write_video(tmp_path / "s.mp4", [picture] * 60)))
    assert "different aspect ratios" in why_not_comparable(dub, square, follows=True)
    fast = probe_video(str(write_video(tmp_path / "f.mp4", [picture] * 60, rate=Fraction(30))))
    assert "30 frames/s" in why_not_comparable(dub, fast, follows=False)


def test_grid_indices_are_decoded_without_seeking_back(pair):
    _, dub, _ = pair
    assert len(decode.runs(at_rate(60, Fraction(30), Fraction(25)).tolist())) == 1
    assert dub.frames == 60
