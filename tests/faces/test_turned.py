import numpy as np
import pytest

from lipsync_ray.faces.detect import NO_FACES, Faces
from lipsync_ray.faces.turned import quarter_turns, sentence

UPRIGHT = np.zeros((40, 60, 3), np.uint8)
UPRIGHT[:10] = 200  # the sky


def face(score, apart=0.45):
    points = np.zeros((1, 5, 2), np.float32)
    points[0, 1, 0] = apart * 20
    return Faces(np.array([[0, 0, 20, 26]], np.float32), points, np.array([score], np.float32))


def detect(picture):
    """Sure of a face whose sky is above; half sure of others, whose eyes it sees near together."""
    return face(1.0) if picture[0].mean() > 150 else face(0.97, 0.15)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_how_a_video_was_turned_is_seen(turns):
    lying = np.ascontiguousarray(np.rot90(UPRIGHT, -turns))
    assert quarter_turns([lying] * 3, detect) == turns


def test_upright_faces_are_as_they_are():
    assert quarter_turns([UPRIGHT], detect) == 0
    assert quarter_turns([np.rot90(UPRIGHT), UPRIGHT], detect) == 0


def test_where_nobody_is_nobody_lies():
    assert quarter_turns([UPRIGHT] * 3, lambda picture: NO_FACES) == 0
    assert quarter_turns([], detect) == 0
    assert quarter_turns([UPRIGHT] * 3, lambda picture: face(0.97)) == 0


def test_eyes_near_together_are_no_face_that_stands():
    assert quarter_turns([UPRIGHT] * 3, lambda picture: face(0.9 if picture.shape[0] == 40 else 1.0, 0.1)) == 0


def test_what_to_do_is_said():
    assert sentence(0) == ""
    assert "on their side" in sentence(1)
    assert "cclock" in sentence(1)
    assert "upside down" in sentence(2)
    assert "transpose=clock" in sentence(3)
