import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lipsync_ray.faces import area
from lipsync_ray.faces.area import AreaSums


def by_torch(picture, height, width):
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    return F.interpolate(tensor, (height, width), mode="area")[0].permute(1, 2, 0).numpy()


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70), st.integers(1, 70))
def test_any_size_is_torchs_area(height, width, tall, wide):
    picture = noise(height, width)
    whole = by_torch(picture, tall, wide)
    found = AreaSums(picture).resized(tall, wide, slice(0, tall), slice(0, wide))
    assert found.dtype == np.float32
    assert np.abs(found - whole).max() < 1e-3
    rows, columns = slice(tall // 3, tall), slice(wide // 2, wide)
    assert np.array_equal(AreaSums(picture).resized(tall, wide, rows, columns), found[rows, columns])


def test_boxes_are_torchs_area_of_what_lies_in_them():
    picture = noise(80, 90)
    low = np.array([[0, 0], [5, 7], [40, 60], [89, 79]])
    high = np.array([[90, 80], [29, 31], [47, 66], [90, 80]])
    found = AreaSums(picture).cut(low, high, 24)
    for cut, (x0, y0), (x1, y1) in zip(found, low, high, strict=True):
        assert np.abs(cut - by_torch(np.ascontiguousarray(picture[y0:y1, x0:x1]), 24, 24)).max() < 1e-3
    assert AreaSums(picture).cut(low[:0], high[:0], 24).shape == (0, 24, 24, 3)


@pytest.mark.parametrize("largest", [10**9, 0])
def test_sums_beyond_32_bits_are_exact_too(largest, monkeypatch):
    monkeypatch.setattr(area, "_LARGEST", largest)
    white = np.full((50, 40, 3), 255, np.uint8)
    sums = AreaSums(white)
    assert (sums.resized(7, 9, slice(0, 7), slice(0, 9)) == 255).all()
    assert (sums.cut(np.array([[3, 4]]), np.array([[33, 44]]), 12) == 255).all()
