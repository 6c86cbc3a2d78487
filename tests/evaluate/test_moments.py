import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.evaluate.moments import Moments, frechet_distance


def features(count, dims=6, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dims)).astype(np.float32) + 3


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_any_split_gives_the_same_sums(sizes):
    x = features(sum(sizes) + 2)
    parts = np.split(x, np.cumsum(sizes))
    total = sum((Moments.of(part) for part in parts), Moments.nothing(6))
    assert total.count == len(x)
    assert np.allclose(total.mean, x.astype(np.float64).mean(axis=0), rtol=1e-12)
    assert np.allclose(total.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-9)


def test_they_survive_storage():
    moments = Moments.of(features(9))
    again = Moments.from_bytes(moments.to_bytes())
    assert again.count == 9
    assert np.array_equal(again.products, moments.products)
    assert np.array_equal(again.total, moments.total)


def test_the_distance_of_two_gaussians():
    # Of N(m, I) and N(0, 4 I) it is |m|² + d (1 − 2)².
    rng = np.random.default_rng(0)
    a = rng.standard_normal((200_000, 3)) + np.array([1, 0, 0])
    b = 2 * rng.standard_normal((200_000, 3))
    assert frechet_distance(Moments.of(a), Moments.of(b)) == pytest.approx(1 + 3, rel=0.02)
    assert frechet_distance(Moments.of(a), Moments.of(a)) == pytest.approx(0, abs=1e-6)


def test_one_picture_is_not_enough():
    with pytest.raises(ValueError, match="1 and 5 pictures"):
        frechet_distance(Moments.of(features(1)), Moments.of(features(5)))
