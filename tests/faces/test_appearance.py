import numpy as np
import pytest

from lipsync_ray.faces.appearance import PATCH, appearances, small_face
from lipsync_ray.faces.detect import NO_FACES, Faces
from lipsync_ray.faces.identity import SIZE

STEP = 5
PICTURE = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)


def faces(*places):
    """Faces of (x, y, side)."""
    box = np.array([[x, y, x + side, y + side] for x, y, side in places], np.float32).reshape(-1, 4)
    shape = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
    points = np.array([[(x + a * side, y + b * side) for a, b in shape] for x, y, side in places], np.float32)
    return Faces(box, points.reshape(-1, 5, 2), np.ones(len(places), np.float32))


def kept(looks, number=0, cuts=()):
    """(described, kept as a picture) of a second's looks: (frame, place) of each."""
    pictures = dict.fromkeys(looks, PICTURE)
    found = appearances(looks, pictures, cuts, range(25), number, STEP, lambda picture, points: np.ones((1, SIZE)))
    described = {at for at, one in found.items() if not np.isnan(one.descriptor).any()}
    return described, set(found)


def second(*frames):
    return (
        dict.fromkeys(range(0, 26, STEP), frames[0])
        if len(frames) == 1
        else dict(zip(range(0, 26, STEP), frames, strict=True))
    )


ONE = faces((100, 100, 80))
TWO = faces((100, 100, 80), (400, 100, 70))


def test_a_face_alone_is_described_now_and_then():
    assert kept(second(ONE)) == ({(0, 0)}, {(0, 0)})
    assert kept(second(ONE), number=1) == (set(), set())


def test_two_are_described_once_a_second_and_pictured_more_often():
    described, pictured = kept(second(TWO), number=1)
    assert described == {(0, 0), (0, 1)}
    assert pictured == {(n, i) for n in (0, 10, 20) for i in (0, 1)}


def test_who_comes_is_described_at_once():
    described, _ = kept(second(ONE, ONE, TWO, TWO, TWO, TWO), number=1)
    assert (10, 1) in described


def test_where_two_meet_both_are_described():
    near = faces((100, 100, 80), (170, 100, 70))
    described, _ = kept(second(TWO, TWO, near, near, TWO, TWO), number=1)
    assert {(10, 0), (10, 1), (15, 0), (15, 1)} <= described


def test_after_a_cut_they_are_described():
    described, _ = kept(second(ONE), number=1, cuts=(12,))
    assert {(10, 0), (15, 0)} <= described


def test_small_faces_beside_a_large_one_are_not():
    described, pictured = kept(second(faces((100, 100, 80), (400, 100, 20))), number=0)
    assert described == pictured == {(0, 0)}


def test_nobody_is_nothing():
    assert kept(second(NO_FACES)) == (set(), set())


def test_a_small_picture_is_of_what_lies_in_the_frame():
    assert small_face(PICTURE, ONE.landmarks[0]).shape == (PATCH, PATCH)
    assert small_face(PICTURE, ONE.landmarks[0]).any()
    assert not small_face(PICTURE, ONE.landmarks[0] - np.float32([140, 0])).any()


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_it_turns_with_the_face(turn):
    import cv2

    smooth = cv2.GaussianBlur(PICTURE, (0, 0), 6)
    smooth = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    matrix = cv2.getRotationMatrix2D((140, 140), np.degrees(turn), 1.3)
    turned = cv2.warpAffine(smooth, matrix, (640, 360))
    points = (ONE.landmarks[0] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    one, other = (small_face(*pair).astype(float) for pair in ((smooth, ONE.landmarks[0]), (turned, points)))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97
