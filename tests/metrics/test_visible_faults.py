"""What a viewer sees at once is measured; what lips do is not taken for it."""

import numpy as np
import pytest

from lipsync_ray.media.picture import Box, Colour, YuvFrame
from lipsync_ray.metrics import visible_faults as faults

CROP = Box(80, 60, 180, 190)
SIZE = (240, 256)


def frame(seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(100, 130, SIZE).astype(np.uint8)
    u, v = (np.full((SIZE[0] // 2, SIZE[1] // 2), level, np.uint8) for level in (118, 140))
    return YuvFrame(y, u, v, Colour())


def with_mouth(picture, tall=20):
    """A dark open mouth, as wide as mouths are."""
    out = picture.copy()
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    out.y[((rows - 165) / tall) ** 2 + ((columns - 130) / 22) ** 2 < 1] = 30
    return out


def test_equal_frames_have_nothing():
    one = frame()
    assert faults.light_of(one, one, CROP) == (0, 0, 0)
    assert faults.change(one.y, one.y) == 0
    assert faults.seam(np.array([faults.edges(one.y, one.y, CROP)] * faults.FEWEST)) == 0


def test_a_tint_is_measured_and_a_mouth_is_not():
    tinted = with_mouth(frame())
    tinted.v[50:95, 40:90] += 8
    tinted.u[50:95, 40:90] -= 5
    assert faults.light_of(tinted, frame(), CROP) == (0, -5, 8)


def test_flicker_is_of_what_goes_to_and_fro():
    steady, jumping = np.linspace(0, 20, 50), np.tile([0.0, 4.0], 25)
    assert faults.flicker(steady).max() == pytest.approx(0, abs=1e-9)
    assert faults.flicker(jumping).tolist() == [8.0] * 48
    jumping[10] = np.nan
    assert np.flatnonzero(np.isnan(faults.flicker(jumping))).tolist() == [8, 9, 10]


def test_a_rectangle_is_a_seam_and_lips_are_none():
    box, mouths = [], []
    for said, before in ((2, 20), (20, 2), (12, 5), (5, 16), (10, 10)):
        mouth, source = with_mouth(frame(), said), with_mouth(frame(), before)
        mouths.append(faults.edges(mouth.y, source.y, CROP))
        mouth.y[120:190, 85:175] += 10
        box.append(faults.edges(mouth.y, source.y, CROP))
    assert faults.seam(np.array(box)) > 8
    assert faults.seam(np.array(mouths)) < 6
    assert faults.seam(np.array(box[:4])) is None


@pytest.mark.parametrize(
    "crop", [Box(0, 0, 60, 80), Box(200, 190, 256, 240), Box(0, 0, 256, 240), Box(100, 100, 110, 112)]
)
def test_edges_of_a_crop_anywhere_have_one_shape(crop):
    assert faults.edges(frame(1).y, frame(2).y, crop).shape == (faults.ROWS, faults.COLUMNS)


def test_black_is_far_from_any_picture():
    assert faults.change(np.full(SIZE, 16, np.uint8), frame().y) > 80
    assert faults.change(with_mouth(frame()).y, frame().y) < 3


def test_seconds_are_means_of_what_is_known():
    values = np.concatenate([np.full(25, 1.0), np.full(25, 3.0), np.full(10, 5.0)])
    assert faults.seconds(values).tolist() == [1.0, pytest.approx((75 + 50) / 35)]
    values[:15] = np.nan
    assert np.isnan(faults.seconds(values)[0])
    assert faults.seconds(np.full(10, 2.0)).tolist() == [2.0]
    assert len(faults.seconds(np.zeros(0))) in (0, 1)
