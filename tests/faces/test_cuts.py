from fractions import Fraction

import cv2
import numpy as np
import pytest

from lipsync_ray.faces.cuts import CutFinder, difference, faces_alike, small, window
from lipsync_ray.faces.detect import NO_FACES, Faces


def scene(seed, height=360, width=640):
    """A room: smooth shapes, unlike those of another seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (height // 24, width // 24, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def view(room, x, y=60, width=400, height=225):
    return np.ascontiguousarray(room[y : y + height, x : x + width])


def cuts(frames, rate=25, likeness=lambda: None):
    finder = CutFinder(Fraction(rate), len(frames))
    for number, frame in enumerate(frames):
        finder.add(number, frame)
    return [n for n in range(1, len(frames)) if finder.is_cut(n, likeness)]


ONE, OTHER = scene(0), scene(1)
HERE, THERE = view(ONE, 100), view(OTHER, 100)


def brighter(frame, by=120):
    return np.clip(frame.astype(int) + by, 0, 255).astype(np.uint8)


def test_another_scene_is_a_cut_at_its_first_frame():
    assert cuts([HERE] * 10 + [THERE] * 10) == [10]


def test_a_cut_after_the_first_frame_and_before_the_last():
    assert cuts([HERE] + [THERE] * 10) == [1]
    assert cuts([HERE] * 10 + [THERE]) == [10]
    assert cuts([HERE, THERE]) == [1]


@pytest.mark.parametrize("step", [4, 20, 35])
def test_a_pan_is_none(step):
    assert cuts([view(ONE, x) for x in range(0, 240, step)]) == []


def test_a_camera_that_shakes_is_none_and_a_cut_in_it_is_one():
    places = (120 + 60 * np.sin(2 * np.pi * 2 * np.arange(40) / 25)).astype(int)
    assert cuts([view(ONE, x) for x in places]) == []
    assert cuts([view(ONE if n < 20 else OTHER, x) for n, x in enumerate(places)]) == [20]


@pytest.mark.parametrize("lasts", [1, 2, 3])
def test_a_flash_is_none(lasts):
    lit = [brighter(HERE, 200 - 60 * n) for n in range(lasts)]
    assert cuts([HERE] * 8 + lit + [HERE] * 8) == []


def test_a_cut_next_to_a_flash_is_one():
    assert cuts([HERE] * 8 + [brighter(HERE)] + [THERE] * 8) == [9]
    assert cuts([HERE] * 8 + [brighter(THERE)] + [THERE] * 8) == [8]


def test_a_change_of_light_is_none():
    assert cuts([HERE] * 8 + [(HERE * 0.5).astype(np.uint8)] * 8) == []


def test_a_damaged_frame_is_none():
    assert cuts([HERE] * 8 + [np.full_like(HERE, 128)] + [HERE] * 8) == []


def test_from_black_is_a_cut():
    assert cuts([np.zeros_like(HERE)] * 8 + [HERE] * 8) == [8]


def test_somebody_who_walks_through_is_none():
    def at(place):
        frame = HERE.copy()
        frame[:, max(0, place) : max(0, place + 160)] = THERE[:, : max(0, min(160, place + 160))]
        return frame

    assert cuts([at(place) for place in range(-160, 220, 20)]) == []


def test_where_the_change_is_small_faces_decide():
    other = HERE.copy()
    other[60:165, 120:260] = THERE[60:165, 120:260]
    frames = [HERE] * 10 + [other] * 10
    assert 0.05 < difference(small(HERE), small(other)) < 0.45
    assert cuts(frames, likeness=lambda: 0.6) == [10]
    assert cuts(frames, likeness=lambda: 0.95) == []


def test_at_high_rates_frames_farther_apart_are_compared():
    assert window(Fraction(25)) == (4, 3)
    assert window(Fraction(60)) == (7, 6)
    assert cuts([HERE] * 20 + [brighter(HERE, 200)] * 5 + [HERE] * 20, rate=60) == []


def faces(x, y, side=60):
    box = np.array([[x, y, x + side, y + side]], np.float32)
    return Faces(box, np.zeros((1, 5, 2), np.float32), np.ones(1, np.float32))


def test_a_face_that_goes_on_is_alike():
    moved = np.roll(HERE, (3, 5), (0, 1))
    assert faces_alike(HERE, moved, faces(100, 80), faces(105, 83)) > 0.9
    assert faces_alike(HERE, brighter(HERE, 40), faces(100, 80), faces(100, 80)) > 0.9
    assert faces_alike(HERE, THERE, faces(100, 80), faces(100, 80)) < 0.8
    assert faces_alike(HERE, HERE, faces(100, 80), NO_FACES) is None
    assert faces_alike(HERE, HERE, NO_FACES, NO_FACES) is None
