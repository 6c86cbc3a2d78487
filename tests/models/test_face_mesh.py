"""The face mesh beside MediaPipe's own, on the demo's portrait."""

from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipsync_ray.faces.mesh import LIPS, SQUARE
from lipsync_ray.models.face_mesh import POINTS, Mesher

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "face_mesh.npz"


@pytest.fixture(scope="module")
def portrait():
    data = (resources.files("lipsync_ray.demo") / "data" / "portrait.jpg").read_bytes()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].copy()


@pytest.fixture(scope="module")
def mesher():
    return Mesher("cpu", batch=2)


def cut(picture, points, turn=0.0):
    """MediaPipe's square: one and a half times the larger side of what the landmarks span."""
    centre, side = (points.min(0) + points.max(0)) / 2, 1.5 * np.ptp(points, axis=0).max()
    scale = side / SQUARE * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    square = np.column_stack((scale, centre - scale @ (SQUARE / 2, SQUARE / 2)))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, square, (SQUARE, SQUARE), flags=flags), square


@pytest.mark.parametrize("turn", [0.0, -0.05])
def test_it_sees_what_mediapipe_sees(portrait, mesher, turn):
    theirs = np.load(GOLDEN)["points"]
    eyes = np.linalg.norm(theirs[263] - theirs[33])
    picture, square = cut(portrait, theirs, turn)
    found, present = mesher(picture[None])
    ours = found[0] @ square[:, :2].T + square[:, 2]
    off = np.linalg.norm(ours - theirs, axis=1) / eyes
    assert ours.shape == (POINTS, 2)
    assert off.mean() < 0.015
    assert off[list(LIPS)].mean() < 0.015
    assert present[0] > 0.99


def test_a_picture_of_nobody_holds_no_face(mesher):
    noise = np.random.default_rng(0).integers(0, 255, (3, SQUARE, SQUARE, 3), np.uint8)
    _, present = mesher(noise)
    assert (present < 0.5).all()


def test_a_face_does_not_depend_on_those_beside_it(portrait, mesher):
    picture, _ = cut(portrait, np.load(GOLDEN)["points"])
    together, _ = mesher(np.stack([picture, picture[:, ::-1], picture]))
    alone, _ = mesher(picture[None])
    np.testing.assert_array_equal(together[[0, 2]], np.repeat(alone, 2, axis=0))
    assert mesher(np.zeros((0, SQUARE, SQUARE, 3), np.uint8))[0].shape == (0, POINTS, 2)
