import cv2
import numpy as np
import pytest

from lipsync_ray.media.picture import Box
from lipsync_ray.metrics import image

CROP = Box(40, 20, 120, 120)


@pytest.fixture
def luma():
    rng = np.random.default_rng(0)
    return cv2.GaussianBlur(rng.integers(0, 255, (160, 160), np.uint8), (0, 0), 2)


def test_what_happens_in_the_mouth_is_not_outside(luma):
    changed = luma.copy()
    mouth = image.mouth_region(CROP)
    changed[mouth.y0 : mouth.y1, mouth.x0 : mouth.x1] = 0
    found = image.compare_outside(changed, luma, [CROP])
    assert found.mse == 0
    assert image.psnr(found.mse) == 100
    assert found.ssim > 0.99


def test_what_happens_elsewhere_is(luma):
    changed = luma.copy()
    changed[:20] = 255 - changed[:20]
    found = image.compare_outside(changed, luma, [CROP])
    assert found.ssim < 0.95
    worse = image.compare_outside(changed, luma, []).mse
    assert 0 < worse < found.mse  # the same damage over a larger region
    assert image.psnr(found.mse) == pytest.approx(10 * np.log10(255**2 / found.mse))


def test_a_frame_that_is_all_mouth_is_not_compared(luma):
    assert image.compare_outside(luma, luma, [Box(0, -140, 160, 160)]) is None


def test_blur_is_less_sharp(luma):
    assert image.sharpness(cv2.GaussianBlur(luma, (0, 0), 2), CROP) < 0.5 * image.sharpness(luma, CROP)


def test_steady_motion_is_no_jitter():
    rng = np.random.default_rng(0)
    face = np.array([[10.0, 10], [30, 10], [20, 20], [12, 30], [28, 30]])
    moving = face + np.arange(30)[:, None, None] * [1.5, 0.5]
    assert image.jitter(moving).max() < 1e-9
    shaking = moving + rng.normal(0, 1, moving.shape)
    assert image.jitter(shaking).mean() > 0.05
    assert np.allclose(image.jitter(shaking), image.jitter(3 * shaking))  # does not depend on the size


def test_jitter_without_a_face_is_nothing():
    points = np.zeros((6, 5, 2))
    points[:, 1] = 20
    points[3] = np.nan
    assert np.isnan(image.jitter(points)).tolist() == [False, True, True, True]
    assert len(image.jitter(points[:2])) == 0


def treated(luma):
    """The picture as somebody's tools leave it: smaller, larger, darker, noisy, with a bar over it."""
    rng = np.random.default_rng(1)
    yield cv2.resize(luma, (100, 100), interpolation=cv2.INTER_AREA)
    yield cv2.resize(luma, (640, 640), interpolation=cv2.INTER_LANCZOS4)
    yield (luma * 0.5 + 90).astype(np.uint8)
    yield (255 * (luma / 255) ** 2).astype(np.uint8)
    yield np.clip(luma + rng.normal(0, 12, luma.shape), 0, 255).astype(np.uint8)
    barred = luma.copy()
    barred[130:] = 0
    yield barred


def test_a_picture_is_known_again_however_it_was_treated(luma):
    assert image.alike(luma, luma) == 1
    assert all(image.alike(other, luma) > 0.6 for other in treated(luma))


def test_two_pictures_of_different_scenes_agree_nowhere(luma):
    assert image.alike(luma, luma.T.copy()) < 0.1
    assert image.alike(luma, 255 - luma) == 0


def test_blank_pictures_cannot_be_told_apart_but_a_blank_one_is_no_scene(luma):
    blank = np.full((90, 120), 90, np.uint8)
    assert image.alike(blank, blank) is None
    assert image.alike(luma, blank) == image.alike(blank, luma) == 0
