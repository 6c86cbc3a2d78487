"""Painted inner mouths: what is fixed to what, light, and the same text for numpy and torch."""

import cv2
import numpy as np
import pytest
import torch

from lipsync_ray.faces.inner_mouth import MOMENTARY, PERSONAL, Spots, inner_mouth
from lipsync_ray.faces.mesh import INDEX_OF, KEPT, RIGID, SPEAKING, TEMPLATE, Heads
from lipsync_ray.faces.mouth_painter import LipEdges, MouthPainter, tone_of
from lipsync_ray.faces.patch import INSIDE, INSIDE_HEADS, cut_inside
from lipsync_ray.media.picture import Box, Colour, YuvFrame
from lipsync_ray.models.lip_poses import load_ensemble
from lipsync_ray.models.weights import by_name

USUAL = {name: (low + high) / 2 for name, (low, high) in (*PERSONAL.items(), *MOMENTARY.items())}
BARE = USUAL | {"shade_up": 0.0, "shade_low": 0.0, "shade_corner": 0.0}
HEADS = Heads(
    np.array([1 / 200 + 0j]), np.array([-0.5 - 0.5j])
)  # eyes 200 pixels apart, the mouth in the middle of 200 × 200
BOX = Box(0, 0, 200, 200)


@pytest.fixture(scope="module")
def painter():
    return load_ensemble(by_name("warp").here()).painter.painter()


def lips_of(gap, raised=0.02):
    """Lips 0.44 wide whose upper one is raised from the line between closed ones, at 0."""
    along = np.linspace(-1, 1, 11)
    bow = 1 - along**2
    upper = np.stack((0.22 * along, -raised * bow), axis=1)
    return LipEdges(upper, np.stack((0.22 * along, (gap - raised) * bow), axis=1), 0.0, 0.0)


def row(values, y):
    """Of the middle column, at a height below the line between closed lips."""
    return float(values[round(100 + 200 * y), 100])


def test_upper_teeth_stay_with_the_skull_and_lower_ones_follow_the_jaw():
    near, wide = (inner_mouth(lips_of(gap).spots(BOX, HEADS), BARE)[0] for gap in (0.1, 0.2))
    for y in (0.0, 0.02, BARE["edge"] - 0.03):  # within the upper teeth
        assert row(near, y) == pytest.approx(row(wide, y), rel=1e-4)
    for above in (0.005, 0.01):  # the lower lip
        assert row(near, 0.08 - above) == pytest.approx(row(wide, 0.18 - above), rel=0.02)
    assert row(wide, 0.08) < 0.8 * row(wide, 0.0), "behind the teeth it is dark"


def test_numpy_and_torch_draw_the_same():
    at = lips_of(0.15).spots(BOX, HEADS)
    tensors = Spots._make((*(torch.from_numpy(place) for place in at[:-1]), at.pixel))
    for a, b in zip(inner_mouth(at, USUAL), inner_mouth(tensors, USUAL), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b.numpy(), atol=1e-5)


def test_a_larger_picture_shows_the_same_mouth():
    small = inner_mouth(lips_of(0.15).spots(BOX, HEADS), BARE)[0]
    larger = Heads(HEADS.turn / 4, HEADS.shift)
    large = inner_mouth(lips_of(0.15).spots(Box(0, 0, 800, 800), larger), BARE)[0]
    shrunk = cv2.resize(large, (200, 200), interpolation=cv2.INTER_AREA)
    inside = slice(95, 125), slice(70, 130)
    assert np.abs(shrunk[inside] - small[inside]).mean() < 0.04
    assert np.abs(np.diff(large, axis=1)).max() > 0.02, "gaps between teeth"


def test_dials_are_within_their_ranges_whatever_the_lips(painter):
    rng = np.random.default_rng(0)
    for shape in [*rng.normal(0, 1, (20, 5)), np.full(5, 1e6), np.zeros(5)]:
        found = painter.dials(shape, 110.0)
        for name, (low, high) in (*PERSONAL.items(), *MOMENTARY.items()):
            assert low <= found[name] <= high, name


def test_a_mouth_changes_little_with_its_shape(painter):
    """No tooth or tongue appears from one frame to the next."""
    looks = []
    for gap in np.arange(0.05, 0.25, 0.005):
        lips = lips_of(gap)
        looks.append(inner_mouth(lips.spots(BOX, HEADS), painter.dials(lips.shape, 110.0))[0][98:105, 80:120])
    assert max(np.abs(np.diff(looks, axis=0)).mean((1, 2))) < 0.05


def face(left, right, limits=0):
    """A picture with cheeks of two brightnesses, and landmarks."""
    luma = np.full((200, 200), left, np.uint8)
    luma[:, 100:] = right
    points = np.full((len(KEPT), 2), 100.0)
    points[[INDEX_OF[number] for number in (50, 205, 129, 98)], 0] = 50
    points[[INDEX_OF[number] for number in (280, 425, 358, 327)], 0] = 150
    return YuvFrame(
        luma, np.full((100, 100), 118, np.uint8), np.full((100, 100), 145, np.uint8), Colour(range=limits)
    ), points


@pytest.mark.parametrize(("left", "right"), [(90, 150), (150, 90)])
def test_light_from_the_side_falls_into_the_mouth(painter, left, right):
    picture, points = face(left, right)
    tone = tone_of(picture, points, 200.0)
    assert (tone.skin, tone.u, tone.v) == (104, -10, 17)
    assert np.sign(tone.side) == np.sign(right - left)
    planes = [np.zeros(shape, np.float32) for shape in ((200, 200), (100, 100), (100, 100))]
    painter.paint(planes, picture, np.ones((200, 200), np.float32), BOX, HEADS, lips_of(0.15), tone)
    halves = planes[0][95:120, 75:100].mean(), planes[0][95:120, 100:125].mean()
    assert np.sign(halves[1] - halves[0]) == np.sign(right - left)


def test_full_range_has_no_offset():
    assert tone_of(*face(104, 104, 2), 200.0).skin == 104
    assert tone_of(*face(120, 120), 200.0).skin == 104


@pytest.mark.parametrize("at", [-500.0, 0.0, 199.0, 5000.0])
def test_cheeks_outside_the_picture_are_its_edge(at):
    picture, points = face(120, 120)
    points[:] = at
    assert tone_of(picture, points, 200.0).skin == 104


def test_a_dark_skin_has_teeth_that_are_brighter_than_it(painter):
    shape = lips_of(0.12).shape
    dark, light = (painter.dials(shape, skin)["upper_luma"] for skin in (45.0, 150.0))
    assert dark > light
    assert 45 * dark < 150 * light


def test_lips_are_described_from_the_line_between_closed_ones():
    closed = np.zeros((len(SPEAKING), 2))
    closed[:, 1] = 0.6
    lips = closed.copy()
    lips[SPEAKING.index(13), 1], lips[SPEAKING.index(14), 1] = 0.58, 0.7
    lips[SPEAKING.index(78), 0], lips[SPEAKING.index(308), 0] = -0.2, 0.2
    np.testing.assert_allclose(LipEdges.of(lips, closed).shape, [0.12, 0.4, -0.02, 0.1, 0.0], atol=1e-9)


def test_a_painter_is_plain_arrays():
    zeros = MouthPainter(
        np.zeros(len(PERSONAL), np.float32), np.zeros((24, 5), np.float32), np.zeros(24, np.float32),
        np.zeros((len(MOMENTARY), 24), np.float32), np.zeros(len(MOMENTARY), np.float32),
    )  # fmt: skip
    assert zeros.dials(np.zeros(5), 110.0) == pytest.approx(USUAL)


def test_a_patch_of_an_inner_mouth_is_of_the_heads_own_frame():
    """One column of it is a fiftieth of the eyes' distance, whatever the face's size and place."""
    for size, left in ((50.0, 60.0), (100.0, 120.0)):
        points = np.zeros((len(KEPT), 2))
        points[[INDEX_OF[number] for number in RIGID]] = TEMPLATE * size + (left, 40)
        ramp = np.tile(np.arange(240, dtype=np.uint8), (240, 1))
        grey = np.full((120, 120), 128, np.uint8)
        patch = cut_inside(YuvFrame(ramp, grey, grey, Colour(range=2)), points)
        wanted = (
            left + size * (INSIDE_HEADS.turn[0].real * (np.arange(INSIDE) + 0.5) + INSIDE_HEADS.shift[0].real) - 0.5
        )
        np.testing.assert_allclose(patch[20, 2:-2, 0], wanted[2:-2], atol=2.5)
    outside = points + 1000
    assert cut_inside(YuvFrame(ramp, grey, grey, Colour()), outside) is None
