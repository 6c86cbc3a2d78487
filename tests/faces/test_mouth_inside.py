import cv2
import numpy as np
import pytest

from lipsync_ray.faces import mouth_inside


@pytest.mark.parametrize("sigma", [0.5, 4.0, 16.0, 20.0, 75.0])
def test_a_wide_blur_is_a_gaussian(sigma):
    noise = np.random.default_rng(0).normal(128, 60, (40, 30)).astype(np.float32)
    plane = cv2.resize(noise, (900, 1200), interpolation=cv2.INTER_LINEAR)
    found, expected = mouth_inside._blurred(plane, sigma), cv2.GaussianBlur(plane, (0, 0), sigma)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 1
    assert np.abs(found - expected).max() < 8


def test_no_blur_is_wider_for_a_larger_face(monkeypatch):
    """The cost of a blur grows with its width: with the face's, it would be cubic."""
    widths = []
    real = cv2.GaussianBlur
    monkeypatch.setattr(
        cv2, "GaussianBlur", lambda plane, size, sigma: widths.append(sigma) or real(plane, size, sigma)
    )
    plane = np.zeros((400, 400), np.float32)
    mask = np.zeros((400, 400), np.float32)
    mask[150:250, 150:250] = 1
    mouth_inside.spread_from(plane, mask, 3000.0)
    assert max(widths) <= 16
