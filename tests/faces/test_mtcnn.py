import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lipsync_ray.errors import ModelError
from lipsync_ray.faces import mtcnn_networks
from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.mtcnn import Mtcnn, nms
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video


@pytest.fixture(scope="module")
def portrait(demo_inputs):
    info = probe_video(str(demo_inputs / "portrait.jpg"))
    return next(decode.small_rgb(info, 0, 1, *detection_size(info.width, info.height)))


def test_the_face_of_the_portrait_is_found(portrait):
    faces = mtcnn_detector("cpu")(portrait)
    assert len(faces) == 1
    x0, y0, x1, y1 = faces.box[0]
    left_eye, right_eye, nose, mouth_left, mouth_right = faces.landmarks[0]
    assert faces.score[0] > 0.99
    assert x0 < left_eye[0] < nose[0] < right_eye[0] < x1
    assert y0 < left_eye[1] < nose[1] < mouth_left[1] < y1
    assert mouth_left[0] < mouth_right[0]


@pytest.mark.filterwarnings("ignore")
def test_it_equals_facenet_pytorchs_own_cascade(portrait):
    facenet = pytest.importorskip("facenet_pytorch")
    theirs = facenet.MTCNN(keep_all=True, min_face_size=20, post_process=False, device="cpu")
    for frame in (portrait, np.ascontiguousarray(np.hstack((portrait, portrait[:, ::-1])))):
        box, landmarks, score = Mtcnn("cpu", 20)(frame)
        expected = theirs.detect(frame, landmarks=True)
        order, other = np.argsort(box[:, 0]), np.argsort(expected[0][:, 0])
        assert np.abs(box[order] - expected[0][other].astype(float)).max() < 1e-2
        assert np.abs(landmarks[order] - expected[2][other].astype(float)).max() < 1e-2
        assert np.abs(score[order] - expected[1][other].astype(float)).max() < 1e-4


@pytest.mark.parametrize("shape", [(48, 48, 3), (360, 640, 3), (600, 48, 3)])
def test_nothing_is_found_in_noise_or_grey(shape):
    detect = mtcnn_detector("cpu")
    assert len(detect(np.full(shape, 128, np.uint8))) == 0
    assert len(detect(np.random.default_rng(0).integers(0, 255, shape, np.uint8))) == 0


def test_suppression_keeps_the_best_of_each_heap():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [2, 2, 6, 6]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert nms(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert nms(boxes, scores, 0.5, inner=True).tolist() == [1, 2]


def test_frames_are_scaled_to_what_is_needed():
    assert detection_size(1920, 1080) == (640, 360)
    assert detection_size(224, 224) == (224, 224)
    assert min(detection_size(400, 20)) == 48


def test_another_file_in_the_place_of_its_weights_is_refused(tmp_path, monkeypatch):
    package = Path(mtcnn_networks.find_spec("facenet_pytorch").origin).parent
    shutil.copytree(package / "data", tmp_path / "data", ignore=lambda *_: ["__pycache__"])
    rnet = tmp_path / "data" / "rnet.pt"
    state = torch.load(rnet, weights_only=True)
    state["conv1.bias"] += 1e-3
    torch.save(state, rnet)
    monkeypatch.setattr(mtcnn_networks, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "__init__.py")))
    with pytest.raises(ModelError, match=r"rnet.*sha256"):
        Mtcnn("cpu", 20)
    rnet.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        Mtcnn("cpu", 20)


def test_around_a_known_face_is_found_what_is_found_in_the_whole(portrait):
    cascade = Mtcnn("cpu", 20)
    for frame in (portrait, np.ascontiguousarray(np.hstack((portrait, portrait[:, ::-1])))):
        whole = cascade(frame)
        side = (whole[0][:, 2:] - whole[0][:, :2]).max()
        for moved in (0.0, 0.2 * side, -0.2 * side):  # as far as a face may go between two looks
            around = cascade(frame, whole[0] + moved)
            assert len(around[0]) == len(whole[0])
            assert all(np.abs(a - b).max() < 1e-2 for a, b in zip(around, whole, strict=True))  # sums of another order
    assert len(whole[0]) == 2
    one = whole[0][:1]
    (alone,) = cascade(frame, one)[0]  # the other one is not looked for
    assert np.abs(alone - one).max() < 1e-2
    assert len(cascade(frame, np.zeros((0, 4)))[0]) == 0
