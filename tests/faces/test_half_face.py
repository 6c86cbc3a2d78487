import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.faces.box_rules import boxes_by
from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.half_face import HalfFace, half_face_box
from lipsync_ray.faces.track import Tracks

# Eyes, nose and mouth of a face seen from before, 200 pixels between its outer corners of the eyes or so.
FACE = np.array([[430, 400], [570, 400], [500, 480], [440, 560], [560, 560]], np.float32)


def box(landmarks=FACE, rule=HalfFace(), width=1000, height=1000):  # noqa: B008
    return half_face_box(landmarks, rule, width, height)


def test_the_middle_is_on_the_bridge_of_the_nose_and_the_chin_at_the_bottom():
    found = box()
    middle = (found.y0 + found.y1) / 2
    assert 430 < middle < 480  # between the eyes and the tip of the nose
    assert 600 < found.y1 < 700
    assert abs((found.x0 + found.x1) / 2 - 500) <= 1
    assert 0.65 < found.width / found.height < 0.95


def test_a_mirrored_face_has_the_mirrored_box():
    turned = FACE + np.array([[8, 0], [-4, 3], [25, 2], [10, 1], [2, -2]], np.float32)
    mirrored = (turned * (-1, 1) + (1000, 0)).astype(np.float32)[[1, 0, 2, 4, 3]]
    found, other = box(turned), box(mirrored)
    assert (1000 - other.x1, other.y0, 1000 - other.x0, other.y1) == pytest.approx(tuple(found), abs=1)


@given(st.floats(0.2, 1.0), st.floats(-100, 100), st.floats(-100, 100))
def test_it_goes_with_the_face(scale, right, down):
    moved = ((FACE - 500) * scale + 500 + (right, down)).astype(np.float32)
    found, plain = np.array(box(moved), float), np.array(box(), float)
    wanted = (plain.reshape(2, 2) - 500) * scale + 500 + (right, down)
    assert np.abs(found.reshape(2, 2) - wanted).max() <= 1.5


def test_a_shift_lowers_the_middle_and_a_margin_the_bottom():
    plain = box()
    assert tuple(box(rule=HalfFace(shift=7))) == (plain.x0, plain.y0 + 14, plain.x1, plain.y1)
    assert tuple(box(rule=HalfFace(margin=10))) == (plain.x0, plain.y0, plain.x1, plain.y1 + 10)


def test_it_stays_inside_the_picture():
    found = box(FACE - np.array([420, 380], np.float32), HalfFace(margin=50), 150, 200)
    assert (found.x0, found.y0, found.y1) == (0, 0, 200)
    assert found.x1 <= 150
    assert box(FACE + 2000) is None
    assert box(np.full((5, 2), np.nan, np.float32)) is None


def test_boxes_of_a_table_by_either_rule():
    frames = np.array([0, 2], np.int32)
    tracks = Tracks(
        frames,
        np.array([5, 5], np.int32),
        np.zeros(2, np.int32),
        np.zeros(2, np.int32),
        np.zeros(2, bool),
        np.tile(np.array([400, 350, 600, 650], np.float32), (2, 1)),
        np.stack([FACE, FACE + 10]),
        np.ones(2, np.float32),
        np.ones(2, bool),
    )
    halves = boxes_by(HalfFace(), tracks, (5,), 0, 3, 1000, 1000)
    assert halves[0] == box()
    assert halves[1] is None
    assert halves[2] == box(FACE + 10)
    assert tuple(boxes_by(Pads(bottom=0), tracks, (5,), 0, 3, 1000, 1000)[2]) == (400, 350, 600, 650)
    assert boxes_by(HalfFace(), tracks, (4,), 0, 3, 1000, 1000) == [None] * 3
