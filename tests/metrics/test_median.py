import numpy as np
import pytest
from scipy.signal import medfilt

from lipsync_ray.metrics.lse import median_filter


@pytest.mark.parametrize("count", [1, 2, 8, 9, 13, 14, 300])
@pytest.mark.parametrize("size", [9, 13])
def test_the_median_is_scipys_with_zeros_beyond_the_ends(count, size):
    values = np.random.default_rng(count).normal(size=count)
    assert np.array_equal(median_filter(values, size), medfilt(np.pad(values, size), size)[size:-size])
