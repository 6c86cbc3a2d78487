from fractions import Fraction

import numpy as np

from lipsync_ray.faces.scan import Scan
from lipsync_ray.faces.speaker import select_speaker
from lipsync_ray.faces.table import boxes_of, read_table, write_table
from lipsync_ray.faces.track import gaussian, link

RATE = Fraction(25)


def scanned(total, sightings, cuts=(), looked=None):
    """A scan of `sightings`: (frame, x, y, side[, score])."""
    rows = sorted(((*s, 0.99) if len(s) == 4 else s for s in sightings), key=lambda s: (s[0], -s[4]))
    box = np.array([(x, y, x + side, y + side) for _, x, y, side, _ in rows], np.float32).reshape(-1, 4)
    centres = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    points = np.array([[(x + a * side, y + b * side) for a, b in centres] for _, x, y, side, _ in rows], np.float32)
    looks = range(total) if looked is None else looked
    return Scan(
        0, total, np.array(list(looks), np.int32), np.array(cuts, np.int32), np.array([s[0] for s in rows], np.int32),
        box, points.reshape(-1, 5, 2), np.array([s[4] for s in rows], np.float32),
    )  # fmt: skip


def ids(tracks):
    return sorted(set(tracks.track.tolist()))


def test_two_people_are_two_tracks_however_they_are_ordered():
    sightings = [
        (n, x + n * 0.3, 50, 40, 0.98 + 0.01 * ((n + who) % 2)) for n in range(50) for who, x in enumerate((10, 200))
    ]
    tracks = link(scanned(300, sightings, looked=range(50)), RATE)
    assert ids(tracks) == [0, 1]
    for track in (0, 1):
        own = tracks.box[tracks.track == track]
        assert np.abs(np.diff(own[:, 0])).max() < 2


def test_frames_that_were_not_looked_at_are_interpolated():
    tracks = link(scanned(51, [(n, 10 + n, 50, 40) for n in range(0, 51, 5)], looked=range(0, 51, 5)), RATE)
    assert tracks.frame.tolist() == list(range(51))
    assert np.abs(tracks.box[:, 0] - (10 + np.arange(51))).max() < 0.2
    assert tracks.detected.sum() == 11


def test_a_face_the_detector_missed_for_a_moment_is_bridged_and_a_longer_absence_is_not():
    seen = [n for n in range(100) if not 20 <= n < 23 and not 50 <= n < 70]
    tracks = link(scanned(100, [(n, 10, 50, 40) for n in seen]), RATE)
    assert ids(tracks) == [0]
    assert sorted(set(range(100)) - set(tracks.frame.tolist())) == list(range(50, 70))


def test_a_cut_ends_a_track_and_smoothing():
    sightings = [(n, 10 if n < 25 else 18, 50, 40) for n in range(50)]
    tracks = link(scanned(50, sightings, cuts=(25,)), RATE)
    assert ids(tracks) == [0, 1]
    assert tracks.scene.tolist() == [0] * 25 + [1] * 25
    assert np.allclose(tracks.box[:, 0], [10] * 25 + [18] * 25)


def test_doubtful_and_fleeting_sightings_are_no_faces():
    sightings = [(n, 10, 50, 40) for n in range(50)] + [(n, 200, 50, 40, 0.8) for n in range(50)] + [(7, 120, 50, 40)]
    assert ids(link(scanned(50, sightings), RATE)) == [0]


def test_one_frame_is_enough_where_there_is_only_one():
    assert ids(link(scanned(1, [(0, 10, 50, 40)]), RATE)) == [0]


def test_a_video_without_faces_gives_an_empty_table(tmp_path):
    tracks = link(scanned(50, []), RATE)
    assert len(tracks.frame) == 0
    assert select_speaker(tracks, "largest", 640, 360) == ()
    write_table(str(tmp_path / "t.parquet"), tracks)
    assert len(read_table(str(tmp_path / "t.parquet")).frame) == 0


def test_smoothing_keeps_steady_motion_and_takes_jitter_away():
    line = np.arange(100.0)[:, None]
    assert np.abs(gaussian(line, 3) - line).max() < 1e-9
    noisy = np.random.default_rng(0).normal(0, 1, (200, 1))
    assert gaussian(noisy, 4).std() < 0.4
    assert gaussian(line[:1], 3).tolist() == [[0.0]]


def test_the_table_is_what_was_written(tmp_path):
    tracks = link(
        scanned(60, [(n, 10 + n, 50, 40) for n in range(60)] + [(n, 300, 50, 40) for n in range(10, 40)]), RATE
    )
    url = str(tmp_path / "a.parquet")
    write_table(url, tracks)
    for name in ("frame", "track", "scene", "box", "landmarks", "score", "detected"):
        assert np.array_equal(getattr(read_table(url), name), getattr(tracks, name)), name
    part = read_table(url, 20, 30)
    assert set(part.frame.tolist()) == set(range(20, 30))
    boxes = boxes_of(part, (1,), 5, 30)
    assert np.isnan(boxes[:15]).all()
    assert not np.isnan(boxes[15:]).any()


def test_who_speaks_is_decided_by_the_whole_scene():
    # On the left a small face that is always there, in the middle a large one for a short time, right a medium one.
    left = [(n, 20, 150, 40) for n in range(100)]
    middle = [(n, 280, 140, 90) for n in range(10)]
    right = [(n, 520, 140, 60) for n in range(100)]
    tracks = link(scanned(100, left + middle + right), RATE)
    place = {t: round(float(tracks.box[tracks.track == t][:, 0].mean())) // 200 for t in ids(tracks)}

    def who(rule):
        (track,) = select_speaker(tracks, rule, 640, 360)
        return place[track]

    assert (who("largest"), who("left"), who("right")) == (2, 0, 2)
    # The right one is nearer to the middle than the left one, and the ten frames of the one in the middle do not outweigh
    # its hundred.
    assert who("center") == 2


def test_who_speaks_does_not_depend_on_the_order_of_detections():
    sightings = [(n, x, 140, size) for n in range(40) for x, size in ((20, 60), (280, 50), (520, 55))]
    for rule in ("largest", "center", "left", "right"):
        chosen = set()
        for order in (sightings, sightings[::-1], sorted(sightings, key=lambda s: (s[0], -s[1]))):
            tracks = link(scanned(40, sorted(order, key=lambda s: s[0])), RATE)
            (track,) = select_speaker(tracks, rule, 640, 360)
            chosen.add(round(float(tracks.box[tracks.track == track][:, 0].mean())))
        assert len(chosen) == 1, rule


def test_the_same_person_found_again_is_chosen_again_and_another_is_not():
    first = [(n, 100, 100, 60) for n in range(40)]
    again = [(n, 110, 100, 62) for n in range(120, 160)]
    other = [(n, 400, 100, 40) for n in range(45, 115)]
    tracks = link(scanned(160, first + again + other), RATE)
    chosen = select_speaker(tracks, "largest", 640, 360)
    shown = tracks.frame[np.isin(tracks.track, chosen)]
    assert set(shown.tolist()) == {*range(40), *range(120, 160)}


def test_every_scene_has_its_own_speaker():
    sightings = [(n, 100, 100, 60) for n in range(50)] + [(n, 400, 100, 60) for n in range(50, 100)]
    tracks = link(scanned(100, sightings, cuts=(50,)), RATE)
    assert len(select_speaker(tracks, "left", 640, 360)) == 2
