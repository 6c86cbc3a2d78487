"""The network that says whether a mouth can be seen, on the demo's portrait and a hand-like bar."""

from importlib import resources

import cv2
import numpy as np
import pytest
from occluders import OTHERS

from lipsync_ray.faces.mesh import cut_square, square_of
from lipsync_ray.media.picture import Colour, YuvFrame
from lipsync_ray.models.visibility import SIDE, Visibility, mouth_crop


@pytest.fixture(scope="module")
def network():
    return Visibility("cpu")


@pytest.fixture(scope="module")
def face_square():
    """The square of the demo's face."""
    data = (resources.files("lipsync_ray.demo") / "data" / "portrait.jpg").read_bytes()
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    bgr = bgr[: bgr.shape[0] // 2 * 2, : bgr.shape[1] // 2 * 2]
    height, width = bgr.shape[:2]
    y, u, v = np.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).reshape(-1), [height * width, height * width * 5 // 4])
    half = (height // 2, width // 2)
    picture = YuvFrame(y.reshape(height, width), u.reshape(half), v.reshape(half), Colour())
    five = np.array([[205, 195], [323, 188], [262, 240], [215, 290], [318, 285]], np.float32)
    return cut_square(picture, square_of(five))


def test_a_mouth_is_visible_until_something_is_before_it(network, face_square):
    rng = np.random.default_rng(0)
    mouth = np.array([96.0, 126.0])
    covered = []
    for kind in OTHERS.values():
        colours, form = kind(rng, face_square.astype(np.float32), mouth, face_square)
        covered.append((face_square + form[..., None] * (np.clip(colours, 0, 255) - face_square)).astype(np.uint8))
    seen = network([face_square, *covered])
    assert seen[0] > 0.8
    assert np.median(seen[1:]) < 0.1
    assert (seen[1:] < 0.08).sum() >= len(OTHERS) - 1


def test_no_answer_depends_on_the_others(network, face_square):
    many = [face_square, face_square[::-1].copy(), np.zeros_like(face_square)] * 7
    together = network(many)
    assert np.array_equal(together[:3], network(many[:3]))
    assert network([]).shape == (0,)


def test_it_sees_the_lower_middle_of_the_square():
    square = np.zeros((192, 192, 3), np.uint8)
    square[76:172, 48:144] = 200
    part = mouth_crop(square)
    assert part.shape == (SIDE, SIDE, 3)
    assert (part == 200).all()
