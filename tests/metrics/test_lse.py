import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.metrics.lse import MAX_SHIFT, score, shifted_distances, windows_of


def agreeing(count, shift, seed=0):
    """Embeddings whose sound is that of the lips, `shift` windows later."""
    rng = np.random.default_rng(seed)
    path = rng.standard_normal((count + 2 * MAX_SHIFT, 16)).astype(np.float32)
    return path[MAX_SHIFT : MAX_SHIFT + count], path[MAX_SHIFT - shift : MAX_SHIFT - shift + count]


@pytest.mark.parametrize("padded", [True, False])
@given(shift=st.integers(-12, 12), seed=st.integers(0, 5))
def test_a_shift_is_found(padded, shift, seed):
    lips, sounds = agreeing(80, shift, seed)
    found = score(lips, sounds, padded)
    # Window i of the lips is window i + shift of the sound: the sound is late, which is a negative offset.
    assert found.offset == -shift
    assert found.confidence > 0.5
    assert found.windows == 80


def test_distances_are_those_of_the_definition():
    lips, sounds = agreeing(20, 3)
    found = shifted_distances(lips, sounds, padded=True)
    for i, s in ((0, 0), (0, 15), (7, 22), (19, 30)):
        j = i + s - MAX_SHIFT
        other = sounds[j] if 0 <= j < 20 else np.zeros(16, np.float32)
        assert found[i, s] == pytest.approx(np.linalg.norm(lips[i] - other + 1e-6), rel=1e-5)
    assert np.isnan(shifted_distances(lips, sounds, padded=False)[0, :MAX_SHIFT]).all()


def test_confidence_is_the_median_less_the_minimum():
    lips, sounds = agreeing(60, 0)
    found = score(lips, sounds, padded=True)
    assert found.confidence == pytest.approx(np.median(found.curve) - min(found.curve))
    assert found.distance == min(found.curve)


def test_noise_has_no_confidence():
    rng = np.random.default_rng(0)
    lips, sounds = (rng.standard_normal((400, 64)).astype(np.float32) for _ in range(2))
    assert score(lips, sounds, padded=False).confidence < 0.2


def test_a_track_shorter_than_the_reach_is_scored():
    lips, sounds = agreeing(4, 0)
    assert score(lips, sounds, padded=False).offset == 0


@pytest.mark.parametrize(
    ("frames", "samples", "windows"), [(100, 64000, 95), (40, 25600, 35), (100, 32000, 45), (5, 99999, 0), (3, 0, 0)]
)
def test_windows(frames, samples, windows):
    assert windows_of(frames, samples) == windows
