"""The face descriptor: converted as it came, and people told apart by it."""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.identity import DIFFERENT, SAME, SIDE, aligned_face
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models.face_descriptor import Describer
from lipsync_ray.models.weights import by_name

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))


@pytest.fixture(scope="module")
def describer():
    return Describer("cpu")


def largest(url, frame, detect):
    info = probe_video(str(url))
    picture = next(iter(decode.small_rgb(info, frame, frame + 1, *detection_size(info.width, info.height))))
    faces = detect(picture)
    return picture, faces.landmarks[int(np.argmax(faces.box[:, 2] - faces.box[:, 0]))]


def test_people_are_told_apart(describer, corpus):
    detect = mtcnn_detector("cpu")
    of = {
        name: np.concatenate(
            [
                describer(picture, points[None])
                for picture, points in (largest(corpus / "videos" / name, n, detect) for n in (10, 90))
            ]
        )
        for name in ("hdtf_b.mp4", "anchor_224.avi")
    }
    for own in of.values():
        assert np.linalg.norm(own[0] - own[1]) < SAME
    for one, other in combinations(of.values(), 2):
        assert np.linalg.norm(one[:, None] - other[None], axis=2).min() > DIFFERENT


def test_a_face_is_described_alike_whoever_is_there(describer):
    picture = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    points = np.float32([[60, 60], [100, 60], [80, 80], [65, 105], [95, 105]])
    both = describer(picture, np.stack((points, points + np.float32([120, 20]))))
    np.testing.assert_array_equal(both[:1], describer(picture, points[None]))
    assert describer(picture, points[:0].reshape(0, 5, 2)).shape == (0, 128)


def test_an_aligned_face_has_its_eyes_at_one_height():
    picture = np.zeros((200, 200, 3), np.uint8)
    upright = np.float32([[-20, -15], [20, -15], [0, 5], [-17, 27], [17, 27]])
    turn = np.float32([[0.9, -0.436], [0.436, 0.9]])
    points = upright @ turn.T + np.float32([100, 100])
    for x, y in points[:2].astype(int):
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    face = aligned_face(picture, points)
    assert face.shape == (SIDE, SIDE, 3)
    rows, columns = np.nonzero(face[..., 0] > 128)
    left, right = columns < SIDE / 2, columns >= SIDE / 2
    assert abs(rows[left].mean() - rows[right].mean()) < 3
    assert columns[right].mean() - columns[left].mean() == pytest.approx(0.35 * SIDE, abs=6)


def test_the_bundled_file_is_made_by_the_tool(shared, tmp_path):
    from convert_face_api import main

    main(str(shared / "weights" / "face_recognition"), str(tmp_path / "again.safetensors"))
    again, bundled = (load_file(path) for path in (tmp_path / "again.safetensors", by_name("face-descriptor").here()))
    assert again.keys() == bundled.keys()  # in whatever order: the header's is not always the same
    for name, numbers in bundled.items():
        np.testing.assert_array_equal(again[name], numbers)
