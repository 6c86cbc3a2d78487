import numpy as np
import pytest
from filled import golden
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_ray.media import mfcc as module
from lipsync_ray.media.mfcc import columns_of, mfcc, mfcc_blocks


def noise(samples, seed=0):
    return np.random.default_rng(seed).integers(-8000, 8000, samples).astype(np.int16)


def test_it_is_the_reference():
    reference = golden("syncnet")
    found = mfcc(reference["audio"])
    assert found.shape == reference["mfcc"].shape
    assert np.abs(found - reference["mfcc"]).max() < 1e-4


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=8))
def test_the_pieces_do_not_matter(sizes):
    samples = noise(sum(sizes))
    cut_spans = np.split(samples, np.cumsum(sizes)[:-1])
    before, module._BLOCK_COLUMNS = module._BLOCK_COLUMNS, 7
    try:
        joined = np.concatenate(list(mfcc_blocks(cut_spans))).T
    finally:
        module._BLOCK_COLUMNS = before
    assert np.allclose(joined, mfcc(samples), atol=1e-9)
    assert joined.shape == (13, columns_of(len(samples)))


@pytest.mark.parametrize(("samples", "columns"), [(0, 1), (1, 1), (400, 1), (401, 2), (560, 2), (561, 3), (16000, 99)])
def test_columns(samples, columns):
    assert columns_of(samples) == columns
    assert mfcc(noise(samples)).shape[1] == columns


def test_silence_is_finite():
    found = mfcc(np.zeros(1600, np.int16))
    assert np.isfinite(found).all()
    assert (found[0] == np.log(np.finfo(float).eps)).all()
