"""Poses are what a mouth can do."""

from dataclasses import replace

import numpy as np
import pytest

from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.faces.mouth import Mouth

UPPER, LOWER = SPEAKING.index(13), SPEAKING.index(14)
MOUTH = Mouth(
    0, np.zeros(2, np.float32), np.zeros((4, len(SPEAKING), 2), np.float32), np.zeros((len(SPEAKING), 2), np.float32), 0, 0.1,
    0.04, 200,
)  # fmt: skip


def basis():
    """Its first number opens the mouth by as much, its second moves everything to the side."""
    steps = np.zeros((2, len(SPEAKING), 2), np.float32)
    steps[0, UPPER, 1], steps[0, LOWER, 1] = -0.5, 0.5
    steps[1, :, 0] = 1
    return LipBasis(steps, steps)


def opened(by, mouth=MOUTH):
    return basis().bounded(np.array([[by, 0.0]], np.float32), mouth)[0, 0]


def test_what_a_mouth_does_is_left_as_it_is():
    poses = np.array([[0.1, 0.01], [-0.2, 0.05], [0, 0]], np.float32)
    assert np.allclose(basis().bounded(poses, MOUTH), poses)


def test_no_mouth_is_torn_apart_and_none_stands_still():
    course = np.array([opened(by) for by in (0.1, 0.15, 0.3, 0.6, 1.2)])
    assert (np.diff(course) >= 0).all()
    assert course[1] < course[2]  # what is louder still opens it more
    assert course[-1] <= MOUTH.widest == pytest.approx(0.15)


def test_a_person_who_opens_it_further_may():
    assert opened(1.0, replace(MOUTH, open_gap=0.16)) > 0.2
    assert opened(1.0, replace(MOUTH, open_gap=3.0)) <= 0.24  # a mesh that went astray
    assert opened(1.0, replace(MOUTH, frames=5)) == pytest.approx(0.24, abs=0.01)  # nobody knows yet


def test_a_pose_keeps_its_shape():
    pose = np.array([[2.0, 1.0]], np.float32)
    bounded = basis().bounded(pose, MOUTH)[0]
    assert bounded[1] / bounded[0] == pytest.approx(0.5)
    assert abs(bounded[1]) < 0.16


def test_no_poses():
    assert basis().bounded(np.zeros((0, 2), np.float32), MOUTH).shape == (0, 2)
