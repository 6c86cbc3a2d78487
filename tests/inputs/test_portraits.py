"""One picture a person: of whom, of which frame, and what a second run takes again."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from clips import write_video

from lipsync_ray.errors import LipsyncError
from lipsync_ray.faces.table import write_table
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.portraits import MOST, SIDE, PortraitOrder, best_row, people_of, take_portraits
from lipsync_ray.io import storage
from lipsync_ray.media.probe import probe_video

KEY = "0123456789abcdef"
FACE = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])  # in parts of its box


def tracks_of(*rows, still=()):
    """Tracks of rows (frame, person, left, side)."""
    frame, person, left, side = (np.array(column) for column in zip(*sorted(rows), strict=True))
    box = np.stack([left, left * 0 + 20, left + side, 20 + side], axis=1).astype(np.float32)
    landmarks = (box[:, None, :2] + FACE[None] * side[:, None, None]).astype(np.float32)
    who = person.astype(np.int32)
    return Tracks(
        frame.astype(np.int32), who, np.zeros_like(who), who, np.isin(who, still), box, landmarks,
        np.ones(len(who), np.float32), np.ones(len(who), bool),
    )  # fmt: skip


def turned(tracks, row, by):
    """The same; in one row the nose is aside by a part of the face."""
    landmarks = tracks.landmarks.copy()
    landmarks[row, 2, 0] += by * (tracks.box[row, 2] - tracks.box[row, 0])
    return replace(tracks, landmarks=landmarks)


def test_who_is_seen_largest_and_longest_comes_first():
    tracks = tracks_of(*[(f, 0, 10, 40) for f in range(30)], *[(f, 3, 100, 60) for f in range(30)], (0, 5, 200, 90))
    assert people_of(tracks) == [3, 0, 5]


def test_a_poster_gets_no_picture_unless_it_is_all():
    rows = [(f, 0, 10, 40) for f in range(9)] + [(f, 1, 100, 80) for f in range(9)]
    assert people_of(tracks_of(*rows, still=[1])) == [0]
    assert people_of(tracks_of(*rows, still=[0, 1])) == [1, 0]


def test_a_crowd_gets_pictures_of_its_largest():
    assert people_of(tracks_of(*[(0, p, 40 * p, 10 + p) for p in range(40)])) == list(range(39, 39 - MOST, -1))


def test_a_large_frontal_face_is_the_best():
    tracks = tracks_of((0, 0, 10, 40), (1, 0, 10, 60), (2, 0, 10, 60))
    assert best_row(tracks, 0) == 1
    assert best_row(turned(tracks, 1, 0.15), 0) == 2


def test_a_face_that_was_found_is_better_than_one_between():
    tracks = tracks_of((0, 0, 10, 40), (1, 0, 10, 60))
    assert best_row(replace(tracks, detected=np.array([True, False])), 0) == 0


def test_a_glimpse_is_nobody_s_picture():
    tracks = tracks_of(*[(f, 0, 10, 40) for f in range(20)], (20, 0, 10, 90))
    assert best_row(replace(tracks, track=np.array([0] * 20 + [1], np.int32)), 0) < 20


@pytest.fixture
def order(tmp_path):
    """A video that is red where person 0 is, blue where person 1 is."""
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[:, :160, 0], picture[:, 160:, 2] = 200, 200
    video = probe_video(str(write_video(tmp_path / "v.mp4", [picture] * 30)))
    table = str(tmp_path / "t.parquet")
    write_table(table, tracks_of(*[(f, 0, 40, 60) for f in range(30)], *[(f, 1, 210, 60) for f in range(30)]))
    return PortraitOrder(KEY, video, table, str(tmp_path / "people"), frozenset())


def test_each_person_s_own_face_is_committed(order):
    assert take_portraits(order) == 2
    assert storage.list_names(order.folder) == {f"{KEY}-0.jpg", f"{KEY}-1.jpg"}
    for person, channel in ((0, 2), (1, 0)):
        data = storage.read_bytes(storage.join(order.folder, f"{KEY}-{person}.jpg"))
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape[0] == picture.shape[1] <= SIDE
        assert picture.reshape(-1, 3).mean(axis=0).argmax() == channel
        assert len(data) < 6000


def test_what_is_there_is_not_taken_again(order):
    assert take_portraits(replace(order, there=frozenset({f"{KEY}-1.jpg"}))) == 1
    assert storage.list_names(order.folder) == {f"{KEY}-0.jpg"}


def test_a_video_that_is_gone_is_told(order):
    storage.remove(order.video.url)
    with pytest.raises((LipsyncError, OSError)):
        take_portraits(order)


def test_a_video_without_a_face_has_no_pictures(order):
    from lipsync_ray.faces.track import NO_TRACKS

    write_table(order.table.replace("t.parquet", "none.parquet"), NO_TRACKS)
    assert take_portraits(replace(order, table=order.table.replace("t.parquet", "none.parquet"))) == 0
