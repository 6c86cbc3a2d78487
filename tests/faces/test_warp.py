"""Moving a face's own lips: measured on the demo's portrait by the face mesh anew."""

from importlib import resources

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.faces import mesh
from lipsync_ray.faces.mouth import Mouths, fill_holes, mouth_of, mouths_of
from lipsync_ray.faces.mouth_inside import inside_of
from lipsync_ray.faces.outline import moving_edge
from lipsync_ray.faces.warp import LipWarp
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.models.face_mesh import Mesher
from lipsync_ray.models.lip_poses import load_ensemble
from lipsync_ray.models.weights import by_name

FACE = np.array([[205, 195], [323, 188], [262, 240], [215, 290], [318, 285]], np.float32)  # eyes, nose, mouth corners


def landmarks(picture, mesher):
    square = mesh.square_of(FACE)
    found, _ = mesher(mesh.cut_square(picture, square)[None])
    return (found[0][list(mesh.KEPT)] @ square[:, :2].T + square[:, 2]).astype(np.float32)


@pytest.fixture(scope="module")
def mesher():
    return Mesher("cpu", batch=1)


@pytest.fixture(scope="module")
def picture():
    data = (resources.files("lipsync_ray.demo") / "data" / "portrait.jpg").read_bytes()
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    bgr = bgr[: bgr.shape[0] // 2 * 2, : bgr.shape[1] // 2 * 2]
    height, width = bgr.shape[:2]
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1)
    y, u, v = np.split(yuv, [height * width, height * width * 5 // 4])
    half = (height // 2, width // 2)
    return YuvFrame(y.reshape(height, width), u.reshape(half), v.reshape(half), Colour())


@pytest.fixture(scope="module")
def points(picture, mesher):
    return landmarks(picture, mesher)


@pytest.fixture(scope="module")
def basis():
    return load_ensemble(by_name("warp").here()).basis()


@pytest.fixture(scope="module")
def warp(basis, picture, points):
    return LipWarp(basis, lambda mouth: inside_of(picture, points.astype(np.float64), mouth.open_gap))


def gap(points):
    return float(mesh.gap_of(mesh.heads_of(points[None]).inside(points[None, mesh.TALKING]))[0])


def drawn(warp, picture, points, lips, silence=0.0):
    out = picture.copy()
    warp.draw(out, points, mouth_of(0, np.array([0]), points[None]), np.array(lips), silence)
    return out


@pytest.fixture(scope="module")
def opened_pose(basis):
    """The pose of the first direction, which opens and closes, that opens by a sixth of the eyes' distance."""
    first = np.eye(8)[:1]
    return first[0] * (0.17 / opening(basis, first[0]))


def opening(basis, lips):
    """How far a pose moves the middles of the lips' inner edges apart, in eye distances."""
    told = basis.steps(np.array([lips]))[0]
    return told[mesh.SPEAKING.index(14), 1] - told[mesh.SPEAKING.index(13), 1]


def test_lips_as_they_are_leave_the_picture_nearly_alone(warp, picture, points):
    same = drawn(warp, picture, points, np.zeros(8))
    assert np.abs(same.y.astype(int) - picture.y).mean() < 0.2
    assert picture.y[:100].tobytes() == same.y[:100].tobytes()


def test_a_mouth_opens_as_it_is_told_and_nothing_else_moves(warp, picture, points, basis, mesher, opened_pose):
    wanted = gap(points) + opening(basis, opened_pose)
    opened = drawn(warp, picture, points, opened_pose)
    measured = landmarks(opened, mesher)
    assert gap(measured) == pytest.approx(wanted, rel=0.35)
    assert gap(measured) > 3 * gap(points)
    eyes = np.linalg.norm(points[mesh.INDEX_OF[263]] - points[mesh.INDEX_OF[33]])
    still = [mesh.INDEX_OF[number] for number in mesh.RIGID]
    assert np.linalg.norm(measured[still] - points[still], axis=1).mean() < 0.02 * eyes
    # From the eyes upwards, and far from the face, not a sample is touched.
    for before, after in ((picture.y, opened.y), (picture.u, opened.u), (picture.v, opened.v)):
        rows = slice(0, int(before.shape[0] * 180 / picture.height))
        np.testing.assert_array_equal(before[rows], after[rows])
        np.testing.assert_array_equal(before[:, :20], after[:, :20])


def test_an_open_mouth_closes(warp, picture, points, mesher, opened_pose):
    opened = drawn(warp, picture, points, opened_pose)
    at = landmarks(opened, mesher)
    mouth = mouth_of(0, np.array([0]), points[None])  # as it rests: closed
    warp.draw(opened, at, mouth, np.zeros(8), 0.0)
    assert gap(landmarks(opened, mesher)) < 0.4 * gap(at)


def test_in_silence_lips_that_were_apart_meet(warp, picture, points, mesher, opened_pose):
    opened = drawn(warp, picture, points, opened_pose)
    at = landmarks(opened, mesher)
    ajar = mouth_of(0, np.array([0]), at[None])  # of a person who is never seen with closed lips
    closed = opened.copy()
    warp.draw(closed, at, ajar, np.zeros(8), 1.0)
    assert gap(landmarks(closed, mesher)) < 0.15 * gap(at)
    half = opened.copy()
    warp.draw(half, at, ajar, np.zeros(8), 0.5)
    assert gap(landmarks(closed, mesher)) < gap(landmarks(half, mesher)) < 0.75 * gap(at)


@pytest.mark.parametrize("lips", [0.0, 1.0])
def test_lips_meet_or_stay_apart_as_it_sounds(warp, picture, points, mesher, opened_pose, lips):
    mouth = mouth_of(0, np.array([0]), points[None])
    gaps = []
    for closure in (-1.0, 0.0, 0.5, 1.0):
        out = picture.copy()
        warp.draw(out, points, mouth, lips * opened_pose, 0.0, 1.0, closure)
        gaps.append(gap(landmarks(out, mesher)))
    assert max(np.diff(gaps)) < 0.001, "what the mesh finds of closed lips varies by less"
    assert gaps[0] > 0.025
    assert gaps[-1] < 0.01
    if lips:  # open as it is
        assert gaps[0] == gaps[1]


def test_in_silence_no_lips_are_kept_apart(warp, picture, points, opened_pose):
    mouth = mouth_of(0, np.array([0]), points[None])
    drawings = []
    for closure in (-1.0, 0.0):
        drawings.append(picture.copy())
        warp.draw(drawings[-1], points, mouth, opened_pose, 1.0, 1.0, closure)
    np.testing.assert_array_equal(drawings[0].y, drawings[1].y)


def test_nothing_outside_the_face_moves(warp, picture, points, opened_pose):
    inside = np.zeros(picture.y.shape, np.uint8)
    edge = moving_edge(points.astype(np.float64))
    ear = points[[mesh.INDEX_OF[234], mesh.INDEX_OF[454]]]
    cv2.fillPoly(inside, [np.round(np.concatenate((edge, [[ear[1, 0], 0], [ear[0, 0], 0]]))).astype(np.int32)], 1)
    for lips, silence in ((opened_pose, 0.0), (-opened_pose, 0.0), (opened_pose, 1.0)):
        out = drawn(warp, picture, points, lips, silence)
        change = np.abs(out.y.astype(int) - picture.y)
        assert change[inside == 0].max() <= 1, "a level where the polygon's own edge is rounded"
        assert change[inside == 1].max() > 1


def test_a_mouth_that_is_moved_by_nothing_is_the_source(warp, picture, points, opened_pose):
    mouth = mouth_of(0, np.array([0]), points[None])
    changes = []
    for strength in (0.0, 0.3, 0.7, 1.0):
        out = picture.copy()
        warp.draw(out, points, mouth, opened_pose, 0.0, strength)
        changes.append(int(np.abs(out.y.astype(int) - picture.y).sum()))
    assert changes[0] == 0
    assert changes == sorted(changes)


def test_the_same_again_is_the_same(warp, picture, points, basis, opened_pose):
    again = LipWarp(basis, lambda mouth: inside_of(picture, points.astype(np.float64), mouth.open_gap))
    first, second = (drawn(one, picture, points, opened_pose) for one in (warp, again))
    np.testing.assert_array_equal(first.y, second.y)
    np.testing.assert_array_equal(first.u, second.u)


def test_a_face_at_the_edge_is_drawn_as_far_as_it_is_seen(warp, picture, points, opened_pose):
    low, left = 2 * int(points[:, 1].min() / 2 + 40), 2 * int(points[:, 0].mean() / 2)
    part = YuvFrame(
        np.ascontiguousarray(picture.y[: low + 60, left:]),
        np.ascontiguousarray(picture.u[: low // 2 + 30, left // 2 :]),
        np.ascontiguousarray(picture.v[: low // 2 + 30, left // 2 :]),
        picture.colour,
    )
    drawn(warp, part, points - np.array([left, 0], np.float32), opened_pose)
    beyond = points + np.array([5000, 0], np.float32)
    alone = drawn(warp, picture, beyond, opened_pose)
    np.testing.assert_array_equal(alone.y, picture.y)


@given(st.floats(-1.5, 1.5), st.floats(0.2, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_a_head_is_found_however_it_lies(turn, size, x, y):
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.4, (len(mesh.KEPT), 2))
    own[[mesh.INDEX_OF[number] for number in mesh.RIGID]] = mesh.TEMPLATE
    scale = 100 * size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shown = own @ scale.T + (x, y)
    heads = mesh.heads_of(shown[None])
    np.testing.assert_allclose(heads.inside(shown[None])[0], own, atol=1e-6)
    assert heads.eyes[0] == pytest.approx(100 * size)
    steps = rng.normal(0, 0.1, (1, 5, 2))
    np.testing.assert_allclose(heads.moved(steps)[0], steps[0] @ scale.T, rtol=1e-6)


def course_of(points, gaps):
    """Frames in which the lower lip is so far below the upper one."""
    frames = np.repeat(points[None], len(gaps), axis=0)
    eyes = mesh.heads_of(points[None]).eyes[0]
    lower = [i for i in range(len(mesh.LIPS)) if 0 < i % mesh.RING < 10]
    frames[:, lower, 1] += (np.array(gaps) * eyes)[:, None].astype(np.float32)
    return frames


def test_a_mouth_is_told_from_its_frames(points):
    gaps = 0.1 + 0.1 * np.sin(np.arange(120) / 3)
    mouth = mouth_of(3, np.arange(1000, 1120), course_of(points, gaps))
    assert mouth.track == 3
    assert mouth.speaks
    assert gaps[mouth.open_frame - 1000] > 0.19
    assert mouth.spread == pytest.approx(gaps.std(), rel=0.05)
    still = mouth_of(3, np.arange(120), course_of(points, np.zeros(120)))
    assert not still.speaks
    assert still.amplitude == 1


def test_a_mouth_that_rests_shut_is_told_from_one_that_talks(points):
    shut = [mouth_of(0, np.arange(60), course_of(points, np.full(60, gap))).shut for gap in (0.0, 0.035, 0.1)]
    assert shut[0] > 0.9
    assert shut[0] > shut[1] > shut[2] == 0


def test_mouths_survive_being_stored(points):
    frames = course_of(points, np.linspace(0, 0.2, 60))
    tracks = np.repeat([4, 7, -1], 20).astype(np.int32)
    frames[tracks < 0] = np.nan
    mouths = mouths_of(frames, tracks, {4: 0, 7: 1})
    again = Mouths.from_bytes(mouths.to_bytes())
    assert set(again.by_track) == {4, 7}
    np.testing.assert_array_equal(again.tracks, tracks)
    for track, mouth in mouths.by_track.items():
        np.testing.assert_array_equal(again.by_track[track].rest, mouth.rest)
        assert again.by_track[track].open_frame == mouth.open_frame
    nobody = Mouths.from_bytes(mouths_of(np.full_like(frames, np.nan), tracks, {}).to_bytes())
    assert not nobody.by_track


def test_a_mouth_is_learnt_from_all_frames_of_a_person(points):
    gaps = np.concatenate((np.linspace(0, 0.02, 60), np.linspace(0, 0.2, 60)))
    frames, tracks = course_of(points, gaps), np.repeat([4, 7], 60).astype(np.int32)
    one = mouths_of(frames, tracks, {4: 0, 7: 0}).by_track
    np.testing.assert_array_equal(one[4].rest, one[7].rest)
    assert one[4].speaks
    assert min(one[4].open_frame, one[7].open_frame) >= 60  # the first scene shows no teeth of its own
    two = mouths_of(frames, tracks, {4: 0, 7: 1}).by_track
    assert not two[4].speaks
    wide = np.concatenate((np.linspace(0, 0.19, 60), np.linspace(0, 0.2, 60)))
    both = mouths_of(course_of(points, wide), tracks, {4: 0, 7: 0}).by_track
    assert both[4].open_frame < 60 <= both[7].open_frame


def test_short_holes_are_filled_within_a_track(points):
    frames = course_of(points, np.linspace(0, 0.2, 30))
    whole, tracks = frames.copy(), np.repeat([0, 1], 15).astype(np.int32)
    for hole in (slice(4, 7), slice(13, 17), slice(20, 27)):
        frames[hole] = np.nan
    fill_holes(frames, tracks)
    np.testing.assert_allclose(frames[4:7], whole[4:7], atol=0.05)
    assert np.isnan(frames[13:17]).all()  # across a cut
    assert np.isnan(frames[20:27]).all()  # too long


@pytest.mark.parametrize("height", [60.0, 400.0])
def test_a_square_is_cut_wherever_it_lies(picture, height):
    box = np.array([200, 150, 200 + 0.8 * height, 150 + height])
    assert mesh.cut_square(picture, mesh.square_of_box(box)).shape == (mesh.SQUARE, mesh.SQUARE, 3)
    assert mesh.cut_square(picture, mesh.square_of_box(box + 10_000)) is None
    assert mesh.cut_square(picture, mesh.square_of_box(box - np.array([200, 150, 200, 150]))) is not None


def test_landmarks_of_another_face_are_not_taken(points):
    assert mesh.agrees(points, FACE)
    assert not mesh.agrees(points, FACE + np.array([60, 0], np.float32))
    assert not mesh.agrees(points, FACE * 2)


def test_lips_that_the_source_rolls_in_are_not_opened(warp, picture, points, opened_pose):
    """Skin with a rim of red would be all that could be moved."""
    mouth = mouth_of(0, np.array([0]), points[None])
    rolled = points.copy()
    outer, inner = rolled[: mesh.RING], rolled[mesh.RING : 2 * mesh.RING]
    outer += 0.5 * (inner - outer)
    each = np.stack((points, rolled))
    assert mouth.rolled_in(each, mesh.heads_of(each)).tolist() == [0.0, 1.0]
    opened, left = picture.copy(), picture.copy()
    warp.draw(opened, points, mouth, opened_pose, 0.0)
    warp.draw(left, rolled, mouth, opened_pose, 0.0)
    moved, not_moved = (int(np.abs(one.y.astype(int) - picture.y).max()) for one in (opened, left))
    assert moved > 60
    assert not_moved < 30  # what is between the lips is drawn anew


def test_a_mouth_that_is_never_open_is_painted(basis, picture, points, opened_pose):
    """Between the lips, and nowhere else; where a person's own teeth are known, those are used."""
    painter = load_ensemble(by_name("warp").here()).painter.painter()
    own = inside_of(picture, points.astype(np.float64), 0.1)
    drawings = [
        drawn(LipWarp(basis, lambda mouth, inside=inside: inside, by), picture, points, opened_pose)
        for inside, by in ((None, None), (None, painter), (own, None), (own, painter))
    ]
    changed = drawings[0].y != drawings[1].y
    assert 0.0005 < changed.mean() < 0.02
    brighter = drawings[1].y[changed].astype(int) - drawings[0].y[changed]
    assert np.quantile(brighter, 0.75) > 20, "teeth instead of a dark hole"
    for plane in ("y", "u", "v"):
        np.testing.assert_array_equal(getattr(drawings[2], plane), getattr(drawings[3], plane))
