from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.faces.head import head_of, portrait_of, surroundings
from lipsync_ray.faces.track import Tracks

NAMES = ("portrait", "multiface", "whole_10045")


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared / "golden" / "echomimic_preprocess.npz") as held:
        return dict(held)


@pytest.mark.parametrize("name", NAMES)
def test_the_published_cut(shared, reference, name):
    path = next((shared / "corpus" / "faces").glob(f"{name}.*"))
    picture = cv2.imread(str(path))
    height, width = picture.shape[:2]
    box = reference[f"{name}.selected"]
    head = head_of(box, width, height)
    assert list(surroundings(box, width, height)) == reference[f"{name}.rectangle"].tolist()
    assert list(head.square) == reference[f"{name}.square"].tolist()
    assert np.array_equal(head.cut(picture, 512)[::8, ::8], reference[f"{name}.crop_512_every_8th"])
    mask = head.mask(width, height, 512)
    assert np.array_equal(mask.max(axis=1), reference[f"{name}.mask_512_rows"])
    assert np.array_equal(mask.max(axis=0), reference[f"{name}.mask_512_columns"])


def test_boxes_at_the_edges(reference):
    for row in reference["synthetic"]:
        height, width = (int(value) for value in row[:2])
        head = head_of(row[2:6], width, height)
        assert list(surroundings(row[2:6], width, height)) == row[6:10].tolist()
        assert list(head.square) == row[10:14].tolist()
        top, bottom, left, right = row[22:26]
        assert head.face.y0 == max(0, top)
        assert head.face.x0 == max(0, left)
        assert head.face.y1 == min(height, bottom)
        assert head.face.x1 == min(width, right)
        shown = np.count_nonzero(head.mask(width, height, 512))
        if min(top, left) >= 0:
            assert shown == row[26]
        else:
            assert shown > 0  # the published one is empty here


@given(
    st.integers(16, 400),
    st.integers(16, 400),
    st.tuples(st.floats(-60, 380), st.floats(-60, 380), st.floats(8, 300), st.floats(8, 300)),
)
def test_a_square_lies_in_the_picture(width, height, at):
    x0, y0, wide, tall = at
    if x0 > width - 8 or y0 > height - 8 or x0 + wide < 8 or y0 + tall < 8:
        return  # not in the picture
    head = head_of(np.array([x0, y0, x0 + wide, y0 + tall]), width, height)
    square = head.square
    assert square.width == square.height > 0
    assert square.x0 >= 0
    assert square.y0 >= 0
    assert square.x1 <= width
    assert square.y1 <= height


@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(10, 11), Fraction(2)])
def test_pixels_that_are_not_square(aspect):
    """A face that is round on the screen is cut out round: half as wide in pixels twice as wide."""
    wide = float(aspect)
    box = np.array([300 / wide, 100, 420 / wide, 250])
    head = head_of(box, round(800 / wide), 500, aspect)
    plain = head_of(np.array([300, 100, 420, 250]), 800, 500)
    for found, wanted in ((head.square, plain.square), (head.face, plain.face)):
        assert (found.y0, found.y1) == (wanted.y0, wanted.y1)
        assert abs(found.x0 * wide - wanted.x0) <= wide
        assert abs(found.x1 * wide - wanted.x1) <= wide
    assert head.mask(round(800 / wide), 500, 64).shape == (64, 64)


def tracks(noses, scores, sizes):
    count = len(noses)
    box = np.array([[100, 100, 100 + size, 100 + size] for size in sizes], np.float32)
    points = np.array([[[120, 130], [160, 130], [nose, 150], [125, 170], [155, 170]] for nose in noses], np.float32)
    numbers = np.arange(count, dtype=np.int32)
    zero = np.zeros(count, np.int32)
    return Tracks(
        numbers, zero, zero, zero, zero.astype(bool), box, points, np.array(scores, np.float32), np.ones(count, bool)
    )


def test_the_portrait_looks_at_the_camera():
    assert portrait_of(tracks([150, 141, 135], [0.99] * 3, [80] * 3), (0,)) == 1


def test_neither_a_doubtful_nor_a_small_face_is_a_portrait():
    assert portrait_of(tracks([140, 140, 150], [0.7, 0.99, 0.99], [80, 30, 80]), (0,)) == 2


def test_nobody():
    assert portrait_of(tracks([140], [0.99], [80]), (4,)) is None


def test_a_doubtful_face_is_better_than_none():
    assert portrait_of(tracks([140, 150], [0.7, 0.7], [80, 80]), (0,)) == 0
