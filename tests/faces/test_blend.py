import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_ray.faces.blend import paste
from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.crop import crop_box, crop_face
from lipsync_ray.media.picture import Box, Colour, YuvFrame

SIZE = (96, 128)


def scene(seed=0, level=None) -> YuvFrame:
    rng = np.random.default_rng(seed)
    shapes = (SIZE, *((SIZE[0] // 2, SIZE[1] // 2),) * 2)
    if level is not None:
        return YuvFrame(*(np.full(shape, level, np.uint8) for shape in shapes), Colour(1, 1))
    return YuvFrame(*(rng.integers(40, 200, shape, np.uint8) for shape in shapes), Colour(1, 1))


@settings(max_examples=40)
@given(
    st.integers(0, 60), st.integers(0, 40), st.integers(9, 66), st.integers(9, 54), st.sampled_from(["feather", "hard"])
)
def test_outside_the_box_nothing_changes(x, y, width, height, blend):
    before = scene()
    box = Box(x, y, min(128, x + width), min(96, y + height))
    after = before.copy()
    paste(after, box, np.random.default_rng(1).integers(0, 255, (96, 96, 3), np.uint8), blend)
    outside = np.ones(SIZE, bool)
    outside[box.y0 : box.y1, box.x0 : box.x1] = False
    assert np.array_equal(before.y[outside], after.y[outside])
    even = box.even()
    outside = np.ones((SIZE[0] // 2, SIZE[1] // 2), bool)
    outside[even.y0 // 2 : even.y1 // 2, even.x0 // 2 : even.x1 // 2] = False
    for plane in "uv":
        assert np.array_equal(getattr(before, plane)[outside], getattr(after, plane)[outside])


def test_hard_replaces_the_rectangle():
    picture = scene(level=100)
    paste(picture, Box(20, 10, 60, 58), np.zeros((96, 96, 3), np.uint8), "hard")
    assert (picture.y[10:58, 20:60] == 16).all()
    assert (picture.y[:, :20] == 100).all()


def test_feather_leaves_the_upper_face_alone_and_draws_the_mouth():
    picture = scene(level=100)
    face = np.full((96, 96, 3), 90, np.uint8)
    face[65:85, 30:66] = (40, 40, 200)
    paste(picture, Box(20, 10, 100, 90), face, "feather")
    assert (picture.y[:48] == 100).all()
    assert abs(int(picture.v[38, 30]) - 128) > 30  # red, where the mouth is


def test_a_shift_in_colour_is_matched():
    picture = scene(level=100)
    face = picture.bgr(Box(0, 0, 96, 96)).astype(int) + 12
    paste(picture, Box(20, 10, 100, 90), face.clip(0, 255).astype(np.uint8), "feather")
    assert np.abs(picture.y.astype(int) - 100).max() <= 1


def test_its_own_crop_pasted_back_changes_little():
    rng = np.random.default_rng(3)
    smooth = np.kron(rng.integers(60, 180, (12, 16)), np.ones((8, 8))).astype(np.uint8)
    chroma = np.full((48, 64), 128, np.uint8)  # every grey is inside BGR's range, as most colours of noise are not
    picture = YuvFrame(smooth, chroma, chroma.copy(), Colour(1, 1))
    after = picture.copy()
    box = Box(0, 0, 96, 96)
    paste(after, box, crop_face(picture, box, 96), "feather")
    assert np.abs(after.y.astype(int) - picture.y)[50:88, 16:80].mean() < 2


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 10, 50, 50), Box(10, 10, 50, 52)),
        ((-5, -8, 40, 32), Box(0, 0, 40, 34)),
        ((100, 60, 150, 110), Box(100, 60, 128, 96)),
        ((125, 10, 150, 50), None),
        ((np.nan,) * 4, None),
        ((10, 10, 15, 16), None),
    ],
)
def test_boxes_are_padded_clipped_and_refused(box, expected):
    assert crop_box(np.array(box, np.float32), Pads(), 128, 96) == expected


def test_pads_are_parts_of_the_height():
    assert crop_box(np.array([40, 40, 80, 80], np.float32), Pads(0.1, 0.2, 0.25, -0.25), 128, 96) == Box(30, 36, 70, 88)
