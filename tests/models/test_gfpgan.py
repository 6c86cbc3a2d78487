"""Our GFPGAN against the package's own GFPGANer, with one set of seeded random weights on both sides."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from material import random_gfpgan, random_parsenet

from lipsync_ray import demo
from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.faces.align import TEMPLATE, aligned_bgr, inverse, similarity, similarity_lmeds
from lipsync_ray.faces.detect import mtcnn_detector
from lipsync_ray.faces.masks import parsing_mask
from lipsync_ray.faces.restored import paste_restored_bgr
from lipsync_ray.models import gfpgan, weights
from lipsync_ray.models.gfpgan import Restorer
from lipsync_ray.models.parsing import NOT_FACE, Parser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """GFPGANv1.4.pth, and what GFPGANer wants in gfpgan/weights of the working directory."""
    folder = tmp_path_factory.mktemp("gfpgan")
    helpers = folder / "gfpgan" / "weights"
    helpers.mkdir(parents=True)
    random_gfpgan(folder / "GFPGANv1.4.pth")
    random_parsenet(helpers / "parsing_parsenet.pth")
    from facexlib.detection.retinaface import RetinaFace

    torch.manual_seed(2)
    torch.save(RetinaFace(network_name="resnet50", device="cpu").state_dict(), helpers / "detection_Resnet50_Final.pth")
    return folder


@pytest.fixture(scope="module")
def original(folder):
    """The package's GFPGANer, its noise fixed."""
    gfpgan.gfpgan_architecture()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        from gfpgan import GFPGANer

        restorer = GFPGANer(str(folder / "GFPGANv1.4.pth"), upscale=1, device=torch.device("cpu"))
    restorer.gfpgan.forward = partial(restorer.gfpgan.forward, randomize_noise=False)
    return restorer


@pytest.fixture(scope="module")
def ours(folder):
    return Restorer(folder / "GFPGANv1.4.pth", "cpu", "fp32", 1)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A network of an eighth of the width: fast, and loaded by the same code."""
    return random_gfpgan(tmp_path_factory.mktemp("narrow") / "narrow.pth", 0.125)


pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torchvision"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def portrait():
    """(h, w, 3) uint8 BGR: the demo's, taken by the US Navy."""
    return cv2.imread(str(Path(demo.__file__).parent / "data" / "portrait.jpg"))


def test_an_aligned_face_is_the_same_to_one_level(original, ours, portrait):
    face = cv2.resize(portrait[:512, :512], (256, 256), interpolation=cv2.INTER_AREA)
    wanted = original.enhance(face, has_aligned=True)[1][0]
    found = ours(cv2.resize(face, (512, 512))[None])[0]
    assert wanted.std() > 20  # something to compare
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("upscale", [1, 2])
def test_a_whole_picture_is_the_same_to_two_levels(original, ours, portrait, folder, upscale):
    picture = cv2.resize(portrait, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    points = mtcnn_detector("cpu")(np.ascontiguousarray(picture[..., ::-1])).landmarks[0]
    helper = original.face_helper
    helper.clean_all()
    helper.set_upscale_factor(upscale)
    helper.read_image(picture)
    helper.all_landmarks_5 = [points.astype(np.float64)]
    helper.align_warp_face()
    matrix = similarity_lmeds(points)
    face = aligned_bgr(picture, matrix)
    assert np.array_equal(face, helper.cropped_faces[0])
    restored = ours(face[None])[0]
    helper.add_restored_face(restored)
    helper.get_inverse_affine(None)
    wanted = helper.paste_faces_to_input_image()
    parser = Parser(folder / "gfpgan" / "weights" / "parsing_parsenet.pth", "cpu", "fp32")
    mask = parsing_mask(parser(restored), NOT_FACE)
    assert 0.05 < mask.mean() < 1
    size = (picture.shape[1] * upscale, picture.shape[0] * upscale)
    large = cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4)
    found = paste_restored_bgr(large, restored, matrix, mask, upscale)
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 2
    assert np.abs(wanted.astype(int) - large).max() > 20


def test_the_same_face_gives_the_same_face_wherever_it_stands(narrow, one_thread):
    rng = np.random.default_rng(0)
    faces = cv2.resize(rng.integers(0, 255, (5, 5), np.uint8), (512, 512))[None, ..., None].repeat(3, 3)
    faces = np.stack([np.roll(faces[0], 20 * i, axis=1) for i in range(3)])
    restorer = Restorer(narrow, "cpu", "auto", 2)
    once, again = restorer(faces), restorer(faces[[2, 0, 1]])
    assert np.array_equal(once[[2, 0, 1]], again)
    assert restorer(faces[:0]).shape == (0, 512, 512, 3)
    with pytest.raises(ValueError, match="expected"):
        restorer(faces[:, :256])


def test_low_precision_stays_near(narrow, portrait):
    face = np.ascontiguousarray(portrait[None, :512, :512])
    exact, low = (Restorer(narrow, "cpu", precision, 1)(face).astype(int) for precision in ("fp32", "bf16"))
    assert np.abs(exact - low).mean() < 1
    assert np.abs(exact - low).max() <= 8


def test_least_squares_is_the_similarity():
    rng = np.random.default_rng(0)
    for _ in range(20):
        angle, scale, shift = rng.uniform(-1, 1), rng.uniform(0.1, 4), rng.uniform(-300, 300, 2)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = (TEMPLATE - shift) @ np.linalg.inv(turn).T
        assert np.allclose(similarity(points), np.column_stack((turn, shift)))
        assert np.allclose(similarity(points), similarity_lmeds(points), atol=1e-4)
        back = inverse(similarity(points))
        assert np.allclose(TEMPLATE @ back[:, :2].T + back[:, 2], points)


def test_noise_moves_a_least_squares_fit_less():
    rng = np.random.default_rng(0)
    base = TEMPLATE / 4 + 50
    shaken = [base + rng.normal(0, 1, (5, 2)) for _ in range(60)]
    spread = [np.std([fit(points)[:, 2] for points in shaken], axis=0).max() for fit in (similarity, similarity_lmeds)]
    assert spread[0] < spread[1]


def test_without_weights_the_error_says_everything(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path))

    def refuse(url, target, progress):
        raise WeightsError(f"{url}: cannot be downloaded: no network")

    monkeypatch.setattr(weights, "download", refuse)
    with pytest.raises(WeightsError) as caught:
        gfpgan.resolve("gfpgan")
    for part in ("GFPGANv1.4.pth", "github.com/TencentARC", "348,632,874 bytes", str(tmp_path), "leave --restore out"):
        assert part in str(caught.value)
    other = Path(tmp_path / "other.pth")
    torch.save({"x": torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match="GFPGANv1Clean"):
        gfpgan.resolve(str(other))
    with pytest.raises(WeightsError, match="neither a registered name"):
        gfpgan.resolve("nothing.pth")
