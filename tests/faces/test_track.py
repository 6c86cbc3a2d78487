from fractions import Fraction

import cv2
import numpy as np

from lipsync_ray.faces.appearance import PATCH, UNKNOWN
from lipsync_ray.faces.identity import SIZE
from lipsync_ray.faces.scan import Scan
from lipsync_ray.faces.speaker import choose, frames_of_others, select_speaker
from lipsync_ray.faces.table import boxes_of, read_table, write_table
from lipsync_ray.faces.track import gaussian, link

RATE = Fraction(25)


def scanned(total, sightings, cuts=(), looked=None, who=None, patches=None):
    """A scan of `sightings`: (frame, x, y, side[, score]); `who` and `patches` tell the faces apart by their x."""
    rows = sorted(((*s, 0.99) if len(s) == 4 else s for s in sightings), key=lambda s: (s[0], -s[4]))
    box = np.array([(x, y, x + side, y + side) for _, x, y, side, _ in rows], np.float32).reshape(-1, 4)
    centres = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    points = np.array([[(x + a * side, y + b * side) for a, b in centres] for _, x, y, side, _ in rows], np.float32)
    looks = range(total) if looked is None else looked
    return Scan(
        0, total, np.array(list(looks), np.int32), np.array(cuts, np.int32), np.array([s[0] for s in rows], np.int32),
        box, points.reshape(-1, 5, 2), np.array([s[4] for s in rows], np.float32),
        np.array([described(who(*s[:2])) if who else UNKNOWN.descriptor for s in rows], np.float16).reshape(-1, SIZE),
        np.array([patches(*s[:2]) if patches else UNKNOWN.patch for s in rows], np.uint8).reshape(-1, PATCH, PATCH),
    )  # fmt: skip


def described(who):
    """What a network would say of a person: far from what it says of others, and never quite the same."""
    if who is None:
        return UNKNOWN.descriptor
    return np.random.default_rng(who).normal(0, 0.06, SIZE).astype(np.float16)


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
    for name in ("frame", "track", "scene", "person", "still", "box", "landmarks", "score", "detected"):
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


def test_one_person_speaks_in_all_scenes_wherever_they_sit():
    shot = [(n, 100, 100, 60) for n in range(50)]
    counter_shot = [(n, 400, 100, 90) for n in range(50, 80)]
    again = [(n, 300, 60, 50) for n in range(80, 140)]
    people = {100: 0, 400: 1, 300: 0}
    tracks = link(scanned(140, shot + counter_shot + again, cuts=(50, 80), who=lambda n, x: people[x]), RATE)
    assert ids(tracks) == [0, 1, 2]
    assert [int(tracks.person[tracks.track == t][0]) for t in ids(tracks)] == [0, 1, 0]
    assert select_speaker(tracks, "largest", 640, 360) == (0, 2)
    assert choose(tracks, "largest", 640, 360).elsewhere == 30


def test_another_shot_of_somebody_is_spoken_of_however_near_a_close_up_is():
    shot, near = [(n, 100, 80, 100) for n in range(40)], [(n, 60, 0, 300) for n in range(40, 90)]
    bystander = [(n, 400, 100, 30) for n in range(90, 120)]
    film = shot + near + bystander
    tracks = link(scanned(120, film, cuts=(40, 90), who=lambda n, x: x), RATE)
    chosen = choose(tracks, "largest", 640, 360)
    assert tracks.frame[np.isin(tracks.track, chosen.tracks)].min() == 40
    assert frames_of_others(tracks, chosen.tracks, 640, 360).tolist() == list(range(40))
    assert chosen.elsewhere == 40


def test_a_passer_by_takes_no_track_over():
    """Somebody walks from left to right before a person who sits, and hides them for half a second."""
    sits = [(n, 300, 100, 80) for n in range(100) if not 44 <= n < 57]
    passes = [(n, 8 * n - 104 + 0.5, 100, 82) for n in range(13, 94)]
    tracks = link(scanned(100, sits + passes, who=lambda n, x: int(x % 1 > 0)), RATE)
    assert ids(tracks) == [0, 1]
    sitting = tracks.person == 0
    assert np.abs(tracks.box[sitting, 0] - 300).max() < 1
    assert sitting.sum() == 87
    assert set(tracks.frame[tracks.person == 1].tolist()) == set(range(13, 94))


def test_who_comes_to_the_same_place_is_not_the_one_who_left():
    first, other = [(n, 300, 100, 80) for n in range(40)], [(n, 302, 100, 80) for n in range(60, 100)]
    scan = scanned(100, first + other, who=lambda n, x: int(x > 300))
    tracks = link(scan, RATE)
    assert ids(tracks) == [0, 1]
    (chosen,) = select_speaker(tracks, "largest", 640, 360)
    assert (tracks.track == chosen).sum() == 40


def test_who_comes_back_at_another_place_is_the_same():
    first, again = [(n, 300, 100, 80) for n in range(40)], [(n, 20, 60, 60) for n in range(90, 130)]
    tracks = link(scanned(130, first + again, who=lambda n, x: 0), RATE)
    assert ids(tracks) == [0]
    assert len(tracks.frame) == 80  # what lies between is not filled


def test_of_two_who_look_the_same_place_decides():
    sightings = [(n, x, 100, 80) for n in range(100) if not 40 <= n < 60 for x in (100, 300)]
    tracks = link(scanned(100, sightings, who=lambda n, x: 0), RATE)
    assert ids(tracks) == [0, 1]
    for person in (0, 1):
        assert np.ptp(tracks.box[tracks.person == person, 0]) < 1


def picture(n, x):
    """Of the face at 300 always the same, as large as the camera has it; of others with a mouth that moves."""
    patch = cv2.resize(np.random.default_rng(int(x)).integers(40, 215, (8, 8), np.uint8), (PATCH, PATCH))
    if x != 300:
        patch[18:27, 6:26] = 40 + 30 * (n // 5 % 5)
    return cv2.warpAffine(
        patch, np.float32([[1, 0, n % 2 / 2], [0, 1, 0]]), (PATCH, PATCH), borderMode=cv2.BORDER_REPLICATE
    )


def test_a_poster_does_not_speak_while_somebody_moves():
    poster, person = [(n, 300, 50, 120) for n in range(0, 100, 5)], [(n, 60, 100, 70) for n in range(0, 100, 5)]
    looked = range(0, 100, 5)

    def tracks(sightings):
        return link(scanned(96, sightings, looked=looked, who=lambda n, x: int(x), patches=picture), RATE)

    both = tracks(poster + person)
    choice = choose(both, "largest", 640, 360)
    assert both.box[np.isin(both.track, choice.tracks), 0].max() < 70
    assert (choice.pictures, choice.rivals) == (1, 0)
    alone = tracks(poster)
    assert len(select_speaker(alone, "largest", 640, 360)) == 1  # a photograph that is to speak
    bystander = tracks(poster + [(n, 20, 20, 20) for n in range(0, 100, 5)])
    assert bystander.box[np.isin(bystander.track, select_speaker(bystander, "largest", 640, 360)), 0].min() > 200


def test_how_sure_a_choice_is():
    near = link(scanned(50, [(n, x, 100, side) for n in range(50) for x, side in ((20, 60), (400, 66))]), RATE)
    choice = choose(near, "largest", 640, 360)
    assert choice.rivals == 1
    assert 0.5 < choice.sure < 0.55
    far = link(scanned(50, [(n, x, 100, side) for n in range(50) for x, side in ((20, 14), (400, 66))]), RATE)
    assert choose(far, "largest", 640, 360).rivals == 0
    assert choose(near, "left", 640, 360).rivals == 0
    assert len(choose(near, "all", 640, 360).tracks) == 2
