from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.metrics.frechet import FeatureStats, frechet_distance


def features(count, dims=6, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dims)).astype(np.float32) + 3


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_any_split_gives_the_same_sums(sizes):
    x = features(sum(sizes) + 2)
    parts = np.split(x, np.cumsum(sizes))
    total = sum((FeatureStats.of(part) for part in parts), FeatureStats.nothing(6))
    assert total.count == len(x)
    assert np.allclose(total.mean, x.astype(np.float64).mean(axis=0), rtol=1e-12)
    assert np.allclose(total.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-9)


def test_they_survive_storage():
    moments = FeatureStats.of(features(9))
    again = FeatureStats.from_bytes(moments.to_bytes())
    assert again.count == 9
    assert np.array_equal(again.products, moments.products)
    assert np.array_equal(again.total, moments.total)


def test_the_distance_of_two_gaussians():
    # Of N(m, I) and N(0, 4 I) it is |m|² + d (1 − 2)².
    rng = np.random.default_rng(0)
    a = rng.standard_normal((200_000, 3)) + np.array([1, 0, 0])
    b = 2 * rng.standard_normal((200_000, 3))
    assert frechet_distance(FeatureStats.of(a), FeatureStats.of(b)) == pytest.approx(1 + 3, rel=0.02)
    assert frechet_distance(FeatureStats.of(a), FeatureStats.of(a)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("count", "fade", "within"), [(400, 64, 1e-10), (400, 8, 1e-6), (40, 64, 1e-5)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::scipy.linalg.LinAlgWarning")
def test_the_distance_is_that_of_pytorch_fid(count, fade, within):
    from pytorch_fid.fid_score import calculate_frechet_distance

    mix = np.random.default_rng(9).standard_normal((64, 64)) * np.exp(-np.arange(64) / fade)[:, None]
    sides = [FeatureStats.of(np.maximum(features(count, 64, seed) - 3 + seed / 9, 0) @ mix) for seed in (1, 2)]
    wanted = calculate_frechet_distance(*(x for side in sides for x in (side.mean, side.covariance)))
    assert frechet_distance(*sides) == pytest.approx(wanted, rel=within)
    assert frechet_distance(*reversed(sides)) == pytest.approx(wanted, rel=within)


def test_many_groups_may_be_computed_at_once():
    """Each on a thread of its own, as the evaluation does it, with warnings as errors as every test here has them."""
    sides = [FeatureStats.of(features(90, 64, seed)) for seed in range(8)]
    one_by_one = [frechet_distance(sides[0], side) for side in sides]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda side: frechet_distance(sides[0], side), sides)) == one_by_one


def test_one_picture_is_not_enough():
    with pytest.raises(ValueError, match="1 and 5 pictures"):
        frechet_distance(FeatureStats.of(features(1)), FeatureStats.of(features(5)))
